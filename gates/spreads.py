"""How numbers, such as latencies and costs, are taken to lie while nothing is known of them.

Without bounds they are exponential, as waiting times are; a number with a `range` is normal, an eighth of the range
being a standard deviation. Rehearsals draw from this, and forecasts reckon with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import erfc, exp, log, sqrt
from typing import NamedTuple

from plans.conditions import Condition
from plans.expressions import TargetKind
from plans.schema import Plan
from rollout.counting import QUANTILES, TOTAL

MARGIN = 0.7  # of a limit, where numbers usually lie: well on the harmless side of it
UNKNOWN = 1.0
PARTS = 8  # standard deviations that a range spans


class Spread(NamedTuple):
    """How the numbers of one cohort lie: around a mean, and between two bounds where they have any."""

    mean: float
    bounds: tuple[float, float] | None

    @property
    def deviation(self) -> float:
        """The standard deviation of one number; of waiting times it is the mean."""
        return self.mean if self.bounds is None else (self.bounds[1] - self.bounds[0]) / PARTS

    def past(self, limit: float) -> float:
        """The share of numbers above a limit."""
        if self.bounds is not None:
            return erfc((limit - self.mean) / (self.deviation * sqrt(2))) / 2
        return exp(-max(limit, 0.0) / self.mean) if self.mean > 0 else 0.0


def usual_mean(plan: Plan, name: str, daily: float) -> float:
    """A number's mean while nothing is wrong: its `baseline`, else well on the harmless side of the plan's limits."""
    metric = plan.metrics[name]
    if metric.baseline is not None:
        return metric.baseline
    if limits := [mean for one in _asked(plan, name) if (mean := _harmless(one, daily)) is not None]:
        return min(limits)
    return sum(metric.range) / 2 if metric.range else UNKNOWN


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
