"""Exact one-sided bounds of a binomial share (Clopper & Pearson 1934, Biometrika 26)."""

from __future__ import annotations

from math import exp, lgamma, log, log1p

TINY = 1e-300
TERMS = 10_000
PRECISION = 1e-15
CLOSE = 1e-12
STEPS = 100


def upper_bound(x: int, n: int, confidence: float) -> float:
    """The share that x of n leave below with probability `confidence`: the beta quantile of (x+1, n-x); never 0."""
    return _beta_quantile(confidence, x + 1, n - x) if x < n else 1.0


def lower_bound(x: int, n: int, confidence: float) -> float:
    """The share that x of n leave above with probability `confidence`; 0 where nothing was seen."""
    return 1 - upper_bound(n - x, n, confidence)


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """By Newton's method from the mean; a step that leaves what is still possible is replaced by a halving."""
    low, high, at = 0.0, 1.0, a / (a + b)
    for _ in range(STEPS):
        short = probability - _beta_below(at, a, b)
        low, high = (at, high) if short > 0 else (low, at)
        density = _front(at, a, b) / (at * (1 - at))
        nearer = at + short / density if density > TINY else low
        if not low < nearer < high:
            nearer = (low + high) / 2
        if abs(nearer - at) <= CLOSE * at:
            return nearer
        at = nearer
    return high


def _front(x: float, a: float, b: float) -> float:
    """x^a (1-x)^b / B(a, b): the beta density times x(1-x)."""
    return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(max(x, TINY)) + b * log1p(-min(x, 1 - 1e-16)))


def _beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    front = _front(x, a, b)
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b) by Lentz's method (DLMF 8.17.22; Press et al., Numerical Recipes 6.4)."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= d * c
        if abs(d * c - 1) < PRECISION:
            return value
    raise ArithmeticError(f"incomplete beta of ({a}, {b}) at {x} did not converge in {TERMS} terms")


def _away_from_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
