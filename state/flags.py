"""Flags: what is served, every version of it, and the switch that no rollout writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypedDict

import orjson
from sqlalchemy import Connection, func, select

from plans.schema import Settings
from rollout.decide import kill, restore
from rollout.describe import effect
from rollout.exposure import Flag
from rollout.model import LIVE, RolloutState, Status, Transition, Verb
from rollout.notices import switched
from state import rows
from state.chain import Line, append
from state.errors import StaleStateError, UnknownError
from state.journaling import (
    SUBMIT,
    Change,
    change_flag,
    lock_flag,
    move,
    post,
    served_json,
    tell,
    transition_line,
)
from state.rows import FlagEntry
from state.tables import Switch, flag_journal, flags, rollouts
from state.transactions import Transactions

Switching = Callable[[RolloutState, str, str, datetime], Transition]


class Switched(TypedDict):
    """What turning a switch did: `enabled` is what applications get now, `effect` says it in words."""

    flag: str
    enabled: bool
    version: int
    effect: str


class Flags(Transactions):
    """Reading flags as they are served, and their kill switches."""

    def flag(self, key: str) -> Flag | None:
        """What a flag serves now, None where no plan ever named it."""
        with self.reading() as tx:
            row = tx.execute(select(flags).where(flags.c.key == key)).one_or_none()
        return None if row is None else rows.flag(row)

    def flags(self, known: Mapping[str, int] | None = None) -> tuple[Flag, ...]:
        """Every flag whose version is not the one in `known`."""
        with self.reading() as tx:
            if not known:
                return tuple(rows.flag(row) for row in tx.execute(select(flags)))
            versions = tx.execute(select(flags.c.key, flags.c.version)).all()
            changed = [row.key for row in versions if known.get(row.key) != row.version]
            found = tx.execute(select(flags).where(flags.c.key.in_(changed))) if changed else ()
            return tuple(rows.flag(row) for row in found)

    def flags_version(self) -> int:
        """A number that grows with every change of any flag; equal numbers mean nothing changed."""
        with self.reading() as tx:
            return int(tx.execute(select(func.coalesce(func.sum(flags.c.version), 0))).scalar_one())

    def stable(self, key: str) -> Settings | None:
        """What a flag serves to everyone once no rollout has it; None for nothing.

        Raises UnknownError for a flag that no plan ever named.
        """
        with self.reading() as tx:
            text = tx.execute(select(flags.c.stable).where(flags.c.key == key)).scalar_one_or_none()
        if text is None:
            raise self._unknown(key)
        settings: Settings | None = orjson.loads(text)
        return settings

    def flag_journal(self, key: str) -> tuple[FlagEntry, ...]:
        """Every version of a flag, oldest first."""
        with self.reading() as tx:
            found = tx.execute(select(flag_journal).where(flag_journal.c.flag == key).order_by(flag_journal.c.version))
            return tuple(_entry(row) for row in found)

    def kill(self, flag: str, by: str, reason: str, now: datetime) -> Switched:
        """Turn a flag off for everyone, whatever its rollout does; journaled by flag and by the live rollout.

        Raises UnknownError for a flag that no plan ever named.
        """
        return self._turn(flag, Switch.OFF, kill, Verb.KILL, by, reason, now)

    def restore(self, flag: str, by: str, reason: str, now: datetime) -> Switched:
        """Lift a flag's kill switch, and nothing else.

        Raises UnknownError for a flag that no plan ever named.
        """
        return self._turn(flag, Switch.ON, restore, Verb.RESTORE, by, reason, now)

    def _turn(
        self, key: str, to: Switch, switching: Switching, verb: Verb, by: str, reason: str, now: datetime
    ) -> Switched:
        """The flag's lock comes first, so that no transition of its rollout can come between."""
        with self.writing() as tx:
            row = lock_flag(tx, key)
            if row is None:
                raise self._unknown(key)
            if row.switch == to:
                return _switched(row, f"{key} was switched {to} already; nothing changed")
            live = self._live(tx, row)
            transition = None if live is None else switching(live[0], by, reason, now)
            columns = {"switch": str(to), "switch_by": by, "switch_reason": reason, "switch_at": now}
            lines: list[Line] = []
            if live is not None and transition is not None:
                columns["value"], *lines = self._note(tx, live[1], transition)
            if live is None:
                self._tell_of_last(tx, row, verb, by, reason, now)
            revision = None if transition is None else transition.after.revision
            why = Change(now, verb, by, reason, revision, self.process)
            append(tx, self.secrets, (*lines, change_flag(tx, row, why, columns)))
            changed = lock_flag(tx, key)
            return _switched(changed, self._effect(changed, transition, live))

    def _live(self, tx: Connection, row: Any) -> tuple[RolloutState, Any] | None:
        where = (rollouts.c.flag == row.key, rollouts.c.status.in_([str(status) for status in LIVE]))
        state = [rollouts.c[name] for name in rows.STATE_COLUMNS]
        extra = (rollouts.c.id, rollouts.c.plan)
        found = tx.execute(select(*state, *extra).where(*where)).one_or_none()
        if found is None:
            return None
        return rows.state(found, killed=row.switch == Switch.OFF), found

    def _note(self, tx: Connection, row: Any, transition: Transition) -> tuple[str, Line]:
        """Move the live rollout one revision on; gives what the flag serves of it, and the line for the journal."""
        plan = self.parsed(row.digest, row.plan)
        if not move(tx, plan, transition):
            raise StaleStateError(row.name, row.revision)
        tell(tx, row.id, plan, transition)
        line = transition_line(tx, row.id, transition, self.process)
        return served_json(plan, transition.after, row.digest), line

    def _tell_of_last(self, tx: Connection, row: Any, verb: Verb, by: str, reason: str, now: datetime) -> None:
        """Put the notice of a switch in the outbox of the flag's last rollout, as no live one has it."""
        names = ("id", "plan", "digest", "status", "revision")
        query = select(*(rollouts.c[name] for name in names)).where(rollouts.c.name == row.rollout)
        last = tx.execute(query).one_or_none()
        if last is not None:
            told = switched(self.parsed(last.digest, last.plan), Status(last.status), verb, by, reason, now)
            post(tx, last.id, f"f{row.version + 1}", last.revision, now, (told,))

    def _effect(self, row: Any, transition: Transition | None, live: tuple[RolloutState, Any] | None) -> str:
        if transition is not None and live is not None:
            return effect(self.parsed(live[1].digest, live[1].plan), transition.before, transition.after)
        if row.switch == Switch.OFF:
            return f"{row.key} is off for everyone"
        flag = rows.flag(row)
        return (
            f"{row.key} is on again"
            if flag.enabled
            else f"{row.key} stays off: {flag.rollout} disabled it; resume that"
        )

    def _unknown(self, key: str) -> UnknownError:
        with self.reading() as tx:
            return UnknownError("flag", key, tx.execute(select(flags.c.key)).scalars().all())


def _switched(row: Any, words: str) -> Switched:
    flag = rows.flag(row)
    return {"flag": flag.key, "enabled": flag.enabled, "version": flag.version, "effect": words}


def _entry(row: Any) -> FlagEntry:
    return FlagEntry(
        at=row.at,
        version=row.version,
        verb=None if row.verb == SUBMIT else Verb(row.verb),
        by=row.by,
        reason=row.reason,
        rollout=row.rollout,
        revision=row.revision,
        flag=rows.flag(row),
        process=row.process,
    )
