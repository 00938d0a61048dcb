"""An A/B phase ends as its numbers say: shipped, reverted, asked, or held where they are worth nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from plans.load import loads
from rollout.decide import blocks, decide, due, kill, refusal
from rollout.model import Cause, Evidence, Role, RolloutState, Status, Transition, Verb, Verdict
from rollout.moves import Why, approve
from rollout.schedule import take_step
from tests.unit.rollout.story import command
from tests.unit.rollout.trees import BEGIN, DAY, PLAN, TEXT, look, passed, raised, started, taken

TESTED = BEGIN + 3 * DAY
END = TESTED + 14 * DAY
MINUTE = timedelta(minutes=1)
FORECAST = Why(cause=Cause.SCHEDULE, reason="forecast")


def test_an_established_gain_ships() -> None:
    """The branch is journaled with its numbers, and the next phase begins."""
    step = taken(_tested(), END, ship=Verdict.BREACH)
    grown = taken(step.after, END, ship=Verdict.BREACH)

    assert (Verb.DECIDE, Cause.SCHEDULE, Role.SHIP) == (step.verb, step.cause, step.finding and step.finding.role)
    assert "ship: accuracy >= control + 2pp; accuracy >= control + 2pp: breach" == step.reason
    assert (Status.RUNNING, True, 50_000) == (step.after.status, step.after.decided, step.after.exposure)
    assert (Verb.ADVANCE, 100_000, False) == (grown.verb, grown.after.exposure, grown.after.decided)


def test_an_established_loss_reverts() -> None:
    """Not merely estimated: the branch is the plan's `revert`."""
    step = taken(_tested(), END, revert=Verdict.BREACH)

    assert (Verb.REVERT, Cause.CRITERION, Role.REVERT) == (step.verb, step.cause, step.finding and step.finding.role)
    assert "revert: accuracy < control; accuracy < control: breach" == step.reason
    assert (Status.REVERTED, 0) == (step.after.status, step.after.exposure)


def test_less_adoption_is_for_a_person() -> None:
    """It is an issue of the interface, not of the model: the question carries the plan's reason."""
    step = taken(_tested(), END, ask=Verdict.BREACH, ship=Verdict.BREACH)

    assert (Verb.AWAIT_APPROVAL, Status.AWAITING_APPROVAL) == (step.verb, step.after.status)
    assert "ask: adoption < control; adoption < control: breach" == step.reason == step.after.reason
    (block,) = blocks(PLAN, step.after, look(step.after, END), END)[:1]
    assert f"approval to leave ab-test: {step.reason}" == block.text


def test_nothing_established_is_for_a_person_too() -> None:
    """An equal model is neither shipped nor reverted: `inconclusive` names every branch with its numbers."""
    step = taken(_tested(), END)

    assert (Verb.AWAIT_APPROVAL, None, 2) == (step.verb, step.finding, step.after.question)
    told = (
        "inconclusive: ship accuracy >= control + 2pp not established: accuracy >= control + 2pp: insufficient; "
        "revert accuracy < control not established: accuracy < control: insufficient; "
        "ask adoption < control not established: adoption < control: insufficient"
    )
    assert told == step.reason


@pytest.mark.parametrize("role", ["ship", "revert", "ask"])
def test_a_skewed_split_holds_and_never_ships(role: str) -> None:
    """Where one branch is invalid no other counts, and a resume alone does not ship either."""
    verdicts = dict.fromkeys(("ship", "revert", "ask"), Verdict.BREACH) | {role: Verdict.INVALID}
    step = taken(_tested(), END, **verdicts)

    assert (Verb.HOLD, Status.HELD) == (step.verb, step.after.status)
    assert step.reason.startswith("invalid: ")
    resumed = _asked(step.after, END, Verb.RESUME, **verdicts)
    again = taken(resumed.after, END, **verdicts)
    assert (Verb.HOLD, 50_000) == (again.verb, again.after.exposure)


def test_going_back_comes_before_a_question() -> None:
    """What is established for the worse is not put to the vote."""
    step = taken(_tested(), END, revert=Verdict.BREACH, ask=Verdict.BREACH, ship=Verdict.BREACH)

    assert Verb.REVERT is step.verb


@pytest.mark.parametrize("role", ["ship", "revert", "ask"])
def test_a_test_is_judged_at_the_end_of_its_hold(role: str) -> None:
    """Whatever is established earlier waits; the clock knows when."""
    state = _tested()
    step = due(PLAN, state, TESTED)

    assert passed(state, END - MINUTE, **{role: Verdict.BREACH}) is None
    assert (END, Verb.DECIDE) == (step and step.at, step and step.what)


def test_a_test_is_judged_on_evidence_of_that_very_pass() -> None:
    """An old look, or one that did not judge every branch, decides nothing."""
    state = _tested()
    old = look(state, END - MINUTE, ship=Verdict.BREACH)
    fresh = look(state, END, ship=Verdict.BREACH)
    partial = Evidence(END, fresh.findings[:-1], fresh.promise, fresh.settings_epoch)

    assert decide(PLAN, state, old, (), END) is None
    assert decide(PLAN, state, partial, (), END) is None
    assert "ask adoption < control: not judged yet" in [block.text for block in blocks(PLAN, state, partial, END)]


def test_a_change_of_settings_leaves_the_comparison_standing_but_not_the_decision() -> None:
    """The rollout is judged as a whole; what was decided on other settings is judged again."""
    shipped = taken(_tested(), END, ship=Verdict.BREACH).after
    step = _asked(shipped, END, Verb.SET, {"settings": {"prompt": "p2"}}, error_rate=Verdict.NO_DATA)

    assert (True, False) == (shipped.decided, step.after.decided)
    before = look(shipped, END, ship=Verdict.BREACH)
    again = decide(PLAN, step.after, before, (), END)
    assert Verb.DECIDE is (again and again.verb)


def test_a_person_answers_an_inconclusive_test() -> None:
    """Approve grows, abort reverts, extend measures longer and withdraws the question."""
    asked = taken(_tested(), END).after
    approved = _asked(asked, END, Verb.APPROVE)
    longer = _asked(asked, END, Verb.EXTEND, {"duration": "7d"})

    assert (Verb.ADVANCE, "") == (taken(approved.after, END).verb, approved.after.reason)
    assert Status.REVERTED is _asked(asked, END, Verb.ABORT).after.status
    assert (Status.RUNNING, "") == (longer.after.status, longer.after.reason)
    assert passed(longer.after, END + 6 * DAY) is None
    assert 3 == taken(longer.after, END + 7 * DAY).after.question


def test_advance_judges_a_test_early() -> None:
    """Intervals that hold at any time may be read at any time; what is not established is still asked."""
    now = TESTED + 5 * DAY
    state = _tested()

    shipped = _asked(state, now, Verb.ADVANCE, ship=Verdict.BREACH)
    assert (Verb.DECIDE, Cause.PERSON, True) == (shipped.verb, shipped.cause, shipped.after.hold_skipped)
    assert Verb.ADVANCE is taken(shipped.after, now, ship=Verdict.BREACH).verb
    assert Verb.AWAIT_APPROVAL is _asked(state, now, Verb.ADVANCE).verb
    skewed = look(state, now, ship=Verdict.INVALID)
    assert "accuracy >= control + 2pp: invalid" == refusal(PLAN, state, skewed, command(Verb.ADVANCE), now)


def test_a_plan_may_ask_for_an_approval_after_the_decision() -> None:
    """What ships may still need a yes; what was approved as inconclusive needs no second one."""
    plan = loads(TEXT.replace("    hold: 14d\n", "    hold: 14d\n    approval: required\n"))
    shipped = taken(_tested(), END, plan, ship=Verdict.BREACH).after
    asked = taken(shipped, END, plan, ship=Verdict.BREACH)
    approved = decide(plan, asked.after, look(asked.after, END), (command(Verb.APPROVE),), END)

    assert Verb.AWAIT_APPROVAL is asked.verb
    assert approved is not None
    assert Verb.ADVANCE is taken(approved.after, END, plan).verb


def test_a_shipped_test_still_waits_for_the_criteria() -> None:
    """The decision is one of the things that a phase needs to be left, not the only one."""
    shipped = taken(_tested(), END, ship=Verdict.BREACH).after

    assert passed(shipped, END, ship=Verdict.BREACH, error_rate=Verdict.NO_DATA) is None
    assert Verb.ADVANCE is taken(shipped, END + MINUTE, ship=Verdict.BREACH).verb


def test_a_killed_flag_does_not_keep_a_test_from_being_judged() -> None:
    """What is established for the worse ends the rollout; what ships grows once the flag is restored."""
    state = kill(_tested(), "oncall", "bad answers", END - DAY).after
    shipped = taken(state, END, ship=Verdict.BREACH).after

    assert Verb.REVERT is taken(state, END, revert=Verdict.BREACH).verb
    assert passed(shipped, END, ship=Verdict.BREACH) is None


def test_a_test_is_not_judged_while_a_raise_is_observed() -> None:
    """The tree comes first: the candidate that would be shipped is still in question."""
    state = taken(_tested(), END - MINUTE, tune_when=Verdict.BREACH).after

    assert passed(state, END, ship=Verdict.BREACH) is None
    kept = taken(state, END + DAY, tune_keep=Verdict.BREACH).after
    assert Verb.DECIDE is taken(kept, END + DAY, ship=Verdict.BREACH).verb


def _tested() -> RolloutState:
    """In the A/B phase since TESTED."""
    asked = taken(started(), TESTED).after
    approved = _asked(asked, TESTED, Verb.APPROVE).after
    return taken(approved, TESTED).after


def _asked(
    state: RolloutState, now: datetime, verb: Verb, args: dict[str, object] | None = None, /, **verdicts: Verdict
) -> Transition:
    step = decide(PLAN, state, look(state, now, **verdicts), (command(verb, args=args or {}),), now)
    assert step is not None
    return step


def test_a_forecast_goes_on_past_a_raise_and_a_test() -> None:
    """Step after step as if all went well: the raise is kept, the test ships, and the end is reached."""
    state, now, verbs = raised(), BEGIN + DAY, []
    while coming := due(PLAN, state, now):
        now = max(now, coming.at)
        step = take_step(PLAN, state, now, FORECAST)
        verbs.append(step.verb)
        state = step.after
        if state.status is Status.AWAITING_APPROVAL:
            state = approve(state, now, FORECAST).after

    assert [Verb.KEEP, Verb.AWAIT_APPROVAL, Verb.ADVANCE, Verb.DECIDE, Verb.ADVANCE, Verb.COMPLETE] == verbs
