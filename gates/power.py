"""The planner: how long a gate needs to notice a fault of a given size, before anyone is exposed.

Evidence grows by the Kullback-Leibler divergence between what is and what is tolerated (Wald 1947; Howard et al. 2021),
and has to climb from the prior's share of the right phase to the threshold.
"""

from __future__ import annotations

from math import inf, log
from typing import NamedTuple

HALF = 1.15  # of the time that mean growth takes, fitted to simulated medians
NINE_TENTHS = 2.6


class Detection(NamedTuple):
    """Days until a fault is noticed: in half of all rollouts, and in nine of ten; infinite where it never is."""

    t50: float
    t90: float


def ratio_information(
    daily: float, base: float, treated: float, control: float, ratio: float, *, tolerated: float
) -> float:
    """Evidence a day (nats) of a ratio criterion: `daily` units, shares `treated` and `control`, base rate `base`."""
    bad = treated * ratio + control
    share, null = treated * ratio / bad, treated * tolerated / (treated * tolerated + control)
    return daily * base * bad * divergence(share, null) if ratio > tolerated else 0.0


def rate_information(daily: float, treated: float, rate: float, *, tolerated: float) -> float:
    """Evidence a day (in nats) of a rate criterion: treatment's rate is `rate` where `tolerated` is tolerated."""
    return daily * treated * divergence(rate, tolerated) if rate > tolerated else 0.0


def detection_days(information: float, *, criteria: int, alpha: float, phases: int) -> Detection:
    """The days that `information` a day needs, where `criteria` share `alpha` and the prior is spread over `phases`."""
    if not information:
        return Detection(inf, inf)
    days = (log(criteria / alpha) + log(2 * phases)) / information
    return Detection(HALF * days, NINE_TENTHS * days)


def divergence(p: float, q: float) -> float:
    """The Bernoulli Kullback-Leibler divergence kl(p ‖ q) in nats; both in [0, 1], infinite where q rules p out."""
    return _part(p, q) + _part(1 - p, 1 - q)


def _part(p: float, q: float) -> float:
    if p == 0:
        return 0.0
    return p * log(p / q) if q else inf
