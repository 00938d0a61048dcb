"""What the plan's own calendar does next: start, adjust, ask, grow, complete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from plans.schema import Phase, Plan
from plans.timeline import adjustment_due, hold_ends, next_open, next_thaw, start_due
from rollout import moves
from rollout.approving import lapsed, lapsing
from rollout.deciding import settled_by_test, unjudged
from rollout.incidents import free_from
from rollout.model import Cause, Evidence, RolloutState, Status, Transition, Verb
from rollout.moves import Why
from rollout.obstacles import criteria_blocks
from rollout.tuning import kept, next_judgement


@dataclass(frozen=True, slots=True)
class Due:
    """The next thing that the schedule itself will do, and when."""

    at: datetime
    what: Verb


def due(plan: Plan, state: RolloutState, now: datetime) -> Due | None:
    """When the schedule next acts; None where only a person can move the rollout.

    Windows and freezes count from `now`: a step that was missed while one was open waits for the next. In an incident
    they count from its end: what grows or changes anything waits, a test is judged and a question asked all the same.
    """
    free = free_from(state.incident, now)
    if state.status is Status.SCHEDULED:
        return Due(next_open(plan, max(start_due(plan, state.submitted), free)), Verb.START)
    if state.status is Status.AWAITING_APPROVAL and (lapse := lapsing(plan, state)):
        return min(filter(None, (Due(lapse.at, lapse.then), _judgement(plan, state, now))), key=lambda due: due.at)
    if state.observation is not None:
        return _judgement(plan, state, now)
    if state.status is not Status.RUNNING:
        return None
    step = next_step(plan, state)
    if step is Verb.ADJUST:
        return Due(next_thaw(plan, max(adjustment_at(plan, state), free)), step)
    if step in {Verb.DECIDE, Verb.AWAIT_APPROVAL}:
        return Due(hold_over(plan, state), step)
    return Due(next_open(plan, max(hold_over(plan, state), free)), step)


def _judgement(plan: Plan, state: RolloutState, now: datetime) -> Due | None:
    """When a raise under observation is judged."""
    return Due(*next_judgement(plan, state, now)) if state.observation and not state.killed else None


def next_step(plan: Plan, state: RolloutState) -> Verb:
    """The step that takes a started rollout further through its plan, whenever that may be."""
    phase = plan.phases[state.phase]
    if state.adjusted < len(phase.adjust):
        return Verb.ADJUST
    if phase.decide and not (state.decided or state.approved):
        return Verb.DECIDE
    if phase.approval and not state.approved:
        return Verb.AWAIT_APPROVAL
    return Verb.COMPLETE if state.phase == len(plan.phases) - 1 else Verb.ADVANCE


def take_step(plan: Plan, state: RolloutState, now: datetime, why: Why, *, hold_skipped: bool = False) -> Transition:
    """Make the next step of the plan; `hold_skipped` brings everything that is left in the phase forward.

    A raise under observation is kept and a test comes out for shipping: this is how a plan goes on where all is well.
    """
    skipped = state.hold_skipped or hold_skipped
    if state.observation is not None:
        return kept(plan, state, now)
    match next_step(plan, state):
        case Verb.ADJUST as verb:
            settings = plan.phases[state.phase].adjust[state.adjusted].set
            changes = {"adjusted": state.adjusted + 1, "hold_skipped": skipped}
            return moves.change_settings(verb, state, settings, now, why, **changes)
        case Verb.DECIDE:
            return moves.ship(state, now, why, hold_skipped=skipped)
        case Verb.AWAIT_APPROVAL:
            return moves.ask(state, now, why, hold_skipped=skipped)
        case Verb.COMPLETE:
            return moves.complete(state, now, why)
        case verb:
            return moves.enter(verb, plan, state, state.phase + 1, now, why)


def scheduled(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> Transition | None:
    """The step that is due and that nothing speaks against.

    Growth needs evidence of this very pass: a guard that no longer looks must not let exposure rise. While the flag is
    killed only a test is judged and only the question to a person is asked, or lapses. A raise under observation is
    `tuned`'s.
    """
    if (lapse := lapsed(plan, state, now)) is not None:
        return lapse
    step = due(plan, state, now)
    moving = step is not None and step.what not in {Verb.DECIDE, Verb.AWAIT_APPROVAL}
    if step is None or now < step.at or state.observation or (state.killed and moving):
        return None
    why = Why(cause=Cause.SCHEDULE, reason=_words(plan, state, step.what))
    if step.what is Verb.START:
        return moves.enter(Verb.START, plan, state, 0, now, why)
    if step.what is Verb.DECIDE:
        known = _fresh(evidence, now) and not any(unjudged(plan, state, evidence))
        return settled_by_test(plan, state, evidence, now, why) if known else None
    if step.what in {Verb.ADVANCE, Verb.COMPLETE} and not _supported(plan, state, evidence, now):
        return None
    return take_step(plan, state, now, why)


def hold_over(plan: Plan, state: RolloutState) -> datetime:
    """When the present phase's hold has elapsed, extensions included."""
    entered = _entered(state)
    return entered if state.hold_skipped else hold_ends(plan, state.phase, entered, state.extension)


def adjustment_at(plan: Plan, state: RolloutState) -> datetime:
    """When the next adjustment of the present phase is due, freezes not yet applied."""
    entered = _entered(state)
    return entered if state.hold_skipped else adjustment_due(plan, state.phase, state.adjusted, entered)


def _supported(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> bool:
    return _fresh(evidence, now) and not any(criteria_blocks(plan, state, evidence))


def _fresh(evidence: Evidence, now: datetime) -> bool:
    return evidence.at is not None and evidence.at >= now


def _entered(state: RolloutState) -> datetime:
    assert state.entered is not None, f"{state.name} has not started"  # noqa: S101 - an invariant of `moves.enter`
    return state.entered


def _words(plan: Plan, state: RolloutState, what: Verb) -> str:
    if what is Verb.START:
        return f"start of {plan.phases[0].name}"
    phase: Phase = plan.phases[state.phase]
    if what is Verb.ADJUST:
        return f"adjustment {state.adjusted + 1} of {len(phase.adjust)} in {phase.name}"
    return f"{phase.name} held for {phase.hold.text}"
