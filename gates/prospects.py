"""How long means, differences and caps take to notice a fault: what the interval or the day's sum will have become.

The evidence of an interval is that of the counts to be expected, a normal approximation: where these reach the
threshold half of all rollouts have, and where they do with an estimate at its lowest tenth nine in ten have, or sooner,
because the evidence is looked at all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, log, sqrt

from gates.intervals import LEAST_UNITS, Arm, Estimate, alone, difference, evidence_above
from gates.power import Detection

LOWEST_TENTH = 1.2816  # standard errors
LONGEST = 3_650.0  # days
HALVINGS = 40

Growth = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Group:
    """One cohort: `daily` units, their mean and variance, and how many units came `before` with which of both.

    What came before the fault counts as well: an interval is about all units since the rollout began.
    """

    daily: float
    mean: float
    variance: float
    before: float = 0.0
    was: float = 0.0
    varied: float = 0.0

    def arm(self, days: float) -> Arm | None:
        """What will be known of the cohort after so many days; None before there are units enough."""
        new = self.daily * days
        n = self.before + new
        if n < LEAST_UNITS:
            return None
        old_share, new_share = self.before / n, new / n
        mean = old_share * self.was + new_share * self.mean
        within = old_share * self.varied + new_share * self.variance
        return Arm(round(n), mean, within + old_share * new_share * (self.mean - self.was) ** 2)


@dataclass(frozen=True, slots=True)
class Contest:
    """Treatment beside a control, or beside a `fixed` number; the interval of `factor` and `rho2` must pass `point`.

    `sign` is 1 where it must lie above, and -1 where it must lie below.
    """

    treatment: Group
    control: Group | None
    fixed: float
    factor: float
    point: float
    rho2: float
    sign: int

    def evidence(self, days: float, *, luck: float) -> float:
        """The evidence after so many days, of an estimate so many standard errors off its expectation."""
        arm = self.treatment.arm(days)
        other = None if self.control is None else self.control.arm(days)
        if arm is None or (self.control is not None and other is None):
            return 0.0
        found = alone(arm, self.factor * self.fixed) if other is None else difference(arm, other, self.factor)
        value = self.sign * found.value + luck * sqrt(found.variance)
        return evidence_above(Estimate(found.n, value, found.variance), self.sign * self.point, self.rho2)


def contest_days(contest: Contest, threshold: float) -> Detection:
    """The days until a contest's evidence reaches the threshold, in half of all rollouts and in nine of ten."""
    return Detection(
        _first(lambda days: contest.evidence(days, luck=0.0), threshold),
        _first(lambda days: contest.evidence(days, luck=-LOWEST_TENTH), threshold),
    )


def cap_days(daily: float, mean: float, limit: float) -> Detection:
    """The part of the day after which a sum of `daily` numbers reaches the limit; never where a day is too short.

    So many numbers hardly scatter together: both ends are one.
    """
    spent = daily * mean
    days = limit / spent if spent >= limit > 0 else inf
    return Detection(days, days)


def _first(evidence: Growth, threshold: float) -> float:
    """When growing evidence first reaches the threshold, to a thousandth; infinite where ten years do not do."""
    if evidence(LONGEST) < threshold:
        return inf
    low, high = log(1e-4), log(LONGEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if evidence(exp(middle)) >= threshold else (middle, high)
    return exp(high)
