"""What is counted: distinct units at risk, bucket by bucket, so that one unit's burst is one event.

In a bucket, the units at risk of a metric are those with an `of` event that did not turn bad earlier that day; the bad
ones are those of them that turn bad in it. A bad unit is not at risk again until the next day. This keeps the rate that
the statistics assume: bad units per unit at risk, whatever the number of events a unit sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from plans.conditions import Condition
from plans.schema import Metric, Plan
from rollout.model import Bucket, Counts

EVENTS = "events"
QUANTILES = frozenset({"p50", "p90", "p95", "p99"})
TOTAL = "total"
MILLIONTH = 1_000_000  # sums are kept in whole millionths, so that the order of arrival changes nothing
LARGEST = 1e9
MET = "units met"  # of a bucket's counts: units heard of for the first time in the phase; no metric has such a name
BITS = 2**64 - 1

Unit = TypeVar("Unit")


@dataclass(frozen=True, slots=True)
class Share:
    """A metric as two event names; `good` says that the marking event means well."""

    metric: str
    of: str
    mark: str
    good: bool


@dataclass(frozen=True, slots=True)
class Number:
    """A metric as an event with a value; `limits` are those that quantiles are held against, `total` is asked for."""

    metric: str
    event: str
    limits: tuple[float, ...]
    total: bool


def numbers(plan: Plan) -> tuple[Number, ...]:
    """The plan's metrics that are numbers in the application's own events."""
    asked: dict[str, list[Condition]] = {}
    for condition in _conditions(plan):
        asked.setdefault(condition.metric, []).append(condition)
    return tuple(
        Number(
            name,
            metric.value,
            tuple(sorted({one.target.value for one in asked.get(name, ()) if one.aggregate in QUANTILES})),
            any(one.aggregate == TOTAL for one in asked.get(name, ())),
        )
        for name, metric in plan.metrics.items()
        if metric.source == EVENTS and metric.value is not None
    )


def shares(plan: Plan) -> tuple[Share, ...]:
    """The plan's metrics that are shares of the application's own events."""
    found = ((name, metric, _mark(metric)) for name, metric in plan.metrics.items() if metric.source == EVENTS)
    return tuple(Share(name, metric.of, mark, metric.bad is None) for name, metric, mark in found if mark is not None)


def past_key(metric: str, limit: float) -> str:
    """Under which name buckets count the units whose number lies past a limit; no metric can have such a name."""
    return f"{metric} > {limit!r}"


def total_key(metric: str) -> str:
    """Under which name buckets count the plain sum of a number."""
    return f"{TOTAL}({metric})"


def event_names(plan: Plan) -> frozenset[str]:
    """Every event that the plan's metrics name."""
    metrics = [metric for metric in plan.metrics.values() if metric.source == EVENTS]
    return frozenset(name for metric in metrics for name in (metric.of, metric.bad, metric.good, metric.value) if name)


def at_risk(
    share: Share, of: Mapping[Unit, int], marked: Mapping[Unit, int], spoiled: AbstractSet[Unit]
) -> tuple[Counts, frozenset[Unit]]:
    """One bucket's counts of one cohort, and the units that turned bad in it.

    `of` and `marked` are events per unit in the bucket, `spoiled` the units that turned bad earlier that day. A bad
    event without its `of` event counts in both; by a `good` metric a unit is bad that had more `of` events than good.
    """
    if share.good:
        bad = frozenset(unit for unit, asked in of.items() if asked > marked.get(unit, 0) and unit not in spoiled)
        total = len(of.keys() - spoiled)
    else:
        bad = frozenset(marked.keys() - spoiled)
        total = len((of.keys() | marked.keys()) - spoiled)
    return Counts(len(bad), total), bad


def joined(buckets: Iterable[Bucket]) -> tuple[Bucket, ...]:
    """One bucket for each place, with the counts of all that were given for it, in order."""
    found: dict[tuple[datetime, int], Bucket] = {}
    for bucket in buckets:
        place = bucket.start, bucket.epoch
        known = found.get(place)
        found[place] = replace(known, counts={**known.counts, **bucket.counts}) if known else bucket
    return tuple(found[place] for place in sorted(found))


def drawn(of: Mapping[Unit, int], past: Mapping[Unit, int], lots: Mapping[Unit, float]) -> dict[Unit, int]:
    """The units of whose events one, drawn by lot, lies past a limit: of many quick answers one slow is not all slow.

    `past` are events past the limit per unit, of those in `of`; `lots` are numbers from 0 to 1, equal for equal units.
    """
    return {unit: 1 for unit, events in past.items() if events > lots[unit] * of[unit]}


def summed(of: Mapping[int, int], millionths: Mapping[int, int]) -> Counts:
    """One bucket's numbers of one cohort: each unit counts once, with the mean of its values."""
    means = [millionths[unit] / MILLIONTH / events for unit, events in sorted(of.items())]
    return Counts(0, len(means), sum(means), sum(mean * mean for mean in means))


def totalled(millionths: Mapping[int, int]) -> Counts:
    """One bucket's plain sum of one cohort."""
    return Counts(0, len(millionths), sum(millionths.values()) / MILLIONTH)


def lot(unit: int, at: int) -> float:
    """A number from 0 to 1 that belongs to a unit (64 bits) and a bucket, evenly spread (splitmix64's finaliser)."""
    mixed = (unit + at * 0x9E3779B97F4A7C15) & BITS
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = ((mixed ^ (mixed >> shift)) * factor) & BITS
    return (mixed ^ (mixed >> 31)) / 2**64


def _conditions(plan: Plan) -> Iterator[Condition]:
    """The conditions that can name a part of a number: a tree's limits name a metric alone."""
    yield from (criterion.when for criterion in plan.stop.criteria)
    for phase in plan.phases:
        if phase.decide is not None:
            decide = phase.decide
            yield from (condition for condition in (decide.ship, decide.revert, decide.ask) if condition is not None)


def _mark(metric: Metric) -> str | None:
    return metric.bad or metric.good
