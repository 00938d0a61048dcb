"""A pretended world for gates: traffic, base rates, faults and ramps, drawn bucket by bucket from a seeded generator.

Nothing in it knows how it will be judged, so that buckets drawn here, or events drawn from the same rates, can go
through any path into a gate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import cos, exp, pi
from random import Random

from rollout.model import FULL, Bucket, Counts

BUCKET = timedelta(minutes=5)
PER_DAY = 288
LAUNCH = datetime(2026, 12, 1, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class World:
    """Rates of one metric: `base` is control's share of bad units, for treatment times `ratio` from `onset` days on.

    `season` swings traffic and base rate over each day by that share. `shocked` is the share of hours in which
    everybody's rate is five times as high: an outage that both cohorts share. `burst` is how often a bad unit is
    counted, as a source of raw events does, where the embedded one counts units.
    """

    metric: str = "error_rate"
    daily: float = 20_000
    base: float = 0.02
    ratio: float = 1.0
    onset: float = 0.0
    before: float = 1.0
    season: float = 0.0
    shocked: float = 0.0
    burst: int = 1

    def swing(self, index: int) -> float:
        """The factor of the time of day on traffic and on the base rate."""
        return 1 + self.season * round(cos(2 * pi * (index % PER_DAY // 12) / 24), 3)

    def ratio_at(self, index: int) -> float:
        """Treatment's rate over control's in a bucket."""
        return self.ratio if index >= self.onset * PER_DAY else self.before


@dataclass(frozen=True, slots=True)
class Stretch:
    """A phase as it came to pass: `exposure` in thousandths of a percent, for so many buckets."""

    exposure: int
    buckets: int


def drawn(world: World, ramp: Sequence[Stretch], random: Random) -> Iterator[Bucket]:
    """The buckets of one rollout, phase after phase."""
    index = 0
    shock = 1.0
    for phase, stretch in enumerate(ramp):
        for _ in range(stretch.buckets):
            if world.shocked and index % 12 == 0:
                shock = 5.0 if random.random() < world.shocked else 1.0
            yield _bucket(world, phase, stretch.exposure, index, shock, random)
            index += 1


def _bucket(world: World, phase: int, exposure: int, index: int, shock: float, random: Random) -> Bucket:
    swing = world.swing(index)
    share, rate = exposure / FULL, world.base * swing * shock
    a = poisson(world.daily * swing * share / PER_DAY, random)
    c = poisson(world.daily * swing * (1 - share) / PER_DAY, random)
    x = binomial(a, min(rate * world.ratio_at(index), 1.0), random)
    y = binomial(c, min(rate, 1.0), random)
    if world.burst > 1:
        x, a, y, c = _bursting(world.burst, x, a, y, c)
    start = LAUNCH + index * BUCKET
    return Bucket(
        start=start,
        end=start + BUCKET,
        epoch=phase,
        phase=phase,
        exposure=exposure,
        settings_epoch=0,
        counts={world.metric: (Counts(x, a), Counts(y, c))},
    )


def _bursting(burst: int, x: int, a: int, y: int, c: int) -> tuple[int, int, int, int]:
    """Every bad event comes with its repetitions, each of which is a request as well."""
    more = burst - 1
    return x * burst, a + x * more, y * burst, c + y * more


def poisson(mean: float, random: Random) -> int:
    """A Poisson number by inversion of its tabulated distribution."""
    return bisect_left(_poisson_table(mean), random.random()) if mean else 0


def binomial(n: int, p: float, random: Random) -> int:
    """A binomial number by inversion of its tabulated distribution."""
    return bisect_left(_binomial_table(n, p), random.random()) if n and p else 0


@lru_cache(maxsize=1_000)
def _poisson_table(mean: float) -> list[float]:
    term = below = exp(-mean)
    table = [below]
    while below < 1 - 1e-12 or len(table) < mean:
        term *= mean / len(table)
        below += term
        table.append(below)
    return [*table, 1.0]


@lru_cache(maxsize=50_000)
def _binomial_table(n: int, p: float) -> list[float]:
    if p >= 1:
        return [0.0] * n + [1.0]
    term = below = (1 - p) ** n
    table = [below]
    for k in range(1, n):
        term *= (n - k + 1) / k * p / (1 - p)
        below += term
        table.append(below)
    return [*table, 1.0]
