"""How much more counts scatter than chance alone would have them, where a source counts events and not units.

Pearson's statistic over its degrees of freedom estimates the dispersion φ of binomial counts (McCullagh & Nelder 1989,
Generalized Linear Models, section 4.5). Likelihood ratios are then taken to the power 1/φ, which is an approximation:
the promise rests on φ staying what it was before the rollout.
"""

from __future__ import annotations

from typing import NamedTuple

LEAST_BUCKETS = 200


class Noise(NamedTuple):
    """Sums over control's buckets before the rollout: how many, bad units, units, and bad squared over units."""

    buckets: int = 0
    bad: int = 0
    total: int = 0
    squares: float = 0.0


def heard(noise: Noise, bad: int, total: int) -> Noise:
    """The sums with one bucket more; one without units says nothing."""
    if not total:
        return noise
    return Noise(noise.buckets + 1, noise.bad + bad, noise.total + total, noise.squares + bad * bad / total)


def dispersion(noise: Noise) -> float | None:
    """φ = Σ(y−cp)²/(cp(1−p))/(m−1), at least 1; None before there are 200 buckets with a bad unit among them."""
    if noise.buckets < LEAST_BUCKETS or not 0 < noise.bad < noise.total:
        return None
    p = noise.bad / noise.total
    pearson = (noise.squares - p * noise.bad) / (p * (1 - p))
    return max(1.0, pearson / (noise.buckets - 1))
