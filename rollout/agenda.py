"""What changes when, over the days ahead: a rollout's dated steps, questions and freezes as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from plans.approval import demanded, demanding
from plans.schema import Freeze, Plan
from plans.timeline import local, next_closing, next_open, zone
from rollout.approving import lapsing
from rollout.blocks import blocks
from rollout.course import course
from rollout.describe import effect, percent, served_exposure, title
from rollout.incidents import in_force, said
from rollout.model import Evidence, RolloutState, Status, Transition, Verb
from rollout.obstacles import Code


class Kind(StrEnum):
    """What an entry is about, in the words of `sluice preview` where it has them."""

    PHASE = "phase"
    ADJUST = "adjust"
    OBSERVE = "observe"
    DECIDE = "decide"
    APPROVAL = "approval"
    HELD = "held"
    COMPLETE = "complete"
    FREEZE = "freeze"
    INCIDENT = "incident"


class Hinges(StrEnum):
    """What an entry's date hinges on, beside the criteria: nothing, a person's yes, or what the numbers decide."""

    NOTHING = "nothing"
    APPROVAL = "approval"
    NUMBERS = "numbers"


KINDS = {
    Verb.START: Kind.PHASE,
    Verb.ADVANCE: Kind.PHASE,
    Verb.ADJUST: Kind.ADJUST,
    Verb.KEEP: Kind.OBSERVE,
    Verb.DECIDE: Kind.DECIDE,
    Verb.AWAIT_APPROVAL: Kind.APPROVAL,
    Verb.COMPLETE: Kind.COMPLETE,
}
MOVES = frozenset({Verb.START, Verb.ADVANCE, Verb.COMPLETE})
SAID_ELSEWHERE = frozenset({Code.WINDOW, Code.FREEZE, Code.INCIDENT, Code.APPROVAL, Code.HELD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that is due: `at` in UTC, `when` in the plan's zone, `zone` by name.

    `until` is the end of a freeze or an incident. `waiting` says that it is due already, and waits for a person or the
    criteria. `key` is the same for the same thing on every day that it is asked for; `revision` rises as its date may
    move.
    """

    at: datetime
    until: datetime | None = None
    when: str
    zone: str
    kind: Kind
    rollout: str
    flag: str
    phase: str | None
    exposure: int
    text: str
    note: str = ""
    hinges: Hinges = Hinges.NOTHING
    waiting: bool = False
    key: str
    revision: int = 0


def agenda(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime, until: datetime) -> tuple[Entry, ...]:
    """Everything that a live rollout has before it between two instants, in order; empty where it has ended."""
    if not state.status.live:
        return ()
    calendar = (*_freezes(plan, state, now), *_incidents(plan, state, now))
    found = (*_asked(plan, state, now), *_steps(plan, state, evidence, now), *calendar)
    ahead = (replace(one, revision=state.revision) for one in found if one.at < until)
    return tuple(sorted(ahead, key=lambda one: (one.at, one.key)))


def answer_by(plan: Plan, asked: datetime) -> str:
    """What an answer's date does to the next phase's: `if approved by Thu 16:00: Thu 09:00, else Mon 09:00`."""
    opens = next_open(plan, asked)
    closes = next_closing(plan, opens)
    early = "at once" if opens == asked else local(plan, opens)
    if closes is None:
        return f"once approved: {early}"
    return f"if approved by {local(plan, closes)}: {early}, else {local(plan, next_open(plan, closes))}"


def _asked(plan: Plan, state: RolloutState, now: datetime) -> Iterator[Entry]:
    """What waits for a person now."""
    if state.status is Status.HELD:
        held = _entry(plan, state, now, Kind.HELD, f"held: {state.reason or 'no reason given'}")
        yield replace(held, note="a person resumes it", waiting=True)
    if state.status is Status.AWAITING_APPROVAL:
        asked = _entry(plan, state, now, Kind.APPROVAL, _question(plan, state))
        lapse = lapsing(plan, state)
        ends = f"; lapses {local(plan, lapse.at)}, then {lapse.then}" if lapse else ""
        yield replace(asked, note=f"{answer_by(plan, now)}{ends}", waiting=True)


def _steps(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> Iterator[Entry]:
    """The dated steps, as if a killed flag were restored now; what stands in the way of the first is noted on it."""
    hinges, obstacle = Hinges.NOTHING, _obstacle(plan, state, evidence, now)
    for move in course(plan, replace(state, killed=False), now):
        if move.verb is Verb.APPROVE:
            hinges = Hinges.APPROVAL
            continue
        entry = _entry(plan, move.after, move.at, KINDS[move.verb], _words(plan, move))
        late = move.at <= now and hinges is Hinges.NOTHING and move.verb in MOVES
        note = answer_by(plan, move.at) if move.verb is Verb.AWAIT_APPROVAL else ""
        if move.verb in MOVES and obstacle and (late or state.killed):
            note, obstacle = f"waits: {obstacle}", ""
        yield replace(entry, note=note, hinges=hinges, waiting=late)
        if move.verb in {Verb.DECIDE, Verb.KEEP} and hinges is Hinges.NOTHING:
            hinges = Hinges.NUMBERS


def _freezes(plan: Plan, state: RolloutState, now: datetime) -> Iterator[Entry]:
    for freeze in plan.schedule.freeze:
        begins, ends = _days(plan, freeze)
        if ends > now:
            text = f"frozen until {local(plan, ends)}: neither growth nor adjustments"
            entry = _entry(plan, state, begins, Kind.FREEZE, text)
            yield replace(entry, note=freeze.reason, until=ends, key=f"freeze-{freeze.from_}.{state.name}")


def _incidents(plan: Plan, state: RolloutState, now: datetime) -> Iterator[Entry]:
    if one := in_force(state.incident, now):
        text = said(one, local(plan, one.since), local(plan, one.over_at))
        entry = _entry(plan, state, one.since, Kind.INCIDENT, text)
        yield replace(entry, until=one.over_at, key=f"incident-{one.number}.{state.name}")


def _days(plan: Plan, freeze: Freeze) -> tuple[datetime, datetime]:
    """The first instant of a freeze, and the first after it."""
    place, after = zone(plan), freeze.to + timedelta(days=1)
    first, last = (datetime.combine(day, time.min, place).astimezone(UTC) for day in (freeze.from_, after))
    return first, last


def _entry(plan: Plan, state: RolloutState, at: datetime, kind: Kind, text: str) -> Entry:
    phase = plan.phases[state.phase].name if state.phase >= 0 else None
    return Entry(
        at=at,
        when=local(plan, at),
        zone=str(zone(plan)),
        kind=kind,
        rollout=state.name,
        flag=state.flag,
        phase=phase,
        exposure=served_exposure(state),
        text=text,
        key=f"{kind}-{phase}-{state.adjusted}.{state.name}",
    )


def _words(plan: Plan, move: Transition) -> str:
    """A step in words, with what it does to how many."""
    phase, after = plan.phases[move.after.phase].name, move.after
    match KINDS[move.verb]:
        case Kind.PHASE:
            return f"{title(phase)} begins: {effect(plan, move.before, after)}"
        case Kind.APPROVAL:
            return _question(plan, after)
        case Kind.DECIDE:
            return f"{title(phase)} is judged: ship, revert or ask"
        case Kind.OBSERVE:
            return "the raised setting is judged: keep or revert"
        case _:
            return effect(plan, move.before, after)


def _question(plan: Plan, state: RolloutState) -> str:
    leaving, entering = plan.phases[state.phase], plan.phases[state.phase + 1]
    by = f" by {demanded(plan)}" if demanding(plan) else ""
    return f"approval{by}: {title(leaving.name)} → {title(entering.name)} ({percent(plan.exposure(state.phase + 1))})"


def _obstacle(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> str:
    """What stands before the next step beside the calendar and the question; empty where nothing does."""
    found = (block.text for block in blocks(plan, state, evidence, now) if block.code not in SAID_ELSEWHERE)
    return next(found, "")
