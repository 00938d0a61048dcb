"""Trees and tests in virtual time: the real core, gates and store take the branch that the numbers call for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gates.planner import assumed
from plans.load import loads
from rollout.model import Cause, Status, Verb
from sluice.simulate import runs
from sluice.simulate.faults import parse
from sluice.simulate.runs import prepared
from sluice.simulate.stage import Ended

EXAMPLES = Path(__file__).parents[2] / "plans" / "examples"
TREE = (EXAMPLES / "tune.yaml").read_text(encoding="utf-8").replace("hold: 10d", "hold: 3d").replace("7d}", "1d}")
TEST = (EXAMPLES / "ab-test.yaml").read_text(encoding="utf-8").replace("hold: 14d", "hold: 3d").replace("7d}", "1d}")
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_model_with_few_false_positives_is_only_noted() -> None:
    """2 % of them: the owner is told once, and the rollout keeps its dates."""
    ended = _lived(TREE)

    assert [Verb.START, Verb.NOTE, Verb.ADVANCE, Verb.COMPLETE] == _verbs(ended)


def test_a_raise_that_helps_is_kept_and_the_rollout_goes_on() -> None:
    """20 % in the first three hours, 2 % from then on: raised, kept a day later, complete."""
    ended = _lived(TREE, "false_positive_rate = 20% to 3h")
    raised, kept = ended.journal[1:3]

    assert [Verb.START, Verb.TUNE, Verb.KEEP, Verb.ADVANCE, Verb.COMPLETE] == _verbs(ended)
    assert kept.at - raised.at >= DAY
    assert 0.7 == ended.rollout.state.settings["min_confidence"]


def test_a_raise_that_does_not_help_is_undone() -> None:
    """20 % whatever the threshold: after the day of observation everyone is back on the previous model."""
    ended = _lived(TREE, "false_positive_rate = 20%")

    assert [Verb.START, Verb.TUNE, Verb.REVERT] == _verbs(ended)
    assert DAY == ended.journal[2].at - ended.journal[1].at
    assert "still > 10%" in ended.journal[2].reason
    assert (0.6, 0) == (ended.rollout.state.settings["min_confidence"], ended.rollout.state.exposure)


def test_a_raise_that_proves_nothing_is_given_up() -> None:
    """20 % for three hours, then 7 %, between the limits: three days after the raise it is given up."""
    ended = _lived(TREE, "false_positive_rate = 20% to 3h", "false_positive_rate = 7% from 3h")

    assert [Verb.START, Verb.TUNE, Verb.REVERT] == _verbs(ended)
    assert 3 * DAY == ended.journal[2].at - ended.journal[1].at
    assert "not < 5% after 3d" in ended.journal[2].reason


@pytest.mark.parametrize(
    ("faults", "verb", "cause", "told"),
    [
        (("accuracy = 96%",), Verb.DECIDE, Cause.SCHEDULE, "ship: accuracy >= control + 2pp; "),
        (("accuracy = 80%",), Verb.REVERT, Cause.CRITERION, "revert: accuracy < control; "),
        (("adoption = 70%",), Verb.AWAIT_APPROVAL, Cause.SCHEDULE, "ask: adoption < control; "),
        ((), Verb.AWAIT_APPROVAL, Cause.SCHEDULE, "inconclusive: "),
        (("split 70/30", "accuracy = 96%"), Verb.HOLD, Cause.CRITERION, "invalid: "),
    ],
    ids=["ship", "revert", "ask", "inconclusive", "invalid"],
)
def test_a_test_ends_its_phase_as_its_numbers_say(faults: tuple[str, ...], verb: Verb, cause: Cause, told: str) -> None:
    """At the end of the hold, to the minute; what ships goes on to everyone."""
    entry = _lived(TEST, *faults).journal[1]

    assert (verb, cause, MONDAY + 3 * DAY) == (entry.verb, entry.cause, entry.at)
    assert entry.reason.startswith(told)
    if verb is Verb.AWAIT_APPROVAL:
        assert Status.AWAITING_APPROVAL is entry.after.status


def _lived(text: str, *faults: str) -> Ended:
    plan = loads(text)
    return runs.one(prepared(plan, text, assumed(plan), [parse(fault, plan) for fault in faults], MONDAY, 1))


def _verbs(ended: Ended) -> list[Verb]:
    return [entry.verb for entry in ended.journal]
