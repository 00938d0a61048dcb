"""The core decides: breaches before people, people before dates, and nothing without evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plans.load import load
from plans.schema import OnNoData, Plan
from plans.timeline import timeline
from rollout.decide import blocks, decide, due, initial
from rollout.model import LIVE, Cause, Evidence, RolloutState, Status, Verb, Verdict
from tests.unit.rollout.story import BEGIN, DAY, PLAN, command, evidence, settle, states

MONDAY = BEGIN + 6 * DAY
WATCHED = ("alpha", "awaiting", "approved", "beta", "held", "killed", "ga")


def test_a_healthy_rollout_passes_through_every_phase_in_order() -> None:
    """With healthy evidence and a prompt approval the transitions are exactly the plan's."""
    state, verbs, now = initial(PLAN, BEGIN - DAY), [], BEGIN
    while state.status in LIVE:
        if state.status is Status.AWAITING_APPROVAL:
            step = decide(PLAN, state, evidence(state, now), (command(Verb.APPROVE),), now)
        else:
            step = decide(PLAN, state, evidence(state, now), (), now)
        if step is None:
            coming = due(PLAN, state, now)
            assert coming is not None
            now = coming.at
            continue
        verbs.append((step.verb, step.after.exposure))
        state = step.after
    assert verbs == [
        (Verb.START, 1_000),
        (Verb.AWAIT_APPROVAL, 1_000),
        (Verb.APPROVE, 1_000),
        (Verb.ADVANCE, 10_000),
        (Verb.ADJUST, 10_000),
        (Verb.ADVANCE, 100_000),
        (Verb.COMPLETE, 100_000),
    ]


@pytest.mark.parametrize("example", ["case-law.yaml", "case-law-bad.yaml", "minimal.yaml"])
def test_decide_acts_on_the_dates_that_preview_prints(example: str) -> None:
    """Driving the core from due instant to due instant gives the previewed timeline to the second."""
    plan = load(f"plans/examples/{example}")
    submitted = BEGIN - DAY
    state, now, seen = initial(plan, submitted), submitted, []
    for _ in range(100):
        fresh = replace(_fresh(state), at=now)
        answers = (command(Verb.APPROVE),) if state.status is Status.AWAITING_APPROVAL else ()
        step = decide(_without_criteria(plan), state, fresh, answers, now)
        if step is not None:
            if step.verb is not Verb.APPROVE:
                seen.append(now)
            state = step.after
        elif coming := due(plan, state, now):
            now = coming.at
    assert [step.at for step in timeline(plan, submitted)] == seen


def _fresh(state: RolloutState) -> Evidence:
    return Evidence(promise=state.promise, settings_epoch=state.settings_epoch)


def _without_criteria(plan: Plan) -> Plan:
    return plan.model_copy(update={"stop": plan.stop.model_copy(update={"criteria": ()})})


@pytest.mark.parametrize("where", WATCHED)
@pytest.mark.parametrize(
    ("metric", "verb", "status"),
    [("error_rate", Verb.REVERT, Status.REVERTED), ("refusals", Verb.DISABLE, Status.DISABLED)],
)
def test_a_revert_is_never_blocked(where: str, metric: str, verb: Verb, status: Status) -> None:
    """In every started state, on a frozen Saturday night, a breach takes the candidate from everyone at once."""
    state = states()[where]
    night = BEGIN + 25 * DAY + timedelta(hours=13)
    step = decide(PLAN, state, evidence(state, night, **{metric: Verdict.BREACH}), (), night)
    assert step is not None
    assert (step.verb, step.after.status, step.after.exposure) == (verb, status, 0)
    assert step.finding is not None


def test_the_gravest_of_several_breaches_wins() -> None:
    """Order of gravity: disable > revert > hold > notify, whatever the plan's order."""
    state = states()["beta"]
    everything = {c.when.metric: Verdict.BREACH for c in PLAN.stop.criteria}
    expected = [Verb.DISABLE, Verb.REVERT, Verb.HOLD, None]
    for metric, verb in zip(("refusals", "error_rate", "complaints", "irrelevant"), expected, strict=True):
        step = decide(PLAN, state, evidence(state, MONDAY, **everything), (), MONDAY)
        assert (step and step.verb) == verb
        everything.pop(metric)


def test_a_breach_outranks_a_person() -> None:
    """An approval that arrives with the breach finds the rollout reverted."""
    state = states()["awaiting"]
    bad = evidence(state, MONDAY, error_rate=Verdict.BREACH)
    step = decide(PLAN, state, bad, (command(Verb.APPROVE),), MONDAY)
    assert step is not None
    assert (step.verb, step.consumes) == (Verb.REVERT, ())


def test_an_abort_is_carried_out_before_older_commands() -> None:
    """Whoever wants out goes first."""
    queue = (command(Verb.HOLD, 1), command(Verb.ABORT, 2))
    step = decide(PLAN, states()["beta"], Evidence(), queue, MONDAY)
    assert step is not None
    assert (step.verb, step.consumes, step.cause) == (Verb.ABORT, (2,), Cause.PERSON)


@pytest.mark.parametrize("verdict", [Verdict.NO_DATA, Verdict.UNPROVEN, Verdict.INVALID])
@pytest.mark.parametrize("metric", ["error_rate", "refusals", "complaints"])
def test_no_data_never_advances(metric: str, verdict: Verdict) -> None:
    """Missing, unproven or invalid evidence of any acting criterion keeps exposure where it is."""
    state, now = states()["approved"], MONDAY
    assert settle(state, now)[0].verb is Verb.ADVANCE
    assert decide(PLAN, state, evidence(state, now, **{metric: verdict}), (), now) is None


def test_a_new_phase_is_given_time_before_silence_reverts_it() -> None:
    """`on_no_data: revert` counts from the phase's beginning: nothing has been heard in its first minute."""
    criteria = tuple(c.model_copy(update={"on_no_data": OnNoData.REVERT}) for c in PLAN.stop.criteria)
    plan = PLAN.model_copy(update={"stop": PLAN.stop.model_copy(update={"criteria": criteria})})
    beta = states()["beta"]
    for passed, verb in ((timedelta(minutes=1), None), (timedelta(hours=1), Verb.REVERT)):
        now = MONDAY + passed
        step = decide(plan, beta, evidence(beta, now, error_rate=Verdict.NO_DATA), (), now)
        assert (step and step.verb) == verb


def test_old_evidence_never_advances() -> None:
    """Growth needs evidence of this very pass: a guard that no longer looks must not raise exposure."""
    state = states()["approved"]
    assert decide(PLAN, state, evidence(state, MONDAY - timedelta(seconds=1)), (), MONDAY) is None
    assert decide(PLAN, state, Evidence(), (), MONDAY) is None


def test_a_notifying_breach_moves_nothing_and_blocks_nothing() -> None:
    """`then: notify` only tells."""
    state = states()["approved"]
    step = decide(PLAN, state, evidence(state, MONDAY, irrelevant=Verdict.BREACH), (), MONDAY)
    assert step is not None
    assert step.verb is Verb.ADVANCE


def test_too_few_samples_keep_the_phase() -> None:
    """`min_samples` counts treatment units since the phase began."""
    state = states()["approved"]
    known = evidence(state, MONDAY)
    few = tuple(f._replace(samples=49) if f.criterion.startswith("complaints") else f for f in known.findings)
    assert decide(PLAN, state, replace(known, findings=few), (), MONDAY) is None
    assert "49 of 50" in blocks(PLAN, state, replace(known, findings=few), MONDAY)[0].text


def test_evidence_from_before_a_resume_says_nothing() -> None:
    """A resume after a revert starts a new promise: the old breach cannot revert it again, nor let it grow."""
    fallen = states()["reverted"]
    up = decide(PLAN, fallen, Evidence(), (command(Verb.RESUME),), MONDAY)
    assert up is not None
    old = evidence(fallen, MONDAY + 20 * DAY, error_rate=Verdict.BREACH)
    assert (up.after.status, up.after.exposure) == (Status.RUNNING, 10_000)
    assert decide(PLAN, up.after, old, (), MONDAY + timedelta(hours=1)) is None


def test_resuming_a_hold_overrules_its_breach_once() -> None:
    """The overruled breach is gone with its epoch; a breach found afterwards holds again."""
    state = states()["beta"]
    held = decide(PLAN, state, evidence(state, MONDAY, complaints=Verdict.BREACH), (), MONDAY)
    assert held is not None
    bad = evidence(held.after, MONDAY, complaints=Verdict.BREACH)
    assert decide(PLAN, held.after, bad, (), MONDAY) is None
    on = decide(PLAN, held.after, bad, (command(Verb.RESUME),), MONDAY)
    assert on is not None
    assert decide(PLAN, on.after, bad, (), MONDAY) is None
    again = decide(PLAN, on.after, evidence(on.after, MONDAY, complaints=Verdict.BREACH), (), MONDAY)
    assert again is not None
    assert again.verb is Verb.HOLD


def test_a_killed_flag_waits() -> None:
    """While killed neither adjustments nor growth happen, though their time passes."""
    killed = states()["killed"]
    late = MONDAY + 7 * DAY
    assert decide(PLAN, killed, evidence(killed, late), (), late) is None
    restored = replace(killed, killed=False)
    assert [step.verb for step in settle(restored, late)] == [Verb.ADJUST, Verb.ADVANCE]


def test_the_question_number_rises_only_when_asked_anew() -> None:
    """A hold withdraws the question; the next one has another number, so the old answer is refused."""
    asked = states()["awaiting"]
    held = decide(PLAN, asked, Evidence(), (command(Verb.HOLD),), MONDAY)
    assert held is not None
    on = decide(PLAN, held.after, Evidence(), (command(Verb.RESUME),), MONDAY)
    assert on is not None
    anew = settle(on.after, MONDAY)[-1].after
    assert (asked.question, anew.question) == (1, 2)
    late = command(Verb.APPROVE, phase=0, question=1)
    assert decide(PLAN, anew, evidence(anew, MONDAY), (late,), MONDAY) is None


def test_the_question_is_asked_outside_the_window_and_growth_waits_for_it() -> None:
    """Friday: asked at once; approved on Friday, the exposure rises on Monday at nine."""
    friday = BEGIN + 3 * DAY
    asked = settle(states()["alpha"], friday)[-1]
    assert (asked.verb, asked.at) == (Verb.AWAIT_APPROVAL, friday)
    coming = due(PLAN, states()["approved"], friday)
    assert coming is not None
    assert coming.at == MONDAY


def test_a_freeze_stops_growth_and_adjustments() -> None:
    """An adjustment that falls due inside a freeze waits for its end."""
    beta = replace(states()["beta"], entered=BEGIN + 16 * DAY)
    coming = due(PLAN, beta, BEGIN + 18 * DAY)
    assert coming is not None
    assert coming.at == BEGIN.replace(year=2027, month=1, day=5, hour=5)
