"""The confidence-threshold tree: raise a setting, observe what that does, keep it or go back to the previous model.

A tree acts on evidence of its own. What speaks for the raise was seen before it, what keeps it is seen after: a change
of settings starts that evidence afresh. One raise is observed at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from plans.schema import Plan, Settings, Tune
from plans.timeline import local, next_thaw
from plans.trees import given_up, observed, patience, raised, tuned_setting
from rollout import moves
from rollout.incidents import in_force
from rollout.model import Cause, Evidence, Finding, Role, RolloutState, Status, Transition, Verb, Verdict
from rollout.moves import Why
from rollout.observing import Observation
from rollout.obstacles import Block, Code, current

BACK = "otherwise: revert, back to the previous model"


def tuned(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> Transition | None:
    """The branch that a tree of the plan takes now, or None."""
    if not plan.tune or not state.watched or state.killed:
        return None
    if state.observation is not None:
        return _judged(plan, state, state.observation, evidence, now)
    return _acted(plan, state, evidence, now) or _noted(plan, state, evidence, now)


def kept(plan: Plan, state: RolloutState, now: datetime, finding: Finding | None = None) -> Transition:
    """Keep the raise under observation; `finding` is what proved it."""
    observation = _under_observation(state)
    tune = plan.tune[observation.place]
    reason = f"{_words(tune.metric, tune.keep_if.text)}: keep {_values(observation.made)}"
    return moves.keep(state, observation, now, _why(reason, finding))


def next_judgement(plan: Plan, state: RolloutState, now: datetime) -> tuple[datetime, Verb]:
    """When the raise under observation is judged next: after its least time, and when it is given up."""
    observation = _under_observation(state)
    tune = plan.tune[observation.place]
    least = observed(plan, tune, observation.since)
    return (least, Verb.KEEP) if now < least else (given_up(plan, tune, observation.since), Verb.REVERT)


def observation_blocks(plan: Plan, state: RolloutState) -> Iterator[Block]:
    """That nothing grows and nothing else is adjusted while a raise is observed."""
    observation = state.observation
    if observation is not None:
        tune = plan.tune[observation.place]
        least, last = (local(plan, end(plan, tune, observation.since)) for end in (observed, given_up))
        text = (
            f"observing {_values(observation.made)} until {least}: kept if {_words(tune.metric, tune.keep_if.text)}, "
            f"given up on {last}"
        )
        yield Block(Code.OBSERVING, text, "by itself")


def _judged(
    plan: Plan, state: RolloutState, observation: Observation, evidence: Evidence, now: datetime
) -> Transition | None:
    """What the observation came to: still high, kept, or given up; between the two limits it goes on."""
    tune, place = plan.tune[observation.place], observation.place
    if now < observed(plan, tune, observation.since):
        return None
    if high := _established(state, evidence, Role.TUNE_WHEN, place):
        return _undone(state, observation, now, f"{_words(tune.metric, f'still {tune.when.text}')}", high)
    if proof := _established(state, evidence, Role.TUNE_KEEP, place):
        return kept(plan, state, now, proof)
    if now >= given_up(plan, tune, observation.since):
        words = f"{_words(tune.metric, f'not {tune.keep_if.text}')} after {patience(tune).text}"
        return _undone(state, observation, now, words, evidence.of(Role.TUNE_KEEP, place))
    return None


def _acted(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> Transition | None:
    """The first tree whose `when` is established acts: it raises its setting, or reverts where that can go no further.

    A raise is an adjustment: it waits for the end of a freeze, a hold or an incident. A revert waits for nothing.
    """
    free = next_thaw(plan, now) <= now and in_force(state.incident, now) is None
    may_adjust = state.status is not Status.HELD and free
    for place, tune in enumerate(plan.tune):
        high = _established(state, evidence, Role.TUNE_WHEN, place)
        if high is None:
            continue
        further = raised(tune, state.settings)
        if further is None:
            return _exhausted(tune, state, now, high)
        if may_adjust:
            return _raised(tune, place, state, further, now, high)
    return None


def _noted(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> Transition | None:
    """The note of the first tree that has one to give; it moves nothing."""
    for place, tune in enumerate(plan.tune):
        found = _established(state, evidence, Role.TUNE_NOTE, place)
        if found and tune.note_if and place not in state.noted:
            words = f"{_words(tune.metric, tune.note_if.text)}: users expect something else, the model is fine"
            return moves.note(state, place, now, _why(words, found))
    return None


def _raised(tune: Tune, place: int, state: RolloutState, further: Settings, now: datetime, high: Finding) -> Transition:
    key = tuned_setting(tune)
    undo = {key: state.settings[key]}
    words = f"{_words(tune.metric, tune.when.text)}: raise {key} {undo[key]} → {further[key]}"
    observation = Observation(place=place, since=now, undo=undo, made=further)
    return moves.tune(state, observation, now, _why(f"{words}, observe for {tune.observe.text}", high))


def _undone(
    state: RolloutState, observation: Observation, now: datetime, words: str, finding: Finding | None
) -> Transition:
    """Undo the raise, and it alone, and give everyone the previous model."""
    changes = ", ".join(f"{key} {made} → {observation.undo[key]}" for key, made in observation.made.items())
    settings = {**state.settings, **observation.undo}
    return moves.fall(Verb.REVERT, state, now, _why(f"{words}: {BACK} ({changes})", finding), settings=settings)


def _exhausted(tune: Tune, state: RolloutState, now: datetime, high: Finding) -> Transition:
    key = tuned_setting(tune)
    words = f"{_words(tune.metric, tune.when.text)} and {key} {state.settings.get(key)} can be raised no further"
    return moves.fall(Verb.REVERT, state, now, _why(f"{words}: {BACK}", high))


def _established(state: RolloutState, evidence: Evidence, role: Role, place: int) -> Finding | None:
    """The finding of a branch that is established on the present settings."""
    found = evidence.of(role, place)
    if found is None or found.verdict is not Verdict.BREACH or not current(found, state, evidence):
        return None
    return found


def _under_observation(state: RolloutState) -> Observation:
    assert state.observation is not None, f"{state.name} observes no raise"  # noqa: S101 - the callers have looked
    return state.observation


def _why(words: str, finding: Finding | None) -> Why:
    reason = f"{words}; {finding.reason}" if finding else words
    return Why(cause=Cause.CRITERION, reason=reason, finding=finding)


def _words(metric: str, limit: str) -> str:
    return f"{metric} {limit}"


def _values(settings: Settings) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())
