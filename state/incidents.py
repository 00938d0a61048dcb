"""Incidents: a journal of beginnings and ends under the same chain of seals, from which follows what is in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select

from plans.listeners import Event
from rollout.incidents import Incident, latest, objection, untold, utc
from rollout.model import Transition
from rollout.obstacles import waits_for_incidents
from state.chain import Line, append, queue
from state.errors import RefusedError, UnknownError
from state.incident_notices import tell_of
from state.tables import flags, incident_journal
from state.transactions import Transactions

SLUICE = "sluice"
NONE: Mapping[str, Any] = MappingProxyType({})
OVER = "its time was over"


class Mark(StrEnum):
    """The lines of an incident."""

    START = "start"
    END = "end"


_end = incident_journal.alias("ending")
_ALL = (
    select(
        incident_journal,
        _end.c.at.label("ended"),
        _end.c.by.label("ended_by"),
        _end.c.reason.label("ended_reason"),
    )
    .outerjoin(_end, and_(_end.c.number == incident_journal.c.number, _end.c.verb == str(Mark.END)))
    .where(incident_journal.c.verb == str(Mark.START))
    .order_by(incident_journal.c.number)
)
_OPEN = _ALL.where(_end.c.at.is_(None))
_LATELY = _ALL.where(or_(_end.c.at.is_(None), _end.c.at > bindparam("since")))


class Incidents(Transactions):
    """Declaring an incident, ending it, and reading all of them; channels are told in the same transaction."""

    def incidents(self) -> tuple[Incident, ...]:
        """Every incident ever declared, oldest first."""
        with self.reading() as tx:
            return incidents(tx)

    def start_incident(self, by: str, reason: str, named: Sequence[str], length: timedelta, now: datetime) -> Incident:
        """Declare an incident from now on, about some flags or, where none is named, about all.

        Raises UnknownError for a flag that no plan ever named, RefusedError where one stands on the same already, for
        an empty reason, and for a length that no incident may have.
        """
        named = tuple(dict.fromkeys(named))
        with self.writing() as tx:
            queue(tx)
            _known(tx, named)
            standing = [one for one in _read(tx, _OPEN) if now < one.until]
            if why := objection(reason, named, length, standing):
                raise RefusedError(why)
            number = tx.execute(select(func.coalesce(func.max(incident_journal.c.number), 0))).scalar_one() + 1
            made = Incident(number=number, since=now, until=now + length, by=by, reason=reason, flags=named)
            append(tx, self.secrets, (_line(made, Mark.START, now, by, reason, self.process),))
            tell_of(tx, made, Event.INCIDENT_STARTED, now)
        return made

    def end_incident(self, number: int | None, by: str, reason: str, now: datetime) -> Incident:
        """End an incident before its time; without a number the one that lasts.

        Raises RefusedError where none lasts, where several do and none is named, and where that one is over.
        """
        with self.writing() as tx:
            queue(tx)
            one = _meant(incidents(tx), number, now)
            append(tx, self.secrets, (_line(one, Mark.END, now, by, reason, self.process),))
            ended = replace(one, ended=now, ended_by=by, ended_reason=reason)
            tell_of(tx, ended, Event.INCIDENT_ENDED, now)
        return ended

    def close_incidents(self, now: datetime) -> tuple[Incident, ...]:
        """Write down the end of those whose time is over, and give them; what is in force does not wait for this."""
        with self.reading() as tx:
            if not any(one.until <= now for one in _read(tx, _OPEN)):
                return ()
        with self.writing() as tx:
            queue(tx)
            over = tuple(one for one in _read(tx, _OPEN) if one.until <= now)
            append(tx, self.secrets, [_line(one, Mark.END, one.until, SLUICE, OVER, self.process) for one in over])
            for one in over:
                ended = replace(one, ended=one.until, ended_by=SLUICE, ended_reason=OVER)
                tell_of(tx, ended, Event.INCIDENT_ENDED, one.until)
        return over


def incidents(tx: Connection, since: datetime | None = None) -> tuple[Incident, ...]:
    """Every incident that was not over at an instant, oldest first, in the caller's transaction."""
    return tuple(_read(tx, _ALL) if since is None else _read(tx, _LATELY, {"since": since}))


def about(found: Sequence[Incident], flag: str, since: datetime) -> tuple[Incident, ...]:
    """Those of them that are about a flag and were not over at an instant."""
    return tuple([one for one in found if one.covers(flag) and one.over_at > since])


def hindered(tx: Connection, transition: Transition) -> bool:
    """Whether an incident stands in the way of a transition, told under the lock that declaring one takes as well."""
    if not waits_for_incidents(transition):
        return False
    queue(tx)
    standing = latest(about(tuple(_read(tx, _OPEN)), transition.before.flag, transition.at))
    return standing is not None


def _known(tx: Connection, named: Sequence[str]) -> None:
    known = tx.execute(select(flags.c.key)).scalars().all() if named else ()
    if unknown := next((flag for flag in named if flag not in known), None):
        raise UnknownError("flag", unknown, known)


def _meant(found: Sequence[Incident], number: int | None, now: datetime) -> Incident:
    """The incident that is to be ended."""
    lasting = [one for one in found if one.ended is None and now < one.until]
    if number is None:
        if len(lasting) == 1:
            return lasting[0]
        raise RefusedError(untold([one.number for one in lasting]))
    one = next((one for one in found if one.number == number), None)
    if one is None:
        raise RefusedError(f"incident: there is no number {number}; `sluice incident list` shows all")
    if one not in lasting:
        whose = f", ended by {one.ended_by}" if one.ended_by else ""
        raise RefusedError(f"incident: {number} is over since {utc(one.over_at)}{whose}; nothing changed")
    return one


def _read(tx: Connection, query: Select[Any], given: Mapping[str, Any] = NONE) -> Iterator[Incident]:
    for row in tx.execute(query, given):
        yield Incident(
            number=row.number,
            since=row.at,
            until=row.until,
            by=row.by,
            reason=row.reason,
            flags=tuple(row.flags.split()),
            ended=row.ended,
            ended_by=row.ended_by or "",
            ended_reason=row.ended_reason or "",
        )


def _line(one: Incident, mark: Mark, at: datetime, by: str, reason: str, process: str) -> Line:
    columns = {
        "number": one.number,
        "verb": str(mark),
        "at": at,
        "by": by,
        "reason": reason,
        "flags": " ".join(one.flags),
        "until": one.until if mark is Mark.START else None,
        "process": process,
    }
    return Line(incident_journal, columns)
