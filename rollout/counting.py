"""What is counted: distinct units at risk, bucket by bucket, so that one unit's burst is one event.

In a bucket, the units at risk of a metric are those with an `of` event that did not turn bad earlier that day; the bad
ones are those of them that turn bad in it. A bad unit is not at risk again until the next day. This keeps the rate that
the statistics assume: bad units per unit at risk, whatever the number of events a unit sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

from plans.schema import Metric, Plan
from rollout.model import Counts

EVENTS = "events"

Unit = TypeVar("Unit")


@dataclass(frozen=True, slots=True)
class Share:
    """A metric as two event names; `good` says that the marking event means well."""

    metric: str
    of: str
    mark: str
    good: bool


def shares(plan: Plan) -> tuple[Share, ...]:
    """The plan's metrics that are shares of the application's own events."""
    found = ((name, metric, _mark(metric)) for name, metric in plan.metrics.items() if metric.source == EVENTS)
    return tuple(Share(name, metric.of, mark, metric.bad is None) for name, metric, mark in found if mark is not None)


def past_key(metric: str, limit: float) -> str:
    """Under which name buckets count the units whose number lies past a limit; no metric can have such a name."""
    return f"{metric} > {limit!r}"


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


def _mark(metric: Metric) -> str | None:
    return metric.bad or metric.good
