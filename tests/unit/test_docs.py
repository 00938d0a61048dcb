"""The documentation is executed: plans load, commands exist and run, links lead somewhere, lists are complete."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import typer.main
from packaging.requirements import Requirement
from typer.core import TyperGroup
from typer.testing import CliRunner

from plans.listeners import Event
from plans.load import loads
from rollout.model import Status, Verb, Verdict
from scripts import plan_fields
from sluice.cli import app
from sluice.errors import CommandError
from sluice.settings import Settings
from tests.markdown import PAGES, ROOT, Block, blocks

PLAN_BLOCKS = list(blocks("yaml"))
REFERENCE = ROOT / "docs" / "cli.md"
COMMAND_BLOCKS = list(blocks("console", *(page for page in PAGES if page != REFERENCE)))
SMALLEST = next(blocks("yaml", ROOT / "docs" / "writing-a-plan.md")).text
OFFLINE = {"validate", "preview", "simulate", "schema"}
OFFLINE_COMMANDS = sorted(
    {command for block in COMMAND_BLOCKS for command in block.commands if {*command.split()[1:2]} & OFFLINE}
)
SECTION = re.compile(r"^(\w+):.*\n(?:[ \n].*\n?)*", re.MULTILINE)


@pytest.mark.parametrize("block", PLAN_BLOCKS, ids=str)
def test_every_plan_in_the_documentation_loads(block: Block) -> None:
    """A YAML block is a plan, or a part of one that is valid inside the smallest plan."""
    loads(_completed(block.text), file=str(block))


def test_readme_shows_the_smallest_plan() -> None:
    """README and the guide to plans begin with the eight lines of plans/examples/minimal.yaml."""
    shipped = (ROOT / "plans" / "examples" / "minimal.yaml").read_text(encoding="utf-8")
    assert shipped.endswith("\n" + SMALLEST)
    assert SMALLEST == next(blocks("yaml", ROOT / "README.md")).text
    assert len(SMALLEST.splitlines()) == 8


@pytest.mark.parametrize("block", COMMAND_BLOCKS, ids=str)
def test_every_command_in_the_documentation_exists(block: Block) -> None:
    """A console block names targets of the Makefile, or commands of ours with options that they have."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for words in map(shlex.split, block.commands):
        if words[0] == "make":
            assert words[1] in targets, f"{block}: make {words[1]}"
        else:
            assert words[0] == "sluice", f"{block}: {words[0]}"
            _parse(words[1:])


@pytest.mark.parametrize("command", OFFLINE_COMMANDS)
def test_every_offline_command_in_the_documentation_succeeds(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands that need no server run as they are printed, and end with 0."""
    (tmp_path / "search.yaml").write_text(SMALLEST, encoding="utf-8")
    (tmp_path / "plans").symlink_to(ROOT / "plans")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("block", list(blocks("python")), ids=str)
def test_every_python_example_parses(block: Block) -> None:
    """Python in the documentation is Python; the README's own is run by the end-to-end test."""
    ast.parse(block.text)


def test_command_reference_is_what_the_commands_say() -> None:
    """docs/cli.md is what `make docs` writes now."""
    command = [sys.executable, "-m", "typer", "sluice.cli", "utils", "docs", "--name", "sluice"]
    generated = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert REFERENCE.read_text(encoding="utf-8").strip() == generated.strip(), "run `make docs`"


def test_links_lead_to_files() -> None:
    """Each relative link of a page names a file or folder that exists, and an anchor that it has."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8"))
        if not _leads_somewhere(page, target)
    ]
    assert [] == broken


def test_glossary_knows_the_words_of_the_code() -> None:
    """Each verdict, and each transition and state that is a word of its own, has its line in the glossary."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| \*\*(\w+)\*\* \|", text, re.MULTILINE))
    plain = {Verb.START, Verb.ADJUST, Verb.SET, Verb.EXTEND, Verb.BACK, Verb.AWAIT_APPROVAL}
    assert set() == ({*Verdict, *Verb} - plain) - known
    assert [] == [status for status in Status if status not in (ROOT / "docs" / "lifecycle.md").read_text("utf-8")]


def test_every_decision_record_has_its_parts() -> None:
    """ADRs are numbered without a gap and have a date, a status, a context, a decision and consequences."""
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert list(range(1, len(records) + 1)) == [int(record.name[:4]) for record in records]
    form = re.compile(r"# \d+\. .+?\n\nDate: .+? · Status: \w+.*?## Context.*?## Decision.*?## Consequences", re.DOTALL)
    assert [] == [record.name for record in records if not form.match(record.read_text(encoding="utf-8"))]


def test_every_dependency_has_its_reason() -> None:
    """ADR 7 names each package that pyproject.toml asks for."""
    text = (ROOT / "docs" / "adr" / "0007-dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {Requirement(line).name for line in project["dependencies"] + project["optional-dependencies"]["demo"]}
    assert set() == wanted - set(re.findall(r"[a-z0-9-]+", text))


def test_operating_page_lists_every_setting() -> None:
    """The table of settings has a row for each field of Settings, with its variable."""
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| (?:`\w+` )?\| `SLUICE_(\w+)` \|", text, re.MULTILINE))
    assert {field.name.upper() for field in fields(Settings)} == listed


def test_operating_page_explains_every_exit_code() -> None:
    """The table of exit codes has 0 and each code that an ending of a command has."""
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d) \|", text, re.MULTILINE)}
    assert {0, *(ending.code for ending in CommandError.__subclasses__())} == listed


def test_every_field_of_a_plan_is_explained() -> None:
    """docs/plan-fields.md is what the model gives now, every field of every part of the schema says what it takes."""
    written = (ROOT / "docs" / "plan-fields.md").read_text(encoding="utf-8")
    assert plan_fields.page() == written, "run `make docs`"
    assert [] == re.findall(r"^\| `\w+` \|  \|.*", written, re.MULTILINE)
    schema = json.loads((ROOT / "plans" / "plan.schema.json").read_text(encoding="utf-8"))
    parts = [schema, *schema["$defs"].values(), *(one for d in schema["$defs"].values() for one in d.get("anyOf", ()))]
    fields = {name for part in parts for name in part.get("properties", ())}
    assert set() == fields - set(re.findall(r"^\| `(\w+)` \|", written, re.MULTILINE))


def test_every_event_has_its_runbook() -> None:
    """Whatever people are told of has a section that says what to do."""
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n\n(.+?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(Event) <= set(sections)
    assert [] == [event for event in Event if "**Do:**" not in sections[event]]


def _completed(text: str) -> str:
    """Put a fragment's sections in place of the smallest plan's own."""
    if text.startswith("sluice:"):
        return text
    given = {found[1]: found[0] for found in SECTION.finditer(text)}
    kept = {found[1]: found[0] for found in SECTION.finditer(SMALLEST)} | given
    return "".join(kept.values())


def _parse(words: list[str]) -> None:
    """Read a command line as the real one does, without running it; wrong usage raises."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands[words[0]].make_context(words[0], words[1:])


def _leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not anchor:
        return file.exists()
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
