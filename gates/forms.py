"""How one condition is judged: on which side it breaches, against what, and by which test."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

from gates.asked import Asked
from gates.intervals import tuning
from gates.sequential import (
    Rates,
    Ratios,
    better_rate,
    better_ratio,
    fixed_complements,
    fixed_rates,
    worse_rate,
    worse_ratio,
)
from gates.streaks import Streak
from plans.expressions import Reference, TargetKind
from plans.schema import Metric
from rollout.counting import TOTAL
from rollout.model import Role

QUANTILE_SHARES = {"p50": 0.5, "p90": 0.1, "p95": 0.05, "p99": 0.01}
"""The share of units past a quantile."""
PROVING = frozenset({Role.TUNE_KEEP, Role.TUNE_NOTE})
COMPARING = frozenset({Role.SHIP, Role.REVERT})


class Side(StrEnum):
    """On which side of the limit the breach lies."""

    ABOVE = "above"
    BELOW = "below"


class Reads(StrEnum):
    """What a metric reads: the share of bad units, of those that stayed good, or the mean of a number."""

    BAD = "bad"
    GOOD = "good"
    VALUE = "value"


class Demand(StrEnum):
    """What the phases of a plan ask of a criterion: that it is not breached, or proof that its limit is kept."""

    NO_BREACH = "no_breach"
    PROOF = "proof"


class Against(StrEnum):
    """What a criterion's limit is relative to."""

    CONTROL = "control"  # the concurrent control cohort, frozen at 100 %
    HISTORY = "history"  # control's rate over the earlier phases, frozen at each new one
    BASELINE = "baseline"  # the metric's own, a number
    NOTHING = "nothing"  # the limit is a share or a number by itself


class Compares(StrEnum):
    """How treatment is put beside what it is compared with."""

    LEVEL = "level"
    RATIO = "ratio"
    DIFFERENCE = "difference"


class Margin(NamedTuple):
    """A test by interval: that treatment less `factor` times the other lies past `point`, at one-sided `alpha`.

    With `demanding` the estimate itself must lie past the limit too, and the verdict is that of the present moment.
    """

    alpha: float
    rho2: float
    factor: float
    point: float
    demanding: bool
    proves: bool


class Cap(NamedTuple):
    """A sum that treatment may reach on one day of the plan's zone; `proves` says that a pass is asked for."""

    zone: str
    proves: bool


class Level(NamedTuple):
    """A limit in the plan's terms, with what is tolerated of it."""

    tolerated: float
    limit: float


Tests = Ratios | Rates | Margin | Streak | Cap


def side_of(asked: Asked) -> Side:
    """Where the condition is fulfilled."""
    return Side.ABOVE if asked.when.worse_is_more else Side.BELOW


def reads_of(asked: Asked, metric: Metric) -> Reads:
    """What is read of the metric; a quantile reads the share of units past its limit."""
    if metric.value is not None:
        return Reads.VALUE if asked.when.aggregate not in QUANTILE_SHARES else Reads.BAD
    return Reads.BAD if metric.bad else Reads.GOOD


def arms_of(asked: Asked) -> Side:
    """Which way round the test is put: `above` counts what is read of treatment over control, `below` the reverse.

    What is to be proved is the reverse of a breach on that side.
    """
    side = side_of(asked)
    if asked.role not in PROVING:
        return side
    return Side.BELOW if side is Side.ABOVE else Side.ABOVE


def counted_of(asked: Asked, reads: Reads) -> Reads:
    """Which units a test of a share counts."""
    if reads is Reads.VALUE or arms_of(asked) is Side.ABOVE:
        return reads
    return Reads.GOOD if reads is Reads.BAD else Reads.BAD


def against_of(asked: Asked, metric: Metric) -> Against:
    """What the limit is relative to."""
    target = asked.when.target
    if compares_of(asked) is Compares.LEVEL:
        return Against.NOTHING
    if target.reference is not Reference.BASELINE:
        return Against.CONTROL
    return Against.HISTORY if metric.baseline is None else Against.BASELINE


def compares_of(asked: Asked) -> Compares:
    """How the limit is put."""
    match asked.when.target.kind:
        case TargetKind.RATIO:
            return Compares.RATIO
        case TargetKind.DIFFERENCE:
            return Compares.DIFFERENCE
        case _:
            return Compares.LEVEL


def level_of(asked: Asked) -> Level:
    """The limit, and what is never stopped: the plan's `tolerate`, else half way to it, else the limit itself.

    Half way is the midpoint from what control has: from 1x, or from no difference; where the breach lies below, that of
    the swapped ratio. A baseline does not cancel an outage that everybody shares, so there it is the geometric middle,
    the square root of the limit. What is to be proved, or compared in a test, is taken at its word.
    """
    target = asked.when.target
    limit = QUANTILE_SHARES.get(asked.when.aggregate or "", target.value)
    if asked.tolerate is not None:
        return Level(asked.tolerate, limit)
    if asked.role in PROVING or asked.role in COMPARING or compares_of(asked) is Compares.LEVEL:
        return Level(limit, limit)
    if compares_of(asked) is Compares.DIFFERENCE:
        return Level(limit / 2, limit)
    if target.reference is Reference.BASELINE:
        return Level(sqrt(limit), limit)
    return Level((1 + limit) / 2 if side_of(asked) is Side.ABOVE else 2 / (1 + 1 / limit), limit)


def tests_of(asked: Asked, metric: Metric, threshold: float, demand: Demand) -> Tests:
    """The test that a condition is put to."""
    if asked.when.aggregate == TOTAL:
        return Cap(asked.zone, demand is Demand.PROOF)
    if asked.streak is not None:
        return asked.streak._replace(proves=demand is Demand.PROOF)
    difference = compares_of(asked) is Compares.DIFFERENCE
    if asked.role in COMPARING or difference or reads_of(asked, metric) is Reads.VALUE:
        return _margin(asked, threshold, demand)
    if asked.role in PROVING:
        return _proved(asked, metric)
    return _sequential(asked, metric, demand)


@lru_cache(maxsize=256)
def frozen_tests(tests: Ratios, side: Side, low: float, high: float) -> Rates:
    """A ratio limit's tests against a rate between `low` and `high`, each at the bound where it finds it harder."""
    at_rate, breach, proof = (fixed_rates, high, low) if side is Side.ABOVE else (fixed_complements, low, high)
    return Rates(at_rate(tests.breach, breach), tests.proof and at_rate(tests.proof, proof))


def _sequential(asked: Asked, metric: Metric, demand: Demand) -> Ratios | Rates:
    """Where the breach lies below, the arms of a ratio are swapped and a share is counted in its complement."""
    (tolerated, limit), side, proves = level_of(asked), side_of(asked), demand is Demand.PROOF
    if compares_of(asked) is Compares.LEVEL:
        if side is Side.BELOW:
            tolerated, limit = round(1 - tolerated, 12), round(1 - limit, 12)
        return Rates(worse_rate(tolerated, limit), better_rate(limit) if proves else None)
    if side is Side.BELOW:
        tolerated, limit = 1 / tolerated, 1 / limit
    tests = Ratios(worse_ratio(tolerated, limit), better_ratio(limit) if proves else None)
    return _beside(asked, metric, tests, side)


def _proved(asked: Asked, metric: Metric) -> Ratios | Rates:
    """The reverse process of the limit, as a test of its own: that the rate, or the ratio, keeps to it."""
    limit, arms = level_of(asked).limit, arms_of(asked)
    if compares_of(asked) is Compares.LEVEL:
        return Rates(better_rate(limit if arms is Side.ABOVE else round(1 - limit, 12)), None)
    return _beside(asked, metric, Ratios(better_ratio(limit if arms is Side.ABOVE else 1 / limit), None), arms)


def _beside(asked: Asked, metric: Metric, tests: Ratios, side: Side) -> Ratios | Rates:
    if asked.when.target.reference is Reference.BASELINE and metric.baseline is not None:
        return frozen_tests(tests, side, metric.baseline, metric.baseline)
    return tests


def _margin(asked: Asked, threshold: float, demand: Demand) -> Margin:
    """The interval that must lie past a point.

    A test's decision demands that the estimate reaches the limit, and that the interval excludes what control has, or
    the limit where that is the easier of the two: `accuracy >= control + 2pp` is more than control's, by 2 points.
    """
    (tolerated, limit), compares, comparing = level_of(asked), compares_of(asked), asked.role in COMPARING
    even = {Compares.LEVEL: limit, Compares.RATIO: 1.0, Compares.DIFFERENCE: 0.0}[compares]
    if comparing:
        tolerated = min(even, limit) if side_of(asked) is Side.ABOVE else max(even, limit)
    factor, point = {
        Compares.LEVEL: (0.0, tolerated),
        Compares.RATIO: (tolerated, 0.0),
        Compares.DIFFERENCE: (1.0, tolerated),
    }[compares]
    alpha = 1 / threshold
    return Margin(alpha, tuning(alpha, asked.planned), factor, point, comparing, demand is Demand.PROOF)
