"""What linters do not see: the sizes of things, the names of things, and tests that say what they prove."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ROOMS = ("plans", "rollout", "gates", "state", "flows", "serving", "sluice")
CORE = (
    "rollout/",
    "plans/schema.py",
    "plans/expressions.py",
    "gates/sequential.py",
    "gates/judge.py",
    "gates/power.py",
    "gates/planner.py",
    "gates/foresight.py",
    "gates/reckoning.py",
    "gates/prospects.py",
    "gates/chances.py",
    "gates/spreads.py",
)
VAGUE_MODULES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "service", "base"}
VAGUE_CLASSES = re.compile(r"(Manager|Service|Helper|Utils?)$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
COMPANIONS = {"pydantic_core", "starlette", "click"}  # the inner halves of pydantic, fastapi and typer
LONGEST_FILE = 300
LONGEST_TEST_FILE = 500
LONGEST_FUNCTION = 40
LONGEST_CORE_FUNCTION = 25

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_no_file_is_too_long_to_read() -> None:
    """A file of a room has at most 300 lines, a file of tests at most 500."""
    limits = dict.fromkeys(_sources(*ROOMS), LONGEST_FILE) | dict.fromkeys(
        _sources("tests", "bench"), LONGEST_TEST_FILE
    )
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in limits}
    assert [] == [f"{_name(path)}: {lengths[path]} lines" for path in limits if lengths[path] > limits[path]]


def test_no_function_is_too_long_to_hold_in_mind() -> None:
    """A function has at most 40 lines, in the core 25."""
    long = []
    for path in _sources(*ROOMS):
        limit = LONGEST_CORE_FUNCTION if _name(path).startswith(CORE) else LONGEST_FUNCTION
        long += [
            f"{_name(path)}:{function.lineno}: {function.name} has {_length(function)} lines"
            for function in _functions(path)
            if _length(function) > limit
        ]
    assert [] == long


def test_names_say_what_a_thing_is_responsible_for() -> None:
    """No module or class hides behind a word such as utils or Manager."""
    modules = [_name(path) for path in _sources(*ROOMS) if path.stem in VAGUE_MODULES]
    classes = [
        f"{_name(path)}:{node.lineno}: {node.name}"
        for path in _sources(*ROOMS)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ClassDef) and VAGUE_CLASSES.search(node.name)
    ]
    assert [] == modules + classes


def test_nothing_is_left_for_later() -> None:
    """No source carries a note of work that is still to be done."""
    notes = [
        f"{_name(path)}:{number}: {line.strip()}"
        for path in _sources(*ROOMS, "tests", "bench")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert [] == notes


def test_every_test_states_a_fact() -> None:
    """Each test has a docstring, which is the sentence it proves."""
    silent = [
        f"{_name(path)}:{function.lineno}: {function.name}"
        for path in _sources("tests")
        for function in _functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert [] == silent


def test_lock_satisfies_every_declared_dependency() -> None:
    """What pyproject.toml asks for, extras and build backend included, is in the lock in a version it allows."""
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", _lock(), re.MULTILINE))
    locked = {canonicalize_name(name): version for name, version in locked.items()}
    unmet = [
        str(wanted)
        for wanted in map(Requirement, _declared())
        if wanted.name != "sluice" and not wanted.specifier.contains(locked.get(canonicalize_name(wanted.name), "0"))
    ]
    assert [] == unmet


def test_every_imported_package_is_declared() -> None:
    """What the rooms import is the standard library, a room, or a dependency of pyproject.toml by name."""
    declared = {canonicalize_name(Requirement(wanted).name) for wanted in _declared()}
    provided = {
        module
        for module, packages in packages_distributions().items()
        if declared & {canonicalize_name(package) for package in packages}
    }
    undeclared = {
        f"{_name(path)}: {module}"
        for path in _sources(*ROOMS)
        for module in _imported(path)
        if module not in provided | sys.stdlib_module_names | COMPANIONS | {*ROOMS}
    }
    assert set() == undeclared


def test_lock_names_no_package_host() -> None:
    """The lock works behind any index: every requirement is a version with hashes, and no line names a place."""
    requirements = [line for line in _lock().splitlines() if line[:1].isalnum()]
    assert [] == [line for line in requirements if not line.endswith("\\") or " @ " in line]
    assert [] == re.findall(r"^\s*-(?!-hash=sha256:).*|.*://.*", _lock(), re.MULTILINE)


def _sources(*folders: str) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name != "versions"  # a migration is a list of columns, as long as the tables are wide
    )


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(_tree(path)) if isinstance(node, Function))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        yield from (name.split(".")[0] for name in names)


def _length(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _lock() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def _declared() -> list[str]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    return [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(wanted for extra in extras for wanted in extra),
    ]
