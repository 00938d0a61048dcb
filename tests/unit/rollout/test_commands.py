"""What people may do, state by state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from plans.expressions import Duration
from plans.load import loads
from rollout.commands import refusal
from rollout.decide import decide
from rollout.model import Command, Evidence, RolloutState, Status, Verb
from tests.unit.rollout.story import BEGIN, DAY, PLAN, PLAN_TEXT, command, evidence, states

NOW = BEGIN + 6 * DAY
ASKED = {
    Verb.APPROVE: {},
    Verb.ABORT: {},
    Verb.HOLD: {},
    Verb.RESUME: {},
    Verb.SET: {"settings": {"min_confidence": 0.9}},
    Verb.ADVANCE: {},
    Verb.EXTEND: {"duration": "3d"},
    Verb.BACK: {"phase": "alpha"},
    Verb.ROLLBACK: {},
    Verb.ALLOW: {"unit": "u-1"},
    Verb.BLOCK: {"unit": "u-1"},
    Verb.AMEND: {"digest": "d", "plan": loads(PLAN_TEXT.replace("error_rate > 2x", "error_rate > 1.5x"))},
}
LIVE = {"scheduled", "alpha", "awaiting", "approved", "beta", "held", "held_scheduled", "killed", "ga"}
STARTED = LIVE - {"scheduled", "held_scheduled"}
ACCEPTED = {
    Verb.APPROVE: {"awaiting"},
    Verb.ABORT: LIVE,
    Verb.HOLD: LIVE - {"held", "held_scheduled"},
    Verb.RESUME: {"held", "held_scheduled", "reverted", "disabled"},
    Verb.SET: LIVE,
    Verb.ADVANCE: {"alpha", "approved", "beta", "ga"},
    Verb.EXTEND: STARTED,
    Verb.BACK: {"beta", "held", "killed", "ga"},
    Verb.ROLLBACK: {"completed"},
    Verb.ALLOW: LIVE,
    Verb.BLOCK: LIVE,
    Verb.AMEND: LIVE,
}
AFTER = {
    (Verb.APPROVE, "awaiting"): Status.RUNNING,
    (Verb.HOLD, "beta"): Status.HELD,
    (Verb.RESUME, "held"): Status.RUNNING,
    (Verb.RESUME, "held_scheduled"): Status.SCHEDULED,
    (Verb.RESUME, "disabled"): Status.RUNNING,
    (Verb.BACK, "held"): Status.HELD,
    (Verb.BACK, "beta"): Status.RUNNING,
    (Verb.EXTEND, "awaiting"): Status.RUNNING,
    (Verb.ABORT, "beta"): Status.REVERTED,
    (Verb.ROLLBACK, "completed"): Status.REVERTED,
    (Verb.ADVANCE, "alpha"): Status.AWAITING_APPROVAL,
    (Verb.ADVANCE, "ga"): Status.COMPLETED,
}


def _ask(state: RolloutState, verb: Verb, **fields: Any) -> Command:
    return command(verb, args=ASKED.get(verb, {}), **fields)


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("where", sorted(states()))
def test_every_command_in_every_state(where: str, verb: Verb) -> None:
    """The table of lifecycle.md, whole: a command is carried out exactly where it is accepted."""
    state = states()[where]
    step = decide(PLAN, state, evidence(state, NOW), (_ask(state, verb),), NOW)
    carried_out = step is not None and step.consumes == (1,)
    assert carried_out == (where in ACCEPTED.get(verb, set()))
    refused = refusal(PLAN, state, evidence(state, NOW), _ask(state, verb), NOW)
    assert (refused is None) == carried_out
    if step is not None and (verb, where) in AFTER:
        assert step.after.status is AFTER[verb, where]


@pytest.mark.parametrize("verb", [Verb.ABORT, Verb.BACK, Verb.HOLD, Verb.EXTEND, Verb.SET])
@pytest.mark.parametrize("where", sorted(STARTED))
def test_no_command_but_growth_raises_exposure(where: str, verb: Verb) -> None:
    """Only start, advance and resume may expose more people."""
    state = states()[where]
    step = decide(PLAN, state, Evidence(), (_ask(state, verb),), NOW)
    if step is not None and step.consumes:
        assert step.after.exposure <= state.exposure


def test_a_stale_revision_is_refused_with_both_numbers() -> None:
    """Who saw another revision is told which one is true."""
    state = states()["beta"]
    why = refusal(PLAN, state, Evidence(), command(Verb.ABORT, revision=2), NOW)
    assert why == f"stale: you saw revision 2, search-v2 is at {state.revision}; look again"


def test_a_late_approval_cannot_approve_the_next_question() -> None:
    """An answer is bound to its phase and question number."""
    state = states()["awaiting"]
    assert refusal(PLAN, state, Evidence(), command(Verb.APPROVE, phase=0, question=1), NOW) is None
    assert "question 2" in str(refusal(PLAN, state, Evidence(), command(Verb.APPROVE, phase=0, question=2), NOW))


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "at least one"),
        ({"modell": "v3"}, "no setting"),
        ({"model": 3}, "is a number but"),
        ({"min_confidence": 7}, "0 to 1"),
    ],
)
def test_bad_settings_are_refused_with_a_remedy(settings: dict[str, object], word: str) -> None:
    """`set` takes the candidate's own keys, of their kind and range."""
    why = refusal(PLAN, states()["beta"], Evidence(), command(Verb.SET, args={"settings": settings}), NOW)
    assert word in str(why)


def test_a_fallen_rollout_resumes_not_above_its_phase_and_only_with_a_reason() -> None:
    """Re-enabling is a person's reasoned act, and never a way up."""
    fallen = states()["reverted"]
    above = command(Verb.RESUME, args={"phase": "ga"})
    assert "above" in str(refusal(PLAN, fallen, Evidence(), above, NOW))
    assert "reason" in str(refusal(PLAN, fallen, Evidence(), command(Verb.RESUME, reason=""), NOW))
    lower = decide(PLAN, fallen, Evidence(), (command(Verb.RESUME, args={"phase": "alpha"}),), NOW)
    assert lower is not None
    assert (lower.after.exposure, lower.after.promise) == (1_000, lower.after.revision)


def test_a_taken_flag_refuses_resume_and_rollback() -> None:
    """Once another rollout has the flag there is no way back in."""
    for where, verb in (("reverted", Verb.RESUME), ("completed", Verb.ROLLBACK)):
        state = states()[where]
        taken = replace(state, flag_taken_by="other")
        assert "other" in str(refusal(PLAN, taken, Evidence(), command(verb), NOW))


def test_advance_needs_an_open_window_and_recent_evidence() -> None:
    """A person may skip the hold, not the calendar nor the criteria."""
    beta = states()["beta"]
    night = NOW + timedelta(hours=12)
    assert "window" in str(refusal(PLAN, beta, evidence(beta, night), command(Verb.ADVANCE), night))
    assert "judged lately" in str(refusal(PLAN, beta, evidence(beta, NOW - DAY), command(Verb.ADVANCE), NOW))


def test_extend_lengthens_the_hold() -> None:
    """Extensions add up and withdraw an open question."""
    asked = states()["awaiting"]
    step = decide(PLAN, asked, Evidence(), (_ask(asked, Verb.EXTEND),), NOW)
    assert step is not None
    assert step.after.extension == Duration(days=3)
