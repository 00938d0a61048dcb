"""Closing buckets: from tallies of events per unit to units at risk, once and for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, text

from plans.load import from_json
from plans.timeline import zone
from rollout.counting import numbers, shares
from rollout.model import Bucket, Counts
from state.closing import Closing, Counting, Open, Tallies, Tally
from state.columns import from_micros, micros
from state.count_tables import bad_units, batches, buckets, met_units, slots, unit_sums, units
from state.tables import LIVE_SQL, clocks, rollouts
from state.transactions import Transactions

MOST_ROLLOUTS = 200
MOST_SLOTS = 2_000
DAYS_KEPT = timedelta(days=3)
BATCHES_KEPT = timedelta(days=7)


def close_some(store: Transactions, settled: datetime) -> bool:
    """Seal everything before `settled` and close the buckets of some rollouts there; False when none was left."""
    with store.writing() as tx:
        sealed = _seal(tx, settled)
        closing = _closing(tx, sealed)
        if closing is None:
            _forget(tx, sealed)
            return False
        found = tx.execute(select(slots).where(closing)).all()
        rules = _rules(tx, {row.rollout_id for row in found})
        for opened in _opened(found, _tallies(tx, units, closing), _tallies(tx, unit_sums, closing)):
            _close(tx, opened, rules[opened.rollout])
        _tidy(tx, closing, list(rules), sealed)
    return True


def read_buckets(
    store: Transactions, after: Mapping[int, tuple[datetime, int] | None]
) -> dict[int, tuple[Bucket, ...]]:
    """Closed buckets behind each rollout's cursor, in order."""
    cursors = [[key, *_place(cursor)] for key, cursor in after.items()]
    found: defaultdict[int, list[Bucket]] = defaultdict(list)
    with store.reading() as tx:
        query = _AFTER[tx.dialect.name]
        for row in tx.execute(query, {"cursors": orjson.dumps(cursors).decode()}):
            found[row.rollout_id].append(_bucket(row))
    return {key: tuple(found[key]) for key in after}


def _place(cursor: tuple[datetime, int] | None) -> tuple[int, int]:
    return (-1, -1) if cursor is None else (micros(cursor[0]), cursor[1])


def _after(rows: str) -> Any:
    return text(
        f"SELECT b.* FROM {rows} JOIN bucket b ON b.rollout_id = CAST(c.value ->> 0 AS BIGINT) "  # noqa: S608 - ours
        "AND b.start >= CAST(c.value ->> 1 AS BIGINT) "
        "AND (b.start > CAST(c.value ->> 1 AS BIGINT) OR b.epoch > CAST(c.value ->> 2 AS BIGINT)) "
        "ORDER BY b.rollout_id, b.start, b.epoch"
    )


_AFTER = {
    "sqlite": _after("json_each(:cursors) AS c"),
    "postgresql": _after("jsonb_array_elements(CAST(:cursors AS jsonb)) AS c(value)"),
}


def _bucket(row: Any) -> Bucket:
    return Bucket(
        start=from_micros(row.start),
        end=from_micros(row.until),
        epoch=row.epoch,
        phase=row.phase,
        exposure=row.exposure,
        settings_epoch=row.settings_epoch,
        counts={
            metric: (Counts(*numbers[0:2], *numbers[4:6]), Counts(*numbers[2:4], *numbers[6:8]))
            for metric, numbers in orjson.loads(row.counts).items()
        },
    )


def _seal(tx: Connection, settled: datetime) -> datetime:
    """Say that nothing before `settled` is open any more; held alone until the transaction ends."""
    tx.execute(clocks.update().where(clocks.c.sealed_until < settled).values(sealed_until=settled))
    sealed: datetime = tx.execute(select(clocks.c.sealed_until).with_for_update()).scalar_one()
    return sealed


def _closing(tx: Connection, sealed: datetime) -> ColumnElement[bool] | None:
    """Which slots to close now: the oldest of some rollouts, whole buckets only; None where none is left."""
    ended = slots.c.until <= sealed
    some = select(slots.c.rollout_id).where(ended).distinct().order_by(slots.c.rollout_id).limit(MOST_ROLLOUTS)
    here = slots.c.rollout_id.in_(keys := tx.execute(some).scalars().all())
    if not keys:
        return None
    later = select(slots.c.until).where(ended, here).order_by(slots.c.until).offset(MOST_SLOTS).limit(1)
    last = tx.execute(later).scalar_one_or_none()
    return and_(here, slots.c.until <= (sealed if last is None else last))


def _rules(tx: Connection, keys: Iterable[int]) -> dict[int, Counting]:
    query = select(rollouts.c.id, rollouts.c.shape, rollouts.c.plan).where(rollouts.c.id.in_(keys))
    return {row.id: _counting(_Shaped(row.shape, row.plan)) for row in tx.execute(query)}


class _Shaped:
    """A plan as a cache key: plans of one shape count alike."""

    __slots__ = ("plan", "shape")

    def __init__(self, shape: str, plan: str) -> None:
        self.shape, self.plan = shape, plan

    def __hash__(self) -> int:
        return hash(self.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shaped) and other.shape == self.shape


@lru_cache(maxsize=4096)
def _counting(shaped: _Shaped) -> Counting:
    plan = from_json(shaped.plan)
    shaped.plan = ""
    return Counting(shares(plan), numbers(plan), zone(plan))


def _tallies(tx: Connection, rows: Table, closing: ColumnElement[bool]) -> dict[int, dict[int, int]]:
    """What is kept per unit, by slot: events, or the sums of their values."""
    tallies: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for slot, unit, number in tx.execute(select(rows).where(rows.c.slot.in_(select(slots.c.id).where(closing)))):
        tallies[slot][unit] = number
    return tallies


def _opened(found: Sequence[Any], tallies: Mapping[int, Tally], sums: Mapping[int, Tally]) -> list[Open]:
    """The buckets of the slots, in order; those that an epoch's end overtook become one at that end."""
    gathered: defaultdict[tuple[int, datetime, int], list[Any]] = defaultdict(list)
    for row in found:
        gathered[row.rollout_id, min(row.start, row.until), row.epoch].append(row)
    return [_gather(key, gathered[key], tallies, sums) for key in sorted(gathered)]


def _gather(
    key: tuple[int, datetime, int], found: Sequence[Any], tallies: Mapping[int, Tally], sums: Mapping[int, Tally]
) -> Open:
    last = max(found, key=attrgetter("until"))
    both = _merged(found, tallies), _merged(found, sums)
    return Open(*key, last.until, last.phase, last.exposure, last.settings_epoch, *both)


def _merged(found: Sequence[Any], tallies: Mapping[int, Tally]) -> Tallies:
    merged: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for row in found:
        tally = merged[row.cohort, row.event]
        for unit, number in tallies.get(row.id, {}).items():
            tally[unit] = tally.get(unit, 0) + number
    return merged


def _close(tx: Connection, opened: Open, counting: Counting) -> None:
    closing = Closing(tx, opened, counting)
    for share in counting.shares:
        closing.share(share)
    for number in counting.numbers:
        closing.number(number)
    if closing.turned:
        tx.execute(bad_units.insert(), closing.turned)
    closing.met(counting)
    tx.execute(buckets.insert().values(**_columns(opened), counts=orjson.dumps(closing.counts).decode()))


def _columns(opened: Open) -> dict[str, Any]:
    named = opened._asdict()
    named["rollout_id"] = named.pop("rollout")
    del named["tallies"], named["sums"]
    return named


def _tidy(tx: Connection, closed: ColumnElement[bool], keys: Sequence[int], sealed: datetime) -> None:
    """Drop the tallies of closed buckets, units of days gone by, and old batch ids."""
    for rows in (units, unit_sums):
        tx.execute(delete(rows).where(rows.c.slot.in_(select(slots.c.id).where(closed))))
    tx.execute(delete(slots).where(closed))
    gone = bad_units.c.day < (sealed - DAYS_KEPT).date().isoformat()
    tx.execute(delete(bad_units).where(bad_units.c.rollout_id.in_(keys), gone))
    tx.execute(delete(batches).where(batches.c.at < sealed - BATCHES_KEPT))


def _forget(tx: Connection, sealed: datetime) -> None:
    """Drop the units of rollouts that ended lately: nobody joins them any more."""
    ended = select(rollouts.c.id).where(text(f"NOT ({LIVE_SQL})"), rollouts.c.since > sealed - DAYS_KEPT)
    tx.execute(delete(met_units).where(met_units.c.rollout_id.in_(ended)))
