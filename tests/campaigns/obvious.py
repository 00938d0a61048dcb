"""The rules that come to mind first, on the same buckets as the gate: what looking again and again does to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from math import inf, sqrt
from operator import add
from random import Random

from rollout.model import Bucket, Counts
from tests.campaigns.gates import MINUTES
from tests.campaigns.world import Stretch, World, drawn

LIMIT = 2.0
HOUR = 12
ENOUGH = 50
ONE_SIDED = 1.6448536269514722  # the 95 % quantile of the normal distribution

Pair = tuple[Counts, Counts]
Rule = Callable[[Iterable[Pair]], Iterator[bool]]


def trailing_hour(pairs: Iterable[Pair]) -> Iterator[bool]:
    """More than twice control's rate over the last twelve buckets."""
    last: deque[Pair] = deque(maxlen=HOUR)
    for pair in pairs:
        last.append(pair)
        yield len(last) == HOUR and _above(*(sum(arm, Counts()) for arm in zip(*last, strict=True)))


def cumulative(pairs: Iterable[Pair]) -> Iterator[bool]:
    """More than twice control's rate over all buckets so far, of 50 units or more."""
    return (treatment.total >= ENOUGH and _above(treatment, control) for treatment, control in _sums(pairs))


def z_test(pairs: Iterable[Pair]) -> Iterator[bool]:
    """More than twice control's rate at p < .05, as if this look were the only one."""
    return (treatment.total >= ENOUGH and _significant(treatment, control) for treatment, control in _sums(pairs))


RULES: dict[str, Rule] = {
    "the last hour above 2x": trailing_hour,
    "everything so far above 2x, 50 units or more": cumulative,
    "z-test against 2x at p < .05, at each look": z_test,
}


def delays(rule: Rule, world: World, ramp: Sequence[Stretch], runs: int, seed: int) -> list[float]:
    """Minutes until a rule first reverts each of so many rollouts; the same seed gives the gate's own rollouts."""
    return [_first(rule, world, drawn(world, ramp, Random(f"{seed}/{run}"))) for run in range(runs)]


def _first(rule: Rule, world: World, buckets: Iterator[Bucket]) -> float:
    verdicts = rule(bucket.counts[world.metric] for bucket in buckets)
    return next((number * MINUTES for number, breach in enumerate(verdicts, 1) if breach), inf)


def _sums(pairs: Iterable[Pair]) -> Iterator[Pair]:
    return accumulate(pairs, lambda so_far, new: (add(so_far[0], new[0]), add(so_far[1], new[1])))


def _above(treatment: Counts, control: Counts) -> bool:
    return bool(control.total) and treatment.bad * control.total > LIMIT * control.bad * treatment.total


def _significant(treatment: Counts, control: Counts) -> bool:
    p, q = treatment.rate or 0.0, control.rate or 0.0
    variance = p * (1 - p) / treatment.total + LIMIT**2 * q * (1 - q) / max(control.total, 1)
    return variance > 0 and p - LIMIT * q > ONE_SIDED * sqrt(variance)
