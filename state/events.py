"""The embedded source `events`: outcomes in, closed buckets out.

Outcomes are tallied per unit in the bucket of the moment they speak of. A bucket is closed once all its outcomes can
have arrived; only then are units at risk counted, so that the order of arrival changes nothing. One row of the store
says how far buckets are sealed: writers of outcomes share it, whoever closes buckets holds it alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, text

from rollout.counting import MILLIONTH
from rollout.model import Bucket
from state.buckets import close_some, read_buckets
from state.clock import Time
from state.columns import Micros, micros
from state.count_tables import seen_events
from state.given import Statement, execute, given, whole
from state.outcomes import Arrival, Course, Odd, Outcome, Receipt, Refusal, Slot, Unheard
from state.store import Store
from state.tables import clocks, flags, rollouts
from state.transitions import epochs

Cursor = tuple[datetime, int] | None
Tallies = Mapping[Slot, Mapping[int, int]]

ADD_SLOT = text(
    "INSERT INTO slot (rollout_id, start, epoch, until, phase, exposure, settings_epoch, cohort, event) "
    "VALUES (:rollout, :start, :epoch, :until, :phase, :exposure, :settings_epoch, :cohort, :event) "
    "ON CONFLICT (rollout_id, start, epoch, cohort, event) DO UPDATE SET phase = excluded.phase RETURNING id"
)
ADD_SEEN = text("INSERT INTO seen_event (flag, event) VALUES (:flag, :event) ON CONFLICT DO NOTHING")
ADD_BATCH = text("INSERT INTO batch (id, at) VALUES (:id, :at) ON CONFLICT DO NOTHING RETURNING id").bindparams(
    bindparam("at", type_=Micros)
)
_SEALED = select(clocks.c.sealed_until).with_for_update(read=True)
_FLAGS = (
    select(flags.c.key, flags.c.version, flags.c.rollout)
    .where(flags.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(flags.c.key)
    .with_for_update(read=True)
)
_ROLLOUT = select(rollouts.c.id, rollouts.c.digest, rollouts.c.plan).where(rollouts.c.name == bindparam("named"))


class Batch(NamedTuple):
    """Outcomes sent together; a batch with an `id` is counted once however often it comes."""

    outcomes: Sequence[Outcome]
    id: str | None = None


class Events:
    """Outcomes of one store, counted on one clock. Not for several threads at once: group batches instead."""

    def __init__(self, store: Store, clock: Time) -> None:
        self._store = store
        self._clock = clock
        self._courses: dict[str, Course] = {}
        self._slots: dict[Slot, int] = {}
        self._seen: set[tuple[str, str]] = set()

    def ingest(self, batch: Batch) -> Receipt:
        """Take one batch; the receipt is true once this returns."""
        return self.ingest_all((batch,))[0]

    def ingest_all(self, group: Sequence[Batch]) -> list[Receipt]:
        """Take many batches in one transaction, in their order, with a receipt for each."""
        now = self._clock.now()
        made: dict[Slot, int] = {}
        with self._store.writing() as tx:
            arrival = self._arrival(tx, now)
            self._follow(tx, {outcome.flag for batch in group for outcome in batch.outcomes})
            entry = _Entry(self._courses, arrival)
            receipts = [self._receive(tx, entry, batch, now) for batch in group]
            made = self._write(tx, entry)
        self._slots |= made
        self._seen |= entry.seen
        return receipts

    def close(self, now: datetime) -> None:
        """Count and close every bucket whose outcomes have all arrived, in short transactions."""
        settled = self._clock.settled(now)
        while close_some(self._store, settled):
            pass
        self._slots = {slot: key for slot, key in self._slots.items() if slot.until > micros(settled)}

    def buckets(self, after: Mapping[int, Cursor], now: datetime) -> dict[int, tuple[Bucket, ...]]:
        """Closed buckets of the rollouts, by id, that lie behind each one's cursor (start, epoch), in order.

        Buckets in which nothing happened do not exist.
        """
        self.close(now)
        return read_buckets(self._store, after)

    def seen(self, keys: Collection[str]) -> dict[str, frozenset[str]]:
        """Every event name that applications ever sent for each of the flags, of those that its plans name."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        with self._store.reading() as tx:
            for flag, event in tx.execute(select(seen_events.c.flag, seen_events.c.event)):
                found[flag].add(event)
        return {key: frozenset(found[key]) for key in keys}

    def _arrival(self, tx: Connection, now: datetime) -> Arrival:
        """Read how far buckets are sealed, and keep it so until the transaction ends."""
        sealed = tx.execute(_SEALED).scalar_one()
        return Arrival(micros(now), micros(now + self._clock.ahead()), micros(sealed))

    def _follow(self, tx: Connection, keys: Collection[str]) -> None:
        """Bring what is known of the flags up to date; their rollouts cannot move before the transaction ends."""
        for row in tx.execute(_FLAGS, {"keys": list(keys)}).all():
            known = self._courses.get(row.key)
            if known is None or known.version != row.version:
                self._courses[row.key] = self._course(tx, row)

    def _course(self, tx: Connection, row: Any) -> Course:
        rollout = tx.execute(_ROLLOUT, {"named": row.rollout}).one()
        plan = self._store.parsed(rollout.digest, rollout.plan)
        return Course(row.version, rollout.id, plan, epochs(tx, self._store, row.rollout))

    def _receive(self, tx: Connection, entry: _Entry, batch: Batch, now: datetime) -> Receipt:
        if batch.id is not None and self._known(tx, batch.id, now):
            return Receipt(duplicates=len(batch.outcomes))
        return entry.take(batch.outcomes)

    def _known(self, tx: Connection, batch: str, now: datetime) -> bool:
        return tx.execute(ADD_BATCH, {"id": batch, "at": now}).scalar_one_or_none() is None

    def _write(self, tx: Connection, entry: _Entry) -> dict[Slot, int]:
        made = {slot: self._slots.get(slot) or _add_slot(tx, slot) for slot in entry.tally}
        _add(tx, ADD_UNITS, made, entry.tally)
        _add(tx, ADD_SUMS, made, entry.sums)
        if unheard := entry.seen - self._seen:
            tx.execute(ADD_SEEN, [{"flag": flag, "event": event} for flag, event in sorted(unheard)])
        return made


class _Entry:
    """What one transaction of outcomes will write."""

    def __init__(self, courses: Mapping[str, Course], arrival: Arrival) -> None:
        self._courses = courses
        self._arrival = arrival
        self.tally: defaultdict[Slot, Counter[int]] = defaultdict(Counter)
        self.sums: defaultdict[Slot, Counter[int]] = defaultdict(Counter)
        self.seen: set[tuple[str, str]] = set()

    def take(self, outcomes: Sequence[Outcome]) -> Receipt:
        """Tally outcomes and say what became of them."""
        refused: list[Refusal] = []
        unheard: dict[str, Unheard] = {}
        late = 0
        for index, outcome in enumerate(outcomes):
            course = self._courses.get(outcome.flag)
            objection = f"unknown flag {outcome.flag!r}" if course is None else course.objection(outcome, self._arrival)
            if course is None or objection is not None:
                refused.append(Refusal(index, objection or ""))
                continue
            placed = course.place(outcome, self._arrival)
            if placed is Odd.UNHEARD:
                unheard[outcome.event] = Unheard(outcome.event, course.nearest(outcome.event))
                continue
            self.seen.add((outcome.flag, outcome.event))
            if placed is Odd.LATE:
                late += 1
            elif not isinstance(placed, Odd):
                slot, unit = placed
                self.tally[slot][unit] += 1
                if outcome.event in course.limits:
                    self._measure(course, outcome, slot, unit)
        return Receipt(len(outcomes) - late - len(refused), 0, late, tuple(refused), tuple(unheard.values()))

    def _measure(self, course: Course, outcome: Outcome, slot: Slot, unit: int) -> None:
        """Add a number to its unit's sum, and to the counts of the limits that it lies past."""
        self.sums[slot][unit] += round((outcome.value or 0.0) * MILLIONTH)
        for name in course.past(outcome):
            self.tally[slot._replace(event=name)][unit] += 1


def _add(tx: Connection, statement: Statement, made: Mapping[Slot, int], tallies: Tallies) -> None:
    """Add what each unit has of each slot to what it had, in one statement."""
    lines = [(made[slot], unit, number) for slot, tally in tallies.items() for unit, number in tally.items()]
    if lines:
        execute(tx, statement, lines)


def _adding(table: str, column: str) -> Statement:
    """Units are the hot rows, thousands a transaction: they go in as one parameter."""
    return given(
        f"INSERT INTO {table} (slot, unit, {column}) "  # noqa: S608 - ours
        f"SELECT {whole(0)}, {whole(1)}, {whole(2)} "
        "FROM {rows} WHERE true "
        f"ON CONFLICT (slot, unit) DO UPDATE SET {column} = {table}.{column} + excluded.{column}"
    )


ADD_UNITS = _adding("unit", "events")
ADD_SUMS = _adding("unit_sum", "millionths")


def _add_slot(tx: Connection, slot: Slot) -> int:
    return int(tx.execute(ADD_SLOT, slot._asdict() | {"cohort": str(slot.cohort)}).scalar_one())
