"""What people see and type: names, keys, Markdown, intervals."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import approvals, pace
from flows.appearance import LONGEST, short
from flows.markdown import escape, table
from plans.load import load
from plans.schema import Then
from rollout.decide import initial
from rollout.model import Counts, Evidence, Finding, Status, Verdict

CASE_LAW = Path(__file__).parents[3] / "plans" / "examples" / "case-law.yaml"

TEXT = st.text(max_size=80)


@given(TEXT)
def test_a_cell_holds_any_text(text: str) -> None:
    """Whatever is in a cell, the table keeps its columns and no markup of the text's own comes alive."""
    row = table(("one", "two"), [(text, "fixed")]).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "<" not in row
    assert not re.search(r"(?<!\\)[`*_\[\]]", row)


def test_a_form_shows_rates_as_the_metric_reads() -> None:
    """An accuracy of 90 % is not shown as 10 %, whatever is counted underneath; a page with more is linked."""
    plan, at = load(CASE_LAW), datetime(2026, 12, 4, 14, tzinfo=UTC)
    state = replace(initial(plan, at), phase=0, entered=at, status=Status.AWAITING_APPROVAL)
    both = Counts(20, 200), Counts(400, 2_000)
    seen = Finding(
        criterion="accuracy < 85%",
        then=Then.REVERT,
        verdict=Verdict.PASS,
        reason="why",
        treatment=both[0],
        control=both[1],
    )
    text = approvals.question_text(plan, state, Evidence(at, (seen,)), "http://board/rollouts/x")
    assert r"| accuracy &lt; 85% | pass | 90\.0% | 80\.0% |" in text
    assert "(http://board/rollouts/x)" in text


def test_markup_and_hidden_characters_are_shown_as_text() -> None:
    """A plan cannot put a link, a tag or a reversed line on somebody's screen."""
    assert escape("[click](http://x) <img>") == r"\[click\]\(http\://x\) &lt;img&gt;"
    assert escape("safe\u202eelif") == "safe\ufffdelif"


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True), st.integers(0, 999))
def test_form_keys_are_what_prefect_can_save(name: str, question: int) -> None:
    """Lowercase letters, digits and dashes: with anything else a suspended run could never be resumed."""
    keys = approvals.keyset(name, question).values()
    assert all(re.fullmatch(r"[a-z0-9-]+", key) for key in keys)
    assert len(set(keys)) == 3


def test_a_click_has_no_identity() -> None:
    """A typed name is a claim, and no name is nobody."""
    assert approvals.who("  ") == "Prefect UI (unidentified)"
    assert approvals.who("Ana\nLee") == "Ana Lee (as claimed)"


def test_no_decision_is_prefilled() -> None:
    """The form demands a decision and offers none."""
    schema = approvals.Answer.model_json_schema()
    assert schema["required"] == ["decision"]
    assert "default" not in schema["properties"]["decision"]


@given(TEXT)
def test_a_badge_is_one_short_line(text: str) -> None:
    """Reasons are as long as people like; badges are not."""
    assert len(short(text)) <= LONGEST
    assert "\n" not in short(text)


def test_a_pace_names_the_intervals_it_changes() -> None:
    """What is not named keeps its default."""
    assert (pace.parse("late=4").late, pace.parse("late=4").lease) == (4.0, pace.Pace().lease)


def test_an_unknown_interval_is_refused() -> None:
    """A slip of the pen is told, with what is known."""
    with pytest.raises(ValueError, match="unknown interval 'lateness'; known: compare"):
        pace.parse("lateness=4")
