"""Intervals for means and their differences that hold at every look, and how much evidence excludes a point.

An asymptotic confidence sequence: the normal mixture of Robbins (1970), with variances estimated from the counts. It
is that of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (arXiv 2103.06476, theorem 2.2 and appendix B.2), with the
tuning that makes it narrowest at the planned number of units. Asymptotic means that it speaks of means of many units,
so that it says nothing before 100 of them are in each arm.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

from gates.sequential import EXPONENT_CAP

LEAST_UNITS = 100
LOOSEST = 0.25  # an interval is tuned to this level at most: at 0.5 there would be nothing to tune


class Arm(NamedTuple):
    """What is known of one cohort's mean: units, mean and variance of a single unit."""

    n: int
    mean: float
    variance: float


class Estimate(NamedTuple):
    """A mean, or a difference of two: `n` units in all, `variance` of the estimate itself."""

    n: int
    value: float
    variance: float


def share_arm(x: int, n: int) -> Arm | None:
    """The arm of a share, x of n; None below 100 units.

    Its variance is that of (x+2)/(n+4) (Agresti & Coull 1998, The American Statistician 52), so that an arm in which
    everybody agrees is not taken to be without chance.
    """
    if n < LEAST_UNITS:
        return None
    shrunk = (x + 2) / (n + 4)
    return Arm(n, x / n, shrunk * (1 - shrunk))


def mean_arm(n: int, total: float, squares: float) -> Arm | None:
    """The arm of a number, from its units, their sum and the sum of their squares; None below 100 units."""
    if n < LEAST_UNITS:
        return None
    return Arm(n, total / n, max(0.0, (squares - total * total / n) / (n - 1)))


def difference(treatment: Arm, control: Arm, factor: float = 1.0) -> Estimate:
    """Treatment's mean less `factor` times control's."""
    variance = treatment.variance / treatment.n + factor * factor * control.variance / control.n
    return Estimate(treatment.n + control.n, treatment.mean - factor * control.mean, variance)


def alone(treatment: Arm, fixed: float = 0.0) -> Estimate:
    """Treatment's mean less a fixed number."""
    return Estimate(treatment.n, treatment.mean - fixed, treatment.variance / treatment.n)


def tuning(alpha: float, planned: float) -> float:
    """ρ², by which the one-sided interval at `alpha` is narrowest at `planned` units: (−2 ln a + ln(1 − 2 ln a))/N*."""
    level = 2 * min(alpha, LOOSEST)
    return (-2 * log(level) + log(1 - 2 * log(level))) / max(planned, 1.0)


def half_width(estimate: Estimate, alpha: float, rho2: float) -> float:
    """Half of the interval whose lower end, and likewise its upper, ever errs with probability `alpha`."""
    grown = estimate.n * rho2 + 1
    return sqrt(2 * estimate.variance * grown * log(sqrt(grown) / (2 * alpha)) / (estimate.n * rho2))


def evidence_above(estimate: Estimate, point: float, rho2: float) -> float:
    """Evidence that the mean lies above a point: it reaches 1/alpha exactly when the interval's lower end does.

    The mixture exp(ρ²N·z²/2(Nρ²+1))/√(Nρ²+1), z the distance in standard errors, of which half is put on each side.
    """
    distance = estimate.value - point
    if distance <= 0 or not estimate.variance:
        return 0.0
    grown = estimate.n * rho2 + 1
    exponent = estimate.n * rho2 * distance * distance / (2 * estimate.variance * grown)
    return 2 * exp(min(exponent, EXPONENT_CAP)) / sqrt(grown)


def evidence_below(estimate: Estimate, point: float, rho2: float) -> float:
    """Evidence that the mean lies below a point."""
    return evidence_above(estimate._replace(value=-estimate.value), -point, rho2)
