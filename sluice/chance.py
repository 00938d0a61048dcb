"""Numbers drawn by lot, from a generator that comes in as an argument."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from itertools import accumulate
from math import exp, lgamma, log, log1p
from random import Random


def binomial(n: int, share: float, random: Random) -> int:
    """How many of n, each with the chance `share`, by inversion of the tabulated distribution."""
    if not n or share <= 0:
        return 0
    return n if share >= 1 else bisect_left(_binomial(n, share), random.random())


@lru_cache(maxsize=20_000)
def _binomial(n: int, share: float) -> list[float]:
    yes, no = log(share), log1p(-share)
    ways = lgamma(n + 1)
    likely = [exp(ways - lgamma(k + 1) - lgamma(n - k + 1) + k * yes + (n - k) * no) for k in range(n + 1)]
    below = list(accumulate(likely))
    return [*below[:-1], 1.0]
