"""All live rollouts at once: light rows out, quiet evidence of many back in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from plans.schema import Plan
from rollout.incidents import Incident, latest
from rollout.model import Bucket, Evidence, Status
from rollout.notices import Notice
from state import readings, rows
from state.incidents import about, incidents
from state.journaling import post
from state.rows import Live
from state.tables import Switch, evidences, flags, incident_journal, live, rollouts
from state.transactions import Transactions

PAGE = 2_000
WATCHED = frozenset({Status.RUNNING, Status.AWAITING_APPROVAL, Status.HELD})

_keep = (
    evidences.update()
    .where(evidences.c.rollout_id == bindparam("id"))
    .values(
        version=evidences.c.version + 1,
        looked_at=bindparam("at"),
        verdicts=bindparam("seen"),
        memory=bindparam("remembered"),
        findings=bindparam("found"),
    )
)
_settle = (
    rollouts.update()
    .where(rollouts.c.id == bindparam("key"), rollouts.c.revision == bindparam("decided_on"))
    .values(due_at=bindparam("due"), settled_at=bindparam("settled"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A whole pass at `at` found nothing more to do now; `due_at` is when the schedule acts next."""

    at: datetime
    revision: int
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found, for a rollout that it does not move.

    `told` is what other sources than the application's events told for it. `settled` is given by a pass that also
    decided on the schedule, and left out by one that only judged.
    """

    id: int
    name: str
    evidence_version: int
    evidence: Evidence
    memory: str | None
    told: Sequence[Bucket] = ()
    notices: Sequence[Notice] = ()
    settled: Settled | None = None


class Sweep(Transactions):
    """The guard's view: many rollouts, few statements, no plan parsed twice."""

    def live(self, after: int = 0, limit: int | None = None) -> tuple[Live, ...]:
        """Live rollouts in the order of their ids, from the one after `after`."""
        with self.reading() as tx:
            found = tx.execute(_live(after, limit)).all()
            declared = _declared(tx, found)
        return tuple(_light(row, declared) for row in found)

    def due_for_look(
        self, now: datetime, *, shard: int = 0, shards: int = 1, page: int = PAGE
    ) -> Iterator[tuple[Live, ...]]:
        """Live rollouts whose `check_every` has passed, or whose next step is due and not settled, a page at a time."""
        after = 0
        while True:
            with self.reading() as tx:
                found = tx.execute(_live(after, page).where(rollouts.c.id % shards == shard)).all()
                declared = _declared(tx, found)
            if not found:
                return
            after = found[-1].id
            if due := tuple(_light(row, declared) for row in found if _is_due(row, now)):
                yield due

    def look(self, looks: Iterable[Look]) -> tuple[str, ...]:
        """Keep the evidence of quiet rollouts, all in one transaction; gives the names of those that moved meanwhile.

        Their evidence is dropped: what moved them is newer, and the same buckets are judged again at the next look.
        """
        ordered = sorted(looks, key=lambda look: look.id)
        if not ordered:
            return ()
        with self.writing() as tx:
            versions = _versions(tx, ordered)
            kept = [look for look in ordered if versions.get(look.id) == look.evidence_version]
            if kept:
                _write(tx, kept)
        won = {look.id for look in kept}
        return tuple(look.name for look in ordered if look.id not in won)

    def pulse(self) -> str:
        """A word that changes with every step, look, switch and incident: what a page that follows them compares."""
        with self.reading() as tx:
            return ".".join(str(number) for number in tx.execute(_PULSE).one())

    def plan_of(self, live: Live) -> Plan:
        """The plan of a light row, parsed once and kept for a while."""
        return self.plan(live.digest)


_PULSE = select(
    select(func.coalesce(func.sum(rollouts.c.revision + 1), 0)).scalar_subquery(),
    select(func.coalesce(func.sum(evidences.c.version), 0)).scalar_subquery(),
    select(func.coalesce(func.sum(flags.c.version), 0)).scalar_subquery(),
    select(func.count()).select_from(incident_journal).scalar_subquery(),
)


def _declared(tx: Connection, found: Sequence[Any]) -> tuple[Incident, ...]:
    """The incidents that any of the rollouts may have met."""
    return incidents(tx, min(row.submitted for row in found)) if found else ()


def _live(after: int, limit: int | None) -> Select[Any]:
    query = (
        select(
            *(rollouts.c[name] for name in rows.STATE_COLUMNS),
            *(rollouts.c[name] for name in ("id", "shape", "check_every", "due_at", "settled_at", "run_id")),
            *(evidences.c[name] for name in ("version", "verdicts", "memory", "findings", "looked_at")),
            flags.c.switch,
        )
        .join(evidences, evidences.c.rollout_id == rollouts.c.id)
        .join(flags, flags.c.key == rollouts.c.flag)
        .where(rollouts.c.id > after, live)
        .order_by(rollouts.c.id)
    )
    return query if limit is None else query.limit(limit)


def _is_due(row: Any, now: datetime) -> bool:
    unsettled = row.settled_at is None or row.due_at is None or row.settled_at < row.due_at
    if row.due_at is not None and row.due_at <= now and unsettled:
        return True
    if row.status not in WATCHED:
        return False
    return row.looked_at is None or row.looked_at + timedelta(seconds=row.check_every) <= now


def _light(row: Any, declared: Sequence[Incident]) -> Live:
    """By position, because naming 35 columns ten thousand times is what a sweep would spend its time on."""
    (
        *_,
        id_,
        shape,
        check_every,
        due_at,
        settled_at,
        run_id,
        version,
        verdicts,
        memory,
        findings,
        looked_at,
        switch,
    ) = row
    found = about(declared, row.flag, row.submitted) if declared else ()
    return Live(
        id=id_,
        shape=shape,
        state=rows.state(row, killed=switch == Switch.OFF, incident=latest(found)),
        memory=memory,
        evidence_version=version,
        verdicts=verdicts,
        findings=findings,
        looked_at=looked_at,
        due_at=due_at,
        settled_at=settled_at,
        check_every=check_every,
        run_id=run_id,
        incidents=found,
    )


def _versions(tx: Connection, looks: Sequence[Look]) -> dict[int, int]:
    """The versions now, held until the transaction ends; rollouts before evidence, as `commit` locks them."""
    for look in looks:
        if look.settled is not None:
            settled = [_settled(other, other.settled) for other in looks if other.settled is not None]
            tx.execute(_settle, settled)
            break
    between = evidences.c.rollout_id.between(looks[0].id, looks[-1].id)
    query = select(evidences.c.rollout_id, evidences.c.version).where(between).order_by(evidences.c.rollout_id)
    return {row.rollout_id: row.version for row in tx.execute(query.with_for_update())}


def _settled(look: Look, settled: Settled) -> dict[str, Any]:
    return {"key": look.id, "decided_on": settled.revision, "due": settled.due_at, "settled": settled.at}


def _write(tx: Connection, looks: Sequence[Look]) -> None:
    tx.execute(_keep, [_columns(look) for look in looks])
    readings.keep(tx, ((look.id, look.told) for look in looks if look.told))
    for look in looks:
        if look.notices and look.evidence.at is not None:
            post(tx, look.id, f"e{look.evidence_version + 1}", 0, look.evidence.at, look.notices)


def _columns(look: Look) -> dict[str, Any]:
    return {
        "id": look.id,
        "at": look.evidence.at,
        "seen": rows.verdicts(look.evidence.findings),
        "remembered": look.memory,
        "found": rows.evidence_json(look.evidence),
    }
