"""What happened over time as series of numbers, by cohort, for whoever draws them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from plans.schema import Metric, Plan
from rollout.describe import served_exposure
from rollout.model import NOT_STARTED, Bucket, Counts, RolloutState

POINTS = 40
"""Points of a line, each of about as many treatment units: of fewer, chance is all that a line would show."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart: a value for each of the chart's instants, None where nothing was counted."""

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over the same instants, in seconds since 1970; `stepped` values hold until the next instant."""

    title: str
    unit: str
    zone: str
    stepped: bool
    at: tuple[float, ...]
    lines: tuple[Curve, ...]


def exposure_chart(plan: Plan, moments: Sequence[tuple[datetime, RolloutState]], now: datetime) -> Chart:
    """Exposure in percent as steps from the first transition to now; `moments` are transitions and what they left."""
    steps = [(at, served_exposure(state) / 1000) for at, state in moments]
    if steps:
        steps.append((max(now, steps[-1][0]), steps[-1][1]))
    exposed = Curve("exposed", tuple(value for _, value in steps))
    return Chart(
        "Exposure", "%", _zone(plan), stepped=True, at=tuple(at.timestamp() for at, _ in steps), lines=(exposed,)
    )


def rate_charts(plan: Plan, buckets: Sequence[Bucket]) -> Iterator[Chart]:
    """One chart for each of the plan's metrics that was counted, by cohort: shares in percent, means of numbers.

    What a source told of the time before the start is in none.
    """
    buckets = [bucket for bucket in buckets if bucket.phase != NOT_STARTED]
    counted = {name for bucket in buckets for name in bucket.counts}
    for name, metric in plan.metrics.items():
        if name not in counted:
            continue
        pieces = list(_pieces(buckets, name))
        treatment = Curve("treatment", tuple(_level(metric, counts) for _, counts, _ in pieces))
        control = Curve("control", tuple(_level(metric, counts) for _, _, counts in pieces))
        unit = (metric.unit or "") if metric.value else "%"
        at = tuple(instant for instant, _, _ in pieces)
        yield Chart(name, unit, _zone(plan), stepped=False, at=at, lines=(treatment, control))


def _zone(plan: Plan) -> str:
    return plan.schedule.timezone or "UTC"


def _pieces(buckets: Sequence[Bucket], name: str) -> Iterator[tuple[float, Counts, Counts]]:
    """Buckets told together in about POINTS stretches of as many treatment units, each dated by its end.

    A few units that are left over at the end belong to the last stretch: a point of their own would jump.
    """
    counted = [bucket for bucket in buckets if name in bucket.counts]
    left = sum(bucket.counts[name][0].total for bucket in counted)
    enough = left / POINTS
    treatment = control = Counts()
    for bucket in counted:
        treatment, control = treatment + bucket.counts[name][0], control + bucket.counts[name][1]
        left -= bucket.counts[name][0].total
        if bucket is counted[-1] or (treatment.total >= enough and (left >= enough or not left)):
            yield bucket.end.timestamp(), treatment, control
            treatment = control = Counts()


def _level(metric: Metric, counts: Counts) -> float | None:
    """A share in percent as the metric reads, or the mean of a number; None where nothing was counted."""
    if not counts.total:
        return None
    if metric.value:
        return round(counts.sum / counts.total, 6)
    share = counts.bad / counts.total
    return round(100 * (1 - share if metric.counts_good else share), 3)
