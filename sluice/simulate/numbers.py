"""Pretended numbers, such as latencies and costs: how large they usually are, and what a bucket of them adds up to.

Without bounds they are exponential, as waiting times are; a number with a `range` is normal, an eighth of the range
being a standard deviation, and stays inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import erfc, exp, log, sqrt
from random import Random
from typing import NamedTuple

from plans.conditions import Condition
from plans.expressions import TargetKind
from plans.schema import Plan
from rollout.counting import QUANTILES, TOTAL, Number, past_key, total_key
from rollout.model import Counts
from sluice.chance import binomial

MARGIN = 0.7  # of a limit, where numbers usually lie: well on the harmless side of it
UNKNOWN = 1.0
PARTS = 8  # standard deviations that a range spans


class Spread(NamedTuple):
    """How the numbers of one cohort lie: around a mean, and between two bounds where they have any."""

    mean: float
    bounds: tuple[float, float] | None

    @property
    def deviation(self) -> float:
        """The standard deviation of a bounded number."""
        low, high = self.bounds or (0.0, 0.0)
        return (high - low) / PARTS

    def past(self, limit: float) -> float:
        """The share of numbers above a limit."""
        if self.bounds is not None:
            return erfc((limit - self.mean) / (self.deviation * sqrt(2))) / 2
        return exp(-max(limit, 0.0) / self.mean) if self.mean > 0 else 0.0

    def summed(self, n: int, random: Random) -> Counts:
        """The sum of n numbers, drawn; and that of their squares, as it is to be expected beside that sum."""
        if self.bounds is None:
            total = random.gammavariate(n, self.mean) if n and self.mean > 0 else 0.0
            return Counts(0, n, total, 2 * total * total / (n + 1))
        low, high = self.bounds
        total = min(max(random.gauss(n * self.mean, sqrt(n) * self.deviation), n * low), n * high)
        return Counts(0, n, total, n * self.deviation**2 + total * total / n if n else 0.0)


def usual_mean(plan: Plan, name: str, daily: float) -> float:
    """A number's mean while nothing is wrong: its `baseline`, else well on the harmless side of the plan's limits."""
    metric = plan.metrics[name]
    if metric.baseline is not None:
        return metric.baseline
    if limits := [mean for one in _asked(plan, name) if (mean := _harmless(one, daily)) is not None]:
        return min(limits)
    return sum(metric.range) / 2 if metric.range else UNKNOWN


def counted(number: Number, spread: Spread, n: int, random: Random) -> Iterator[tuple[str, Counts]]:
    """What a bucket keeps of n units' numbers, under the names that the gate looks for."""
    summed = spread.summed(n, random)
    yield number.metric, summed
    for limit in number.limits:
        yield past_key(number.metric, limit), Counts(binomial(n, spread.past(limit), random), n)
    if number.total:
        yield total_key(number.metric), Counts(0, n, summed.sum)


def _asked(plan: Plan, name: str) -> Iterator[Condition]:
    return (criterion.when for criterion in plan.stop.criteria if criterion.when.metric == name)


def _harmless(condition: Condition, daily: float) -> float | None:
    """The mean at which a condition's limit is well kept; None where it names no level."""
    if condition.target.kind in {TargetKind.RATIO, TargetKind.DIFFERENCE}:
        return None
    level = condition.target.value * (MARGIN if condition.worse_is_more else 2 - MARGIN)
    if condition.aggregate == TOTAL:
        return level / daily
    if condition.aggregate in QUANTILES:
        return level / log(1 / (1 - int(condition.aggregate[1:]) / 100))
    return level
