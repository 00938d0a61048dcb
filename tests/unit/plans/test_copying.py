"""A copied plan is the old one under another name: every word kept but the name and a start that has passed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import plans
from plans.copying import ANYWHERE, copied
from plans.load import PlanError, loads

EXAMPLES = sorted(Path(plans.__file__).with_name("examples").glob("*.yaml"))
CASE_LAW = Path(plans.__file__).with_name("examples").joinpath("case-law.yaml").read_text(encoding="utf-8")
BEFORE, AFTER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
MINIMAL = Path(plans.__file__).with_name("examples").joinpath("minimal.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
@pytest.mark.parametrize("now", [BEFORE, AFTER], ids=["before", "after"])
def test_every_example_can_be_copied(file: Path, now: datetime) -> None:
    """The copy says what the example says, apart from its name and a start that has passed."""
    text = file.read_text(encoding="utf-8")
    old, new = loads(text, known=ANYWHERE), loads(copied(text, "another", now).text, known=ANYWHERE)
    start = old.schedule.start if now == BEFORE else None
    schedule = old.schedule.model_copy(update={"start": start})
    assert old.model_copy(update={"name": "another", "schedule": schedule}) == new


def test_comments_and_layout_are_kept() -> None:
    """Only the name's own words and the start's line change."""
    before, after = CASE_LAW.splitlines(), copied(CASE_LAW, "case-law-v25", AFTER).text.splitlines()
    gone = [line for line in before if line not in after]
    assert ["name: case-law-v24", "start: 2026-12-01 09:00"] == [line.split("#")[0].strip() for line in gone]
    assert len(before) == len(after) + 1


def test_a_coming_start_stays() -> None:
    """A start in the future is part of the plan."""
    assert "start: 2026-12-01 09:00" in copied(CASE_LAW, "another", BEFORE).text


@pytest.mark.parametrize(
    "schedule",
    [
        "schedule: {start: 2026-03-01 09:00, timezone: UTC}",
        "schedule: {timezone: UTC, start: 2026-03-01 09:00}",
        "schedule: {timezone: UTC, start: 2026-03-01 09:00, advance: Mon-Thu 09:00-16:00}",
        "schedule:\n  timezone: UTC\n  start: '2026-03-01 09:00'  # a Sunday",
        "schedule:\n  start: 2026-03-01 09:00\n\n  timezone: UTC",
    ],
)
def test_a_past_start_is_dropped_however_it_is_written(schedule: str) -> None:
    """In a block and in braces, first, last and in the middle."""
    copy = copied(f"{MINIMAL.rstrip()}\n{schedule}\n", "another", AFTER)
    found = loads(copy.text).schedule
    assert (None, "UTC") == (found.start, found.timezone)
    assert any("was dropped" in line for line in copy.told)


def test_the_salt_is_kept_or_spoken_of() -> None:
    """A plan's own salt stays; without one the copy says how to keep the users."""
    assert "`salt: search-v2`" in copied(MINIMAL, "another", BEFORE).told[1]
    salted = copied(MINIMAL + "salt: old\n", "another", BEFORE)
    assert "old" == loads(salted.text).salt
    assert "salt old kept" in salted.told[1]


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True))
def test_every_name_of_a_rollout_can_be_given(name: str) -> None:
    """Also one that YAML would read as a number or as nothing."""
    assert name == loads(copied(MINIMAL, name, BEFORE).text).name


@pytest.mark.parametrize("name", ["", "Not A Name", 'a"b', "x" * 64, "a: b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """A plan with such a name would not load."""
    with pytest.raises(PlanError):
        copied(MINIMAL, name, BEFORE)


def test_what_is_no_plan_is_refused() -> None:
    """There is nothing to copy in it."""
    with pytest.raises(PlanError):
        copied("sluice: 1\n", "another", BEFORE)
