"""Plans as JSON: what is stored comes back equal, equal plans have equal digests, and editors get a schema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from plans.load import check, digest, from_json, json_schema, load, loads, to_json
from plans.reader import read
from plans.schema import Plan

EXAMPLES = sorted(Path("plans/examples").glob("*.yaml"))
CASE_LAW = Path("plans/examples/case-law.yaml").read_text()
SCHEMA = Path("plans/plan.schema.json")

scalars: st.SearchStrategy[JsonValue] = st.text(max_size=5) | st.integers(-(2**53), 2**53) | st.booleans()
settings_values = scalars | st.floats(allow_nan=False, allow_infinity=False) | st.lists(scalars, max_size=3)
durations = st.builds("{}{}".format, st.integers(1, 90), st.sampled_from("mhdw"))


@st.composite
def declared(draw: st.DrawFn) -> Plan:
    """Any plan of this shape: settings, exposures, holds and criteria vary."""
    settings = draw(
        st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), settings_values, min_size=1, max_size=4)
    )
    shares = [*sorted(draw(st.sets(st.integers(1, 99999), max_size=4))), 100000]
    phases = [
        {"name": f"p{number}", "expose": f"{share / 1000:.3f}%", "hold": draw(durations)}
        for number, share in enumerate(shares)
    ]
    criterion = {
        "when": f"errors > {draw(st.integers(1, 50))}x control",
        "then": draw(st.sampled_from(["notify", "hold", "revert", "disable"])),
        "min_samples": draw(st.integers(0, 999)),
    }
    plan = {
        "sluice": 1,
        "name": "generated",
        "flag": "f",
        "stable": draw(st.just("off") | st.just(settings)),
        "candidate": settings,
        "audience": {"size": draw(st.integers(1, 10**6)), "allow": [{"user": draw(st.text(max_size=5))}]},
        "phases": phases,
        "metrics": {"errors": {"source": "events", "bad": "error", "of": "request"}},
        "stop": {"criteria": [criterion], "confidence": "99.9%", "check_every": "10s"},
    }
    return Plan.model_validate(plan)


@given(declared())
def test_what_is_written_as_json_comes_back_equal(plan: Plan) -> None:
    """The store keeps JSON and loses nothing."""
    again = from_json(to_json(plan))
    assert plan == again
    assert digest(plan) == digest(again)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_loads_without_a_word_and_survives_json(example: Path) -> None:
    """The plans that people start from are clean."""
    plan, told = check(example.read_text(), str(example))
    assert told == ()
    assert plan is not None
    assert plan == from_json(to_json(plan))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_begins_with_one_sentence(example: Path) -> None:
    """The header says what the example teaches."""
    first = example.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert (".", 1) == (first[-1], first.count(". ") + 1)


@given(st.data())
def test_layout_and_comments_do_not_change_the_digest(data: st.DataObject) -> None:
    """Blank lines and remarks anywhere between the lines of a plan say nothing new."""
    lines = CASE_LAW.splitlines()
    for _ in range(data.draw(st.integers(1, 5))):
        remark = data.draw(st.sampled_from(["", "# a remark", "      # another: one"]))
        lines.insert(data.draw(st.integers(0, len(lines))), remark)
    assert digest(loads(CASE_LAW)) == digest(loads("\n".join(lines)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sluice: 1\nname: case-law-v24\n", "name: 'case-law-v24'\nsluice: 1\n"),
        ("hold: 7d\n    adjust:", "hold: 1w\n    adjust:"),
        ("- error_rate > 2x control", "- {when: error_rate>2 x control, then: revert}"),
        ("confidence: 95%", "confidence: 0.95"),
        ("notify: [log]\n", ""),
    ],
)
def test_the_same_said_otherwise_has_the_same_digest(old: str, new: str) -> None:
    """Order of keys, quotes, units, short forms and spelled-out defaults."""
    assert old in CASE_LAW
    assert digest(loads(CASE_LAW)) == digest(loads(CASE_LAW.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"), [("hold: 3d", "hold: 4d"), ("hold: 3d", "hold: 72h"), ("> 2x", "> 3x"), ("v2.4,", "v2.5,")]
)
def test_anything_else_said_has_another_digest(old: str, new: str) -> None:
    """A changed plan is another plan; three days and 72 hours differ."""
    assert old in CASE_LAW
    assert digest(loads(CASE_LAW)) != digest(loads(CASE_LAW.replace(old, new)))


def test_the_shipped_schema_is_the_one_the_model_gives() -> None:
    """`python -m plans.load --schema > plans/plan.schema.json` was run after the last change."""
    assert json.loads(SCHEMA.read_text()) == json_schema()
    printed = subprocess.run(
        [sys.executable, "-m", "plans.load", "--schema"], capture_output=True, text=True, check=True
    )
    assert SCHEMA.read_text() == printed.stdout


def test_the_schema_is_valid_and_accepts_every_example() -> None:
    """Editors that check against it find nothing in a good plan."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    validator = jsonschema.Draft202012Validator(json_schema())
    for example in EXAMPLES:
        assert [] == list(validator.iter_errors(read(example.read_text()).data)), example


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hold: 3d", "hold: three days"),
        ("approval: required", "aproval: required"),
        ("expose: 1%", "expose: 1"),
        ("then: notify", "then: ignore"),
        ("advance: Mon-Thu 09:00-16:00", "advance: weekdays"),
        ("- error_rate > 2x control", "- 5"),
        ("flag: case-law-ai ", "flag: "),
    ],
)
def test_the_schema_refuses_what_an_editor_can_see(old: str, new: str) -> None:
    """Wrong words, unknown keys and wrong types are underlined while typing."""
    assert old in CASE_LAW
    validator = jsonschema.Draft202012Validator(json_schema())
    assert not validator.is_valid(read(CASE_LAW.replace(old, new)).data)


def test_the_case_law_example_is_the_plan_that_the_format_is_told_with() -> None:
    """Its digest is pinned: stories, dates and the demonstration rest on this very plan."""
    assert (
        digest(load("plans/examples/case-law.yaml"))
        == "05d5dd269b3a567461839d781b7ec2b80b1dc2ed1a6f83f4306e16aca21db729"
    )
