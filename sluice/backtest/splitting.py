"""Two imaginary cohorts out of one real one: units drawn by lot, without an eye on what became of them."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from itertools import accumulate
from math import exp, lgamma, log, log1p
from random import Random

from rollout.model import FULL, Counts


def split(counts: Counts, exposure: int, random: Random) -> tuple[Counts, Counts]:
    """Treatment and control of one bucket, each unit having the imaginary candidate with the chance of `exposure`.

    Bad and good units are drawn apart, which gives what a lot for each unit would have given.
    """
    if exposure in {0, FULL}:
        return (Counts(), counts) if exposure == 0 else (counts, Counts())
    share = exposure / FULL
    bad = _drawn(counts.bad, share, random)
    good = _drawn(counts.total - counts.bad, share, random)
    treatment = Counts(bad, bad + good)
    return treatment, Counts(counts.bad - treatment.bad, counts.total - treatment.total)


def _drawn(n: int, share: float, random: Random) -> int:
    """A binomial number, by inversion of its tabulated distribution."""
    return bisect_left(_binomial(n, share), random.random()) if n else 0


@lru_cache(maxsize=20_000)
def _binomial(n: int, share: float) -> list[float]:
    yes, no = log(share), log1p(-share)
    ways = lgamma(n + 1)
    likely = [exp(ways - lgamma(k + 1) - lgamma(n - k + 1) + k * yes + (n - k) * no) for k in range(n + 1)]
    below = list(accumulate(likely))
    return [*below[:-1], 1.0]
