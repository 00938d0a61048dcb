"""The words of every notice: the first line is what to do, the evidence and what it means stand below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from plans.listeners import Event
from plans.schema import Plan, Then
from plans.timeline import local
from rollout.approving import standing
from rollout.describe import effect, many, model, percent, served_exposure, takes_up, title
from rollout.exposure import declared_stable
from rollout.findings import headline, labelled, verdict
from rollout.incidents import Incident, utc
from rollout.model import Evidence, Finding, RolloutState, Status, Transition, Verb, Verdict
from rollout.obstacles import current, starved

EVENTS = {
    Verb.START: Event.STARTED,
    Verb.ADVANCE: Event.ADVANCED,
    Verb.ADJUST: Event.ADJUSTED,
    Verb.SET: Event.ADJUSTED,
    Verb.TUNE: Event.TUNED,
    Verb.KEEP: Event.KEPT,
    Verb.NOTE: Event.NOTED,
    Verb.DECIDE: Event.DECIDED,
    Verb.AWAIT_APPROVAL: Event.AWAITING_APPROVAL,
    Verb.HOLD: Event.HELD,
    Verb.RESUME: Event.RESUMED,
    Verb.REVERT: Event.REVERTED,
    Verb.DISABLE: Event.DISABLED,
    Verb.ABORT: Event.ABORTED,
    Verb.ROLLBACK: Event.ROLLED_BACK,
    Verb.KILL: Event.KILLED,
    Verb.RESTORE: Event.RESTORED,
    Verb.COMPLETE: Event.COMPLETED,
    Verb.BACK: Event.LOWERED,
    Verb.EXTEND: Event.EXTENDED,
    Verb.APPROVE: Event.APPROVED,
    Verb.ALLOW: Event.ALLOWED,
    Verb.BLOCK: Event.BLOCKED,
    Verb.UNLIST: Event.UNLISTED,
    Verb.PROPOSE: Event.AMENDMENT_PROPOSED,
    Verb.AMEND: Event.AMENDED,
}
RETURNING = frozenset({Event.REVERTED, Event.ABORTED, Event.DISABLED, Event.KILLED})
"""After these nobody has the candidate: what is served can be held against it."""
OFF = frozenset({Event.DISABLED, Event.KILLED})
"""After these of them nobody has anything: stable is not what was told either."""
MOST_NAMED = 50


class Served(StrEnum):
    """What reading the flag came to: what everybody should have, stable or the candidate again, or no answer."""

    FALLBACK = "fallback"
    CANDIDATE = "candidate"
    MOVED_ON = "moved_on"
    RESTORED = "restored"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell: what happened (`event`), the line that says it, the details below, and who hears of it."""

    event: Event
    title: str
    body: str = ""
    channels: tuple[str, ...] = ()


def notices(plan: Plan, transition: Transition, evidence: Evidence | None = None) -> tuple[Notice, ...]:
    """What to tell people of a transition: what to do, what happened and why, what it rests on, and by whom."""
    event = EVENTS[transition.verb]
    taken_up = takes_up(transition.verb, transition.before)
    fell = "" if taken_up is None else f"takes up what ended at revision {taken_up}: {transition.before.reason}"
    lines = (
        f"{plan.name}: {event.replace('_', ' ')}",
        transition.reason,
        fell,
        effect(plan, transition.before, transition.after),
        *standing(plan, transition.after),
        f"by {transition.by} at {_iso(transition.at)}",
        *_card(transition, evidence),
    )
    return (_notice(plan, event, f"{_call(transition)}: {_action(plan, transition)}", "\n".join(filter(None, lines))),)


def look_notices(plan: Plan, state: RolloutState, before: Evidence, after: Evidence) -> tuple[Notice, ...]:
    """What to tell of a look that moved nothing: a new breach that only notifies, data that has gone missing."""
    told = {finding.criterion for finding in _alarming(plan, state, before)}
    return tuple(_told_of(plan, finding) for finding in _alarming(plan, state, after) if finding.criterion not in told)


def switched(plan: Plan, status: Status, verb: Verb, by: str, reason: str, now: datetime) -> Notice:
    """What to tell of a flag that is switched while no rollout of it lives: those hear of it who heard of its last."""
    event = EVENTS[verb]
    turned = "off for everyone" if verb is Verb.KILL else "on again"
    ask = "Look" if verb is Verb.KILL else "Nothing to do"
    line = f"{ask}: {plan.flag} is {turned} since {local(plan, now)}; its last rollout, {plan.name}, is {status}"
    body = "\n".join(filter(None, (f"{plan.flag}: {event}", reason, f"by {by} at {_iso(now)}")))
    return _notice(plan, event, line, body)


def reminder(plan: Plan, state: RolloutState, now: datetime) -> Notice:
    """That an approval still stands unanswered."""
    waited = _span(now - state.since)
    line = f"Decide: {_question(plan, state)} asked {waited} ago"
    body = "\n".join((f"{plan.name}: still awaiting approval", *standing(plan, state)))
    return _notice(plan, Event.AWAITING_APPROVAL, line, body)


def of_incident(one: Incident, event: Event, rollouts: Sequence[str], channels: tuple[str, ...]) -> Notice:
    """That an incident has begun or is over, for all the rollouts together that it touches."""
    about = f"incident {one.number} about {one.scope}"
    if event is Event.INCIDENT_STARTED:
        line = f"Nothing to do: nothing grows until {utc(one.until)}: {about}: {' '.join(one.reason.split())}"
        done = f"by {one.by} at {_iso(one.since)}"
    else:
        line = f"Nothing to do: {about} is over since {utc(one.over_at)}; rollouts go on from their next look"
        done = " ".join(filter(None, (one.ended_reason, f"by {one.ended_by} at {_iso(one.over_at)}")))
    rest = len(rollouts) - MOST_NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return Notice(event, line, f"{done}\nrollouts: {', '.join(rollouts[:MOST_NAMED])}{more}", channels)


def with_reading(line: str, flag: str, served: Served) -> str:
    """A line that says that nobody has the candidate, with what was found when the flag was read."""
    match served:
        case Served.FALLBACK:
            return f"{line}, checked by reading the flag"
        case Served.MOVED_ON:
            return f"{line}; it has moved on since, and the candidate is served again"
        case Served.RESTORED:
            return f"{line}; it is on again since, and stable is served"
        case Served.CANDIDATE:
            return f"Look now: {flag} STILL SERVES THE CANDIDATE, though this was told: {line}"
        case Served.UNREAD:
            return f"{line} (not checked: the flag server gave no answer)"


def _notice(plan: Plan, event: Event, line: str, body: str) -> Notice:
    return Notice(event, line, body, plan.channels(event))


def _told_of(plan: Plan, finding: Finding) -> Notice:
    event = Event.NO_DATA if finding.verdict is Verdict.NO_DATA else Event.BREACHED
    what = "data is missing; growth waits for it" if event is Event.NO_DATA else headline(finding)
    return _notice(plan, event, f"Look: {plan.name}: {what}", finding.reason)


def _call(transition: Transition) -> str:
    """What the first word asks of its reader."""
    match EVENTS[transition.verb]:
        case Event.APPROVED if transition.after.approved is transition.before.approved:  # others are asked too
            return "Decide"
        case Event.AWAITING_APPROVAL | Event.HELD | Event.AMENDMENT_PROPOSED:
            return "Decide"
        case Event.DISABLED | Event.KILLED | Event.NOTED | Event.BREACHED | Event.NO_DATA:
            return "Look"
        case _:
            return "Nothing to do"


def _action(plan: Plan, transition: Transition) -> str:
    before, after = transition.before, transition.after
    had = many(plan, served_exposure(before))
    match EVENTS[transition.verb]:
        case Event.REVERTED | Event.ABORTED:
            return f"{model(declared_stable(plan))} is back for {had} since {local(plan, transition.at)}"
        case Event.DISABLED | Event.KILLED:
            lost = f"{had} had {model(before.settings)}"
            return f"{plan.flag} is off for everyone since {local(plan, transition.at)}; {lost}"
        case Event.AWAITING_APPROVAL:
            return _question(plan, after)
        case Event.HELD:
            why = headline(transition.finding) if transition.finding else transition.reason
            return f"{plan.name} is held at {_place(plan, after)}: {why}"
        case _:
            return f"{plan.name}: {effect(plan, before, after)}"


def _question(plan: Plan, state: RolloutState) -> str:
    leaving, entering = plan.phases[state.phase], plan.phases[state.phase + 1]
    growth = plan.exposure(state.phase + 1)
    return f"may {plan.name} go from {title(leaving.name)} to {title(entering.name)}, {percent(growth)}?"


def _place(plan: Plan, state: RolloutState) -> str:
    phase = title(plan.phases[state.phase].name) if state.phase >= 0 else "its start"
    return f"{phase}, {percent(served_exposure(state))}"


def _card(transition: Transition, evidence: Evidence | None) -> Iterator[str]:
    """What was known: each condition's verdict with its arithmetic, the cause's own first."""
    cause = transition.finding
    if cause is not None and cause.reason != transition.reason:
        yield cause.reason
    for finding in evidence.findings if evidence else ():
        if cause is None or finding.criterion != cause.criterion:
            yield f"{verdict(finding)}: {finding.reason or labelled(finding)}"


def _alarming(plan: Plan, state: RolloutState, evidence: Evidence) -> tuple[Finding, ...]:
    breaches = (
        finding
        for finding in evidence.stops
        if finding.verdict is Verdict.BREACH and finding.then is Then.NOTIFY and current(finding, state, evidence)
    )
    return (*breaches, *starved(plan, state, evidence))


def _span(length: timedelta) -> str:
    hours = round(length.total_seconds() / 3600)
    days, rest = divmod(hours, 24)
    return " ".join(filter(None, (f"{days} d" if days else "", f"{rest} h" if rest or not days else "")))


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
