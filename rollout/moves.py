"""How a state changes: each function returns the transition that takes a rollout one revision further."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from plans.expressions import Duration
from plans.schema import Plan, Settings
from rollout.findings import headline
from rollout.lists import Listed
from rollout.model import (
    NOT_STARTED,
    Cause,
    Finding,
    RolloutState,
    Status,
    Transition,
    Verb,
)
from rollout.observing import Observation

SLUICE = "sluice"
LISTS = {Verb.ALLOW: Listed.ALLOW, Verb.BLOCK: Listed.BLOCK, Verb.UNLIST: Listed.NONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Cause, author and words of a transition, with the commands it carries out; `short` is for where words are few."""

    cause: Cause
    by: str = SLUICE
    reason: str
    consumes: tuple[int, ...] = ()
    finding: Finding | None = None
    short: str = ""

    @property
    def badge(self) -> str:
        """Why in one breath: the numbers against the rule where a finding caused it."""
        return self.short or (headline(self.finding) if self.finding else self.reason)


def initial(plan: Plan, submitted: datetime) -> RolloutState:
    """A rollout as submitted: scheduled, exposing nobody."""
    return RolloutState(
        name=plan.name,
        flag=plan.flag,
        status=Status.SCHEDULED,
        submitted=submitted,
        since=submitted,
        settings=plan.candidate,
    )


def enter(
    verb: Verb, plan: Plan, state: RolloutState, phase: int, now: datetime, why: Why, **changes: Any
) -> Transition:
    """Begin a phase: its exposure, a hold of its own, nothing adjusted or approved yet."""
    begun = {
        "status": Status.RUNNING,
        "phase": phase,
        "entered": now,
        "exposure": plan.exposure(phase),
        "adjusted": 0,
        "extension": Duration(),
        "hold_skipped": False,
        "approved": False,
        "approved_by": (),
        "decided": False,
        "reason": "",
        "epoch": state.revision + 1,
        "seen_phases": max(state.seen_phases, phase + 1),
    }
    return moved(verb, state, now, why, **begun | changes)


def change_settings(
    verb: Verb, state: RolloutState, settings: Settings, now: datetime, why: Why, **changes: Any
) -> Transition:
    """Change the candidate's settings; criteria that hold or notify count afresh from here.

    A raise that is being observed is judged for its whole time on the new settings, and no longer at all where the
    raised setting itself is changed.
    """
    revision = state.revision + 1
    begun = {
        "settings": {**state.settings, **settings},
        "epoch": revision,
        "settings_epoch": revision,
        "decided": False,
        "observation": _observed_anew(state, settings, now),
    }
    return moved(verb, state, now, why, **begun | changes)


def tune(state: RolloutState, observation: Observation, now: datetime, why: Why) -> Transition:
    """Raise a setting as a tree says, and observe what that does."""
    return change_settings(Verb.TUNE, state, observation.made, now, why, observation=observation)


def keep(state: RolloutState, observation: Observation, now: datetime, why: Why) -> Transition:
    """Keep a raise that did what it should: the tree has nothing more to note."""
    noted = _with(state.noted, observation.place)
    return moved(Verb.KEEP, state, now, why, observation=None, noted=noted)


def note(state: RolloutState, place: int, now: datetime, why: Why) -> Transition:
    """Write a tree's note for the owner into the journal; nothing else changes."""
    return moved(Verb.NOTE, state, now, why, noted=_with(state.noted, place))


def fall(verb: Verb, state: RolloutState, now: datetime, why: Why, **changes: Any) -> Transition:
    """Take the candidate from everyone; `disable` turns the feature off as well."""
    return moved(
        verb,
        state,
        now,
        why,
        status=Status.DISABLED if verb is Verb.DISABLE else Status.REVERTED,
        exposure=0,
        enabled=verb is not Verb.DISABLE,
        fell_from=state.phase,
        reason=why.badge,
        epoch=state.revision + 1,
        observation=None,
        **changes,
    )


def get_up(plan: Plan, state: RolloutState, phase: int, now: datetime, why: Why) -> Transition:
    """Re-enter a fallen rollout at a phase, with a new promise: all evidence starts afresh."""
    revision = state.revision + 1
    fresh = {"enabled": True, "promise": revision, "settings_epoch": revision, "fell_from": None, "noted": ()}
    if phase == NOT_STARTED:
        return moved(Verb.RESUME, state, now, why, status=Status.SCHEDULED, reason="", epoch=revision, **fresh)
    return enter(Verb.RESUME, plan, state, phase, now, why, **fresh)


def hold(state: RolloutState, now: datetime, why: Why) -> Transition:
    """Stop all growth until a person resumes."""
    return moved(Verb.HOLD, state, now, why, status=Status.HELD, reason=why.badge)


def release(state: RolloutState, now: datetime, why: Why, *, overrules: bool) -> Transition:
    """Go on after a hold; an overruled breach gives criteria that hold or notify a fresh start."""
    status = Status.SCHEDULED if state.phase == NOT_STARTED else Status.RUNNING
    epoch = {"settings_epoch": state.revision + 1, "epoch": state.revision + 1} if overrules else {}
    return moved(Verb.RESUME, state, now, why, status=status, reason="", **epoch)


def ship(state: RolloutState, now: datetime, why: Why, *, hold_skipped: bool = False) -> Transition:
    """Take the decision of an A/B test for the next phase; growth itself still waits for window and evidence."""
    return moved(Verb.DECIDE, state, now, why, decided=True, hold_skipped=state.hold_skipped or hold_skipped)


def ask(state: RolloutState, now: datetime, why: Why, *, hold_skipped: bool = False, reason: str = "") -> Transition:
    """Put the next numbered question to a person, with the reason for asking where the plan's own dates are not it."""
    return moved(
        Verb.AWAIT_APPROVAL,
        state,
        now,
        why,
        status=Status.AWAITING_APPROVAL,
        question=state.question + 1,
        approved_by=(),
        reason=reason,
        hold_skipped=state.hold_skipped or hold_skipped,
    )


def approve(state: RolloutState, now: datetime, why: Why, given: tuple[str, ...] = ()) -> Transition:
    """Take the yes of all who were needed; growth itself still waits for window and evidence."""
    answered = {"status": Status.RUNNING, "approved": True, "approved_by": given, "reason": ""}
    return moved(Verb.APPROVE, state, now, why, **answered)


def count_yes(state: RolloutState, now: datetime, why: Why, **given: Any) -> Transition:
    """Note a yes that is not the last one needed: what was asked stays open."""
    return moved(Verb.APPROVE, state, now, why, **given)


def extend(state: RolloutState, by: Duration, now: datetime, why: Why) -> Transition:
    """Lengthen the present hold; an open question is withdrawn, to be asked anew when the hold is over."""
    asking = state.status is Status.AWAITING_APPROVAL
    longer = {"extension": state.extension + by, "hold_skipped": False, "decided": False}
    withdrawn = {"status": Status.RUNNING, "reason": ""} if asking else {}
    return moved(Verb.EXTEND, state, now, why, **longer | withdrawn)


def put_on_list(verb: Verb, state: RolloutState, unit: str, now: datetime, why: Why) -> Transition:
    """Give a unit the candidate or stable whatever its bucket, or let its bucket decide again."""
    forced = {**state.forced, unit: LISTS[verb]}
    return moved(verb, state, now, why, forced=forced, epoch=state.revision + 1)


def complete(state: RolloutState, now: datetime, why: Why) -> Transition:
    """End well: the candidate with its adjustments is the flag's new stable."""
    return moved(Verb.COMPLETE, state, now, why, status=Status.COMPLETED, epoch=state.revision + 1)


def kill(state: RolloutState, by: str, reason: str, now: datetime) -> Transition:
    """Note in the rollout's journal that its flag was switched off."""
    return _switch(Verb.KILL, state, by, reason, now, killed=True)


def restore(state: RolloutState, by: str, reason: str, now: datetime) -> Transition:
    """Note in the rollout's journal that its flag's switch is on again; a raise is observed for its whole time."""
    return _switch(Verb.RESTORE, state, by, reason, now, killed=False)


def _switch(verb: Verb, state: RolloutState, by: str, reason: str, now: datetime, *, killed: bool) -> Transition:
    why = Why(cause=Cause.PERSON, by=by, reason=reason)
    observation = _observed_anew(state, {}, now)
    return moved(verb, state, now, why, killed=killed, epoch=state.revision + 1, observation=observation)


def _observed_anew(state: RolloutState, changed: Settings, now: datetime) -> Observation | None:
    observation = state.observation
    if observation is None or changed.keys() & observation.made.keys():
        return None
    return replace(observation, since=now)


def _with(noted: tuple[int, ...], place: int) -> tuple[int, ...]:
    return tuple(sorted({*noted, place}))


def moved(verb: Verb, state: RolloutState, now: datetime, why: Why, **changes: Any) -> Transition:
    """The transition to a state with these changes, one revision further."""
    status = changes.get("status", state.status)
    since = state.since if status is state.status and verb is not Verb.AWAIT_APPROVAL else now
    after = replace(state, revision=state.revision + 1, since=since, **changes)
    return Transition(
        verb=verb,
        cause=why.cause,
        at=now,
        by=why.by,
        reason=why.reason,
        before=state,
        after=after,
        consumes=why.consumes,
        finding=why.finding,
    )
