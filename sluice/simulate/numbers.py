"""Pretended numbers, such as latencies and costs: what a bucket of them adds up to, drawn by chance."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from random import Random

from gates.spreads import Spread
from rollout.counting import Number, past_key, total_key
from rollout.model import Counts
from sluice.chance import binomial


def summed(spread: Spread, n: int, random: Random) -> Counts:
    """The sum of n numbers, drawn; and that of their squares, as it is to be expected beside that sum."""
    if spread.bounds is None:
        total = random.gammavariate(n, spread.mean) if n and spread.mean > 0 else 0.0
        return Counts(0, n, total, 2 * total * total / (n + 1))
    low, high = spread.bounds
    total = min(max(random.gauss(n * spread.mean, sqrt(n) * spread.deviation), n * low), n * high)
    return Counts(0, n, total, n * spread.deviation**2 + total * total / n if n else 0.0)


def counted(number: Number, spread: Spread, n: int, random: Random) -> Iterator[tuple[str, Counts]]:
    """What a bucket keeps of n units' numbers, under the names that the gate looks for."""
    sums = summed(spread, n, random)
    yield number.metric, sums
    for limit in number.limits:
        yield past_key(number.metric, limit), Counts(binomial(n, spread.past(limit), random), n)
    if number.total:
        yield total_key(number.metric), Counts(0, n, sums.sum)
