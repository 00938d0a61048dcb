"""Closing buckets: from tallies of events per unit to units at risk, once and for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BindParameter, Connection, and_, bindparam, delete, func, select, text

from plans.load import from_json
from plans.schema import Plan
from plans.timeline import zone
from rollout.counting import MET, numbers, shares
from rollout.model import Bucket, Counts
from state.closing import Counting, Open, Place, Spoiled, Tallies, Tally, closed, day, plain
from state.columns import from_micros, micros
from state.count_tables import bad_units, batches, buckets, met_units, slots, unit_sums, units
from state.given import execute, given, whole
from state.meeting import meet
from state.tables import LIVE_SQL, clocks, rollouts
from state.transactions import Transactions

MOST_ROLLOUTS = 200
MOST_SLOTS = 2_000
DAYS_KEPT = timedelta(days=3)
BATCHES_KEPT = timedelta(days=7)
MOST_RULES = 4_096

_RULES: dict[str, Counting] = {}
"""How plans count, by shape."""


def close_some(store: Transactions, settled: datetime) -> bool:
    """Seal everything before `settled` and close the buckets of some rollouts there; False when none is left."""
    with store.writing() as tx:
        sealed = _seal(tx, settled)
        closing, more = _closing(tx, sealed)
        if closing.keys:
            found = tx.execute(_FOUND, closing._asdict()).all()
            rules = _rules(tx, closing.keys)
            _close(tx, _opened(found, _tallies(tx, _UNITS, closing), _tallies(tx, _SUMS, closing)), rules)
            _tidy(tx, closing)
        if not more:
            _forget(tx, sealed)
    return more


def read_buckets(
    store: Transactions, after: Mapping[int, tuple[datetime, int] | None]
) -> dict[int, tuple[Bucket, ...]]:
    """Closed buckets behind each rollout's cursor, in order."""
    cursors = [[key, *_place(cursor)] for key, cursor in after.items()]
    found: defaultdict[int, list[Bucket]] = defaultdict(list)
    with store.reading() as tx:
        for row in execute(tx, _AFTER, cursors):
            found[row.rollout_id].append(bucket_of(row))
    return {key: tuple(found[key]) for key in after}


def _place(cursor: tuple[datetime, int] | None) -> tuple[int, int]:
    return (-1, -1) if cursor is None else (micros(cursor[0]), cursor[1])


_AFTER = given(
    f"SELECT b.* FROM {{rows}} JOIN bucket b ON b.rollout_id = {whole(0)} "  # noqa: S608 - ours
    f"AND b.start >= {whole(1)} AND (b.start > {whole(1)} OR b.epoch > {whole(2)}) "
    "ORDER BY b.rollout_id, b.start, b.epoch"
)


def bucket_of(row: Any) -> Bucket:
    """The bucket that a row keeps, read as it lies there: instants are microseconds."""
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
    tx.execute(_SEAL, {"settled": settled, "sealed_until": settled})
    sealed: datetime = tx.execute(_SEALED).scalar_one()
    return sealed


class _Which(NamedTuple):
    """The slots to close now: those of some rollouts that end by `last`."""

    keys: Sequence[int]
    last: datetime


def _closing(tx: Connection, sealed: datetime) -> tuple[_Which, bool]:
    """What to close now, the oldest of some rollouts and whole buckets only; and whether more is left after that."""
    waiting = tx.execute(_WAITING, {"sealed": sealed}).all()
    keys = [row.rollout_id for row in waiting]
    last = None
    if sum(row.slots for row in waiting) > MOST_SLOTS:
        last = tx.execute(_LATER, {"keys": keys, "last": sealed}).scalar_one_or_none()
    more = len(keys) == MOST_ROLLOUTS or (last is not None and last < sealed)
    return _Which(keys, sealed if last is None else last), more


def _rules(tx: Connection, keys: Sequence[int]) -> dict[int, Counting]:
    """How the rollouts count; the plan is read once for all plans of one shape."""
    shapes = {row.id: row.shape for row in tx.execute(_SHAPES, {"keys": keys})}
    rules = {shape: _RULES.get(shape) for shape in shapes.values()}
    unread = {shape: key for key, shape in shapes.items() if rules[shape] is None}
    for row in tx.execute(_PLANS, {"keys": list(unread.values())}) if unread else ():
        rules[row.shape] = _counting(from_json(row.plan))
    if len(_RULES) + len(unread) > MOST_RULES:
        _RULES.clear()
    _RULES.update(known := {shape: rule for shape, rule in rules.items() if rule is not None})
    return {key: known[shape] for key, shape in shapes.items()}


def _counting(plan: Plan) -> Counting:
    return Counting(shares(plan), numbers(plan), zone(plan))


def _tallies(tx: Connection, query: Any, closing: _Which) -> dict[int, dict[int, int]]:
    """What is kept per unit, by slot: events, or the sums of their values."""
    tallies: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for slot, unit, number in tx.execute(query, closing._asdict()).all():
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


def _close(tx: Connection, opened: Sequence[Open], rules: Mapping[int, Counting]) -> None:
    """Count the buckets in their order and write their rows, with the units that turned bad in them."""
    spoiled = _spoiled(tx, opened, rules)
    met = meet(tx, opened, rules)
    counts = [closed(one, rules[one.rollout], spoiled) for one in opened]
    for one, counted in zip(opened, counts, strict=True):
        if one.key in met:
            counted[MET] = plain(*met[one.key])
    if spoiled.turned:
        tx.execute(_TURN, [{**place._asdict(), "unit": unit} for place, unit in spoiled.turned])
    tx.execute(_INSERT, [_row(one, counted) for one, counted in zip(opened, counts, strict=True)])


def _spoiled(tx: Connection, opened: Iterable[Open], rules: Mapping[int, Counting]) -> Spoiled:
    """Who was bad already on the days of the buckets."""
    days = {(one.rollout, day(one, rules[one.rollout]).isoformat()) for one in opened}
    rows = tx.execute(_SPOILED, {"keys": [key for key, _ in days], "days": sorted({day for _, day in days})})
    return Spoiled((Place(*place), unit) for *place, unit in rows)


def _row(opened: Open, counts: Mapping[str, list[float]]) -> dict[str, Any]:
    named = opened._asdict()
    named["rollout_id"] = named.pop("rollout")
    del named["tallies"], named["sums"]
    return named | {"counts": orjson.dumps(counts).decode()}


def _tidy(tx: Connection, closing: _Which) -> None:
    """Drop the tallies of closed buckets, and units of days gone by."""
    for rows in (_DROP_UNITS, _DROP_SUMS, _DROP_SLOTS):
        tx.execute(rows, closing._asdict())
    tx.execute(_DROP_SPOILED, {"keys": closing.keys, "day": (closing.last - DAYS_KEPT).date().isoformat()})


def _forget(tx: Connection, sealed: datetime) -> None:
    """Drop old batch ids, and the units of rollouts that ended lately: nobody joins them any more."""
    tx.execute(_DROP_BATCHES, {"at": sealed - BATCHES_KEPT})
    tx.execute(_DROP_MET, {"since": sealed - DAYS_KEPT})


_SEAL = clocks.update().where(clocks.c.sealed_until < bindparam("settled"))
_SEALED = select(clocks.c.sealed_until).with_for_update()
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_ENDED = slots.c.until <= bindparam("sealed")
_HERE = and_(slots.c.rollout_id.in_(_KEYS), slots.c.until <= bindparam("last"))
_OURS = select(slots.c.id).where(_HERE)
_WAITING = (
    select(slots.c.rollout_id, func.count().label("slots"))
    .where(_ENDED)
    .group_by(slots.c.rollout_id)
    .order_by(slots.c.rollout_id)
    .limit(MOST_ROLLOUTS)
)
_LATER = select(slots.c.until).where(_HERE).order_by(slots.c.until).offset(MOST_SLOTS).limit(1)
_FOUND = select(slots).where(_HERE)
_UNITS = select(units).where(units.c.slot.in_(_OURS))
_SUMS = select(unit_sums).where(unit_sums.c.slot.in_(_OURS))
_SHAPES = select(rollouts.c.id, rollouts.c.shape).where(rollouts.c.id.in_(_KEYS))
_PLANS = select(rollouts.c.shape, rollouts.c.plan).where(rollouts.c.id.in_(_KEYS))
_SPOILED = select(bad_units).where(
    bad_units.c.rollout_id.in_(_KEYS), bad_units.c.day.in_(bindparam("days", expanding=True))
)
_TURN = bad_units.insert()
_INSERT = buckets.insert()
_DROP_UNITS = delete(units).where(units.c.slot.in_(_OURS))
_DROP_SUMS = delete(unit_sums).where(unit_sums.c.slot.in_(_OURS))
_DROP_SLOTS = delete(slots).where(_HERE)
_DROP_SPOILED = delete(bad_units).where(bad_units.c.rollout_id.in_(_KEYS), bad_units.c.day < bindparam("day"))
_DROP_BATCHES = delete(batches).where(batches.c.at < bindparam("at"))
_DROP_MET = delete(met_units).where(
    met_units.c.rollout_id.in_(
        select(rollouts.c.id).where(text(f"NOT ({LIVE_SQL})"), rollouts.c.since > bindparam("since"))
    )
)
