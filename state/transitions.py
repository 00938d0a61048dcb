"""Rollouts: reading one whole, moving it one revision on, and its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Select, bindparam, select
from sqlalchemy.exc import IntegrityError

from plans.load import to_json
from plans.schema import Plan
from rollout.decide import initial
from rollout.exposure import Flag, declared_stable, served
from rollout.incidents import Incident, latest
from rollout.model import LIVE, Bucket, Evidence, RolloutState, Status, Transition, Verb
from state import readings, rows
from state.chain import append
from state.commands import mark_done, mark_refused
from state.errors import StaleStateError, UnknownError
from state.former_plans import former_plans
from state.incidents import about, hindered, incidents
from state.journaling import Change, change_flag, lock_flag, move, served_json, tell, transition_line
from state.rows import JournalEntry, Rollout
from state.shapes import shape
from state.tables import Switch, commands, evidences, flags, journal, rollouts
from state.transactions import Transactions

OTHER_COLUMNS = ("id", "shape", "plan", "plan_text", "submitted_by", "due_at", "settled_at", "run_id")
LIVE_NAMES = [str(status) for status in LIVE]


@dataclass(frozen=True, slots=True)
class Epoch:
    """A stretch in which what is served did not change: from `at` to `until` (None: still), under `state`."""

    epoch: int
    at: datetime
    until: datetime | None
    state: RolloutState
    flag: Flag

    @property
    def counted(self) -> bool:
        """Whether there are cohorts to compare: a started rollout whose flag is on."""
        return self.flag.active and self.flag.enabled


class Transitions(Transactions):
    """One rollout at a time, by compare-and-swap on its revision."""

    def rollout(self, name: str) -> Rollout:
        """A rollout as it is now; raises UnknownError, naming the nearest."""
        with self.reading() as tx:
            row = _read(tx, name)
            declared = incidents(tx, row.submitted) if row else ()
        if row is None:
            raise UnknownError("rollout", name, self.names())
        plan, found = self.parsed(row.digest, row.plan), about(declared, row.flag, row.submitted)
        return Rollout(
            id=row.id,
            plan=plan,
            plan_text=row.plan_text,
            shape=row.shape,
            state=_state(row, plan, latest(found)),
            evidence=rows.evidence(row.findings),
            memory=row.memory,
            evidence_version=row.version,
            due_at=row.due_at,
            settled_at=row.settled_at,
            looked_at=row.looked_at,
            run_id=row.run_id,
            submitted_by=row.submitted_by,
            incidents=found,
        )

    def names(self) -> tuple[str, ...]:
        """Every rollout ever submitted, oldest first."""
        with self.reading() as tx:
            return tuple(tx.execute(select(rollouts.c.name).order_by(rollouts.c.id)).scalars())

    def commit(
        self,
        transition: Transition,
        evidence: Evidence,
        memory: str | None,
        evidence_version: int,
        refused: Mapping[int, str] | None = None,
        told: Sequence[Bucket] = (),
    ) -> None:
        """Make a transition true: state, journal, evidence, flag, commands and notices, all or nothing.

        `told` is what other sources than the application's events told for this evidence.
        Raises StaleStateError, having written nothing, where rollout, evidence, switch, flag or a command changed since
        they were read.
        """
        try:
            with self.writing() as tx:
                key = self._commit(tx, transition, evidence, memory, evidence_version, refused or {})
                readings.keep(tx, ((key, told),))
        except IntegrityError as error:  # another rollout took the flag
            raise _stale(transition) from error

    def journal(self, name: str) -> tuple[JournalEntry, ...]:
        """Every transition of a rollout, oldest first; raises UnknownError."""
        with self.reading() as tx:
            key = tx.execute(select(rollouts.c.id).where(rollouts.c.name == name)).scalar_one_or_none()
            where = journal.c.rollout_id == key
            entries = () if key is None else tx.execute(select(journal).where(where).order_by(journal.c.revision)).all()
        if key is None:
            raise UnknownError("rollout", name, self.names())
        return tuple(rows.journal_entry(name, row) for row in entries)

    def epochs(self, name: str) -> tuple[Epoch, ...]:
        """What was served when, oldest first: the history by which an outcome finds its cohort. Raises UnknownError."""
        with self.reading() as tx:
            history = epochs(tx, self, name)
        if not history:
            raise UnknownError("rollout", name, self.names())
        return history

    def set_run(self, name: str, run_id: str | None) -> None:
        """Note which Prefect run carries the rollout."""
        with self.writing() as tx:
            tx.execute(rollouts.update().where(rollouts.c.name == name).values(run_id=run_id))

    def _commit(
        self,
        tx: Connection,
        transition: Transition,
        evidence: Evidence,
        memory: str | None,
        evidence_version: int,
        refused: Mapping[int, str],
    ) -> int:
        before, after = transition.before, transition.after
        flag = lock_flag(tx, before.flag)
        row = _read(tx, before.name)
        if flag is None or row is None:
            raise UnknownError("rollout", before.name, ())
        plan = self.parsed(row.digest, row.plan)
        if _read_along(row, plan) != (before.killed, before.flag_taken_by) or not move(tx, plan, transition):
            raise _stale(transition)
        left = self.settle(plan, transition, memory)
        if not _keep_evidence(tx, row.id, evidence, left, evidence_version):
            raise _stale(transition)
        if not mark_done(tx, transition):
            raise _stale(transition)
        mark_refused(tx, refused)
        if transition.plan is not None:
            _amend(tx, row, transition.plan, transition)
        now_plan = transition.plan or plan
        tell(tx, row.id, now_plan, transition, evidence)
        line = transition_line(tx, row.id, transition, self.process, evidence)
        why = Change(transition.at, transition.verb, transition.by, transition.reason, after.revision, self.process)
        if hindered(tx, transition):  # declared since this was decided
            raise _stale(transition)
        serves = {"value": served_json(now_plan, after, after.digest), "rollout": before.name}
        append(tx, self.secrets, (line, change_flag(tx, flag, why, serves | _new_stable(plan, transition))))
        return int(row.id)


def epochs(tx: Connection, plans: Transactions, name: str) -> tuple[Epoch, ...]:
    """The exposure history of a rollout, read in the caller's transaction; empty for an unknown name."""
    row = tx.execute(_SUBMITTED, {"named": name}).one_or_none()
    if row is None:
        return ()
    plan = plans.parsed(row.digest, row.plan)
    found = tx.execute(_SERVED_ANEW, {"of": row.id}).all()
    first = rows.state_from_json(found[0].before).digest if found else row.digest
    starts = [(row.submitted, replace(initial(plan, row.submitted), digest=first))]
    starts += [(line.at, rows.state_from_json(line.after)) for line in found]
    ends = [at for at, _ in starts[1:]] + [None]
    return tuple(
        Epoch(state.epoch, at, until, state, served(plan, state, state.digest))
        for (at, state), until in zip(starts, ends, strict=True)
    )


def _reading() -> Select[Any]:
    other = rollouts.alias("other")
    holder = select(other.c.name).where(
        other.c.flag == rollouts.c.flag, other.c.name != rollouts.c.name, other.c.status.in_(LIVE_NAMES)
    )
    return (
        select(
            *(rollouts.c[name] for name in rows.STATE_COLUMNS),
            *(rollouts.c[name] for name in OTHER_COLUMNS),
            evidences.c.version,
            evidences.c.looked_at,
            evidences.c.memory,
            evidences.c.findings,
            flags.c.switch,
            flags.c.stable.label("flag_stable"),
            flags.c.rollout.label("flag_rollout"),
            holder.limit(1).scalar_subquery().label("holder"),
        )
        .join(evidences, evidences.c.rollout_id == rollouts.c.id)
        .join(flags, flags.c.key == rollouts.c.flag)
        .where(rollouts.c.name == bindparam("named"))
    )


_ONE = _reading()  # built once: putting it together costs as much as running it
_KEEP = evidences.update().where(
    evidences.c.rollout_id == bindparam("of"), evidences.c.version == bindparam("judged_from")
)


_SUBMITTED = select(rollouts).where(rollouts.c.name == bindparam("named"))
_SERVED_ANEW = (
    select(journal.c.at, journal.c.before, journal.c.after)
    .where(journal.c.rollout_id == bindparam("of"), journal.c.epoch == journal.c.revision)
    .order_by(journal.c.revision)
)


def _read(tx: Connection, name: str) -> Any | None:
    return tx.execute(_ONE, {"named": name}).one_or_none()


def _state(row: Any, plan: Plan, incident: Incident | None) -> RolloutState:
    killed, taken_by = _read_along(row, plan)
    return rows.state(row, killed=killed, flag_taken_by=taken_by, incident=incident)


def _read_along(row: Any, plan: Plan) -> tuple[bool, str | None]:
    """The flag's switch, and who has taken the flag from this rollout since."""
    return row.switch == Switch.OFF, row.holder or _successor(row, plan)


def _successor(row: Any, plan: Plan) -> str | None:
    """The later rollout by which an ended one's flag serves something else now."""
    if row.status in LIVE_NAMES or row.flag_rollout == row.name:
        return None
    left = row.settings if row.status == Status.COMPLETED else rows.settings_json(declared_stable(plan))
    return None if left == row.flag_stable else str(row.flag_rollout)


def _keep_evidence(tx: Connection, rollout: int, evidence: Evidence, memory: str | None, version: int) -> bool:
    new = {
        "version": version + 1,
        "looked_at": evidence.at,
        "verdicts": rows.verdicts(evidence.findings),
        "memory": memory,
        "findings": rows.evidence_json(evidence),
    }
    return tx.execute(_KEEP, {"of": rollout, "judged_from": version, **new}).rowcount == 1


def _amend(tx: Connection, row: Any, plan: Plan, transition: Transition) -> None:
    """Put the amended plan in the place of the one before, which is kept: the journal speaks of both."""
    asked = tx.execute(select(commands.c.args).where(commands.c.id == transition.consumes[0])).scalar_one()
    former = {"rollout_id": row.id, "digest": transition.before.digest, "plan": row.plan, "plan_text": row.plan_text}
    known = tx.execute(
        select(former_plans.c.digest).where(
            former_plans.c.rollout_id == row.id, former_plans.c.digest == transition.before.digest
        )
    )
    if known.one_or_none() is None:
        tx.execute(former_plans.insert().values(**former))
    tx.execute(
        rollouts.update()
        .where(rollouts.c.id == row.id)
        .values(
            plan=to_json(plan),
            plan_text=orjson.loads(asked)["text"],
            shape=shape(plan),
            check_every=plan.stop.check_every.timedelta.total_seconds(),
        )
    )


def _new_stable(plan: Plan, transition: Transition) -> dict[str, str]:
    """What the flag serves without a rollout, where this transition changes that."""
    if transition.after.status is Status.COMPLETED:
        return {"stable": rows.settings_json(transition.after.settings)}
    if transition.verb is Verb.ROLLBACK:
        return {"stable": rows.settings_json(declared_stable(plan))}
    return {}


def _stale(transition: Transition) -> StaleStateError:
    return StaleStateError(transition.before.name, transition.before.revision)
