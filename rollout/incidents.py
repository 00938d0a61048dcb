"""Troubles that everybody shares, as people declare them: while one lasts nothing grows, and fixed limits are mute.

An incident is a value that is handed in. It can stop growth; nothing that lowers exposure ever asks for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LONGEST = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident: `number` names it, `flags` are those it is about, and all where it names none.

    `until` is when it ends by itself; `ended` is when somebody ended it, or it was noted that it was over.
    """

    number: int
    since: datetime
    until: datetime
    by: str
    reason: str
    flags: tuple[str, ...] = ()
    ended: datetime | None = None
    ended_by: str = ""
    ended_reason: str = ""

    @property
    def over_at(self) -> datetime:
        """The first instant after it."""
        return self.until if self.ended is None else min(self.ended, self.until)

    @property
    def scope(self) -> str:
        """What it is about, in words."""
        return f"flag{'s' * (len(self.flags) > 1)} {', '.join(self.flags)}" if self.flags else "all flags"

    def covers(self, flag: str) -> bool:
        """Whether it is about a flag."""
        return not self.flags or flag in self.flags

    def spans(self, at: datetime) -> bool:
        """Whether an instant lies inside."""
        return self.since <= at < self.over_at


def in_force(incident: Incident | None, now: datetime) -> Incident | None:
    """The incident that was read along while it lasts; None where there is none, or its time is over."""
    return incident if incident is not None and now < incident.over_at else None


def free_from(incident: Incident | None, now: datetime) -> datetime:
    """The first instant from `now` on at which no incident stands in the way of growth."""
    standing = in_force(incident, now)
    return standing.over_at if standing else now


def latest(incidents: Sequence[Incident]) -> Incident | None:
    """Of those that nobody has ended the one that lasts longest; None where there is none."""
    open_ = [one for one in incidents if one.ended is None]
    return max(open_, key=lambda one: one.until, default=None)


def said(incident: Incident, since: str, until: str) -> str:
    """An incident where something waits for it; instants as its reader reads them."""
    return f"incident since {since}: no growth until {until} ({incident.reason})"


def objection(reason: str, flags: Sequence[str], length: timedelta, standing: Sequence[Incident]) -> str | None:
    """Why an incident cannot be declared beside those that stand, with the remedy; None where it can."""
    if not reason.strip():
        return "reason: empty; say what has happened: it is kept in the journal and shown wherever growth waits"
    if not timedelta(0) < length <= LONGEST:
        rule = f"an incident lasts more than 0 and at most {LONGEST.days} days; give for example --for 2h"
        return f"for: {_length(length)}; {rule}, and declare another where it takes longer"
    for one in standing:
        if (not flags and not one.flags) or set(flags) & set(one.flags):
            known = f"incident {one.number} about {one.scope} lasts until {utc(one.over_at)}"
            return f"flags: {known} already; end that first: sluice incident end {one.number}"
    return None


def untold(lasting: Sequence[int]) -> str:
    """Why the one that lasts cannot be meant where none does, or more than one."""
    numbers = ", ".join(map(str, lasting))
    which = f"{len(lasting)} last: name one of {numbers}" if lasting else "no incident lasts now"
    return f"incident: {which}; `sluice incident list` shows all"


def utc(at: datetime) -> str:
    """An instant where no plan's zone is at hand: `2026-12-14 14:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _length(length: timedelta) -> str:
    days, rest = divmod(length.total_seconds(), 86_400)
    return " ".join(filter(None, (f"{days:g} d" if days else "", f"{rest / 3600:g} h" if rest or not days else "")))
