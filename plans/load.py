"""From a file to a plan: every problem at once, each with its line; and plans to and from JSON.

`plans.load(path)` works because this module can be called; `python -m plans.load --schema` prints the JSON Schema.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from plans import explain, kits, parts, rules
from plans.known import Known
from plans.problems import Fault, PlanError, Problem, Severity, place
from plans.problems import Path as Place
from plans.reader import LARGEST, Document, Unreadable, read
from plans.schema import Plan

__all__ = [
    "Known",
    "PlanError",
    "Problem",
    "Severity",
    "check",
    "digest",
    "from_json",
    "json_schema",
    "load",
    "loads",
    "to_json",
]

NOBODY_ELSE = Known()
MOST_TOLD = 200


def load(path: str | Path, known: Known = NOBODY_ELSE) -> Plan:
    """The plan in a file; raises PlanError with every problem, warnings among them, where there is an error."""
    return loads(text_of(path), str(path), known)


def loads(text: str, file: str = "plan.yaml", known: Known = NOBODY_ELSE) -> Plan:
    """The plan in a text; `file` is what problems call it. Raises PlanError as `load` does."""
    plan, problems = check(text, file, known)
    if plan is None:
        raise PlanError(problems)
    return plan


def check(text: str, file: str = "plan.yaml", known: Known = NOBODY_ELSE) -> tuple[Plan | None, tuple[Problem, ...]]:
    """The plan, None where it has errors, and all problems in the order of their lines."""
    try:
        document = read(text)
    except Unreadable as wrong:
        return None, (Problem(file, wrong.line, "", wrong.message),)
    plan, found = _validated(document.data, known)
    problems = _located(document, file, found)
    refused = any(problem.severity is Severity.ERROR for problem in problems)
    if len(problems) > MOST_TOLD:
        rest = f"{len(problems) - MOST_TOLD} more problems; put these right first"
        problems = (*problems[:MOST_TOLD], Problem(file, 0, "", rest))
    return None if refused else plan, problems


def text_of(path: str | Path) -> str:
    """The text of a plan file; raises PlanError where it cannot be read as UTF-8 of at most 256 kB."""
    try:
        with Path(path).open("rb") as file:
            body = file.read(LARGEST + 1)
    except OSError as wrong:
        raise PlanError([Problem(str(path), 0, "", f"cannot be read: {wrong.strerror or wrong}")]) from None
    try:
        return body.decode("utf-8") if len(body) <= LARGEST else " " * len(body)
    except UnicodeDecodeError as wrong:
        line = body.count(b"\n", 0, wrong.start) + 1
        raise PlanError([Problem(str(path), line, "", "is not UTF-8 text; save the file as UTF-8")]) from None


def digest(plan: Plan) -> str:
    """SHA-256 of what the plan says, in hex: layout, comments, order of keys and spelled-out defaults do not matter."""
    said = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def to_json(plan: Plan) -> str:
    """The plan as JSON, which `from_json` reads back to an equal plan."""
    return plan.model_dump_json(by_alias=True, exclude_defaults=True)


def from_json(text: str) -> Plan:
    """The plan that `to_json` wrote; raises pydantic's ValidationError on anything else."""
    return Plan.model_validate_json(text)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the format, for editors; what holds between parts of a plan is checked by `check` alone."""
    described = Plan.model_json_schema(by_alias=True, mode="validation")
    heading = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sluice plan, format 1",
    }
    return heading | _with_kits({key: value for key, value in _without_null(described).items() if key != "title"})


def _with_kits(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema where a plan that uses a kit needs no metrics and criteria of its own."""
    kinds, needed = schema["$defs"], ("metrics", "stop")
    kinds["Stop"]["required"].remove("criteria")
    kinds["Metric"]["required"].remove("of")
    kinds["Metric"]["anyOf"] = [{"required": ["of"]}, {"required": ["value"]}]
    alone = {"required": list(needed), "properties": {"stop": {"required": ["criteria"]}}}
    required = [name for name in schema["required"] if name not in needed]
    return schema | {"required": required, "anyOf": [{"required": ["use"]}, alone]}


def _validated(data: Any, known: Known) -> tuple[Plan | None, list[Fault]]:
    if not isinstance(data, dict):
        return None, [Fault((), "a plan is a mapping; begin with `sluice: 1`")]
    data = kits.expanded(data)
    try:
        plan = Plan.model_validate(data)
    except ValidationError as wrong:
        explained = list(islice(explain.faults(wrong, data), MOST_TOLD))
        rest = parts.of_data(data, {fault.path: kind for kind, fault in explained})
        found = [fault for _, fault in explained] + list(rules.faults(rest, known))
        return None, _with_empties(found, data)
    return plan, _with_empties(list(rules.faults(parts.of_plan(plan), known)), data)


def _with_empties(found: list[Fault], data: Any) -> list[Fault]:
    """The faults, and one for each key without a value that none of them tells of: `approval:` is not `required`."""
    told = {fault.path for fault in found}
    return found + [
        Fault(path, "is empty; write a value or remove the line") for path in _empties(data) if path not in told
    ]


def _empties(data: Any, path: Place = ()) -> Iterator[Place]:
    if data is None:
        yield path
    entries = data.items() if isinstance(data, dict) else enumerate(data if isinstance(data, list) else ())
    for key, value in entries:
        yield from _empties(value, (*path, key))


def _located(document: Document, file: str, found: Iterable[Fault]) -> tuple[Problem, ...]:
    """Faults as problems, each once, in the order of their lines."""
    lines = [*document.faults, *((document.line(fault.path), fault) for fault in found)]
    problems = dict.fromkeys(
        Problem(file, line, place(fault.path), fault.message, fault.severity) for line, fault in lines
    )
    return tuple(sorted(problems, key=lambda problem: problem.line))


def _without_null(schema: Any) -> Any:
    """The schema where a key is left out rather than left empty."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_null(value) for key, value in schema.items() if not (key == "default" and value is None)}
    choices = [choice for choice in kept.get("anyOf", ()) if choice != {"type": "null"}]
    return {key: value for key, value in kept.items() if key != "anyOf"} | (
        {"anyOf": choices} if len(choices) > 1 else choices[0] if choices else {}
    )


class _Callable(ModuleType):
    """A module that loads when called, so that `plans.load(path)` is right whichever way it was imported."""

    def __call__(self, path: str | Path, known: Known = NOBODY_ELSE) -> Plan:
        return load(path, known)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    if sys.argv[1:] != ["--schema"]:
        sys.exit("usage: python -m plans.load --schema")
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))  # noqa: T201 - this is the command's output
