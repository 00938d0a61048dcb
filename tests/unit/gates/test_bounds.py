"""Exact bounds of a share against published intervals and against the definition."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.bounds import lower_bound, upper_bound


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_bounds_are_those_that_newcombe_printed(x: int, n: int, low: float, high: float) -> None:
    """The exact row of table I in Newcombe 1998, Statistics in Medicine 17, 857-872."""
    assert (low, high) == pytest.approx((lower_bound(x, n, 0.975), upper_bound(x, n, 0.975)), abs=5e-5)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_the_upper_bound_leaves_five_percent_below(pair: tuple[int, int]) -> None:
    """At the bound, x or fewer of n happen with probability 0.05: Clopper and Pearson's definition."""
    x, n = pair
    bound = upper_bound(x, n, 0.95)
    assert sum(comb(n, k) * bound**k * (1 - bound) ** (n - k) for k in range(x + 1)) == pytest.approx(0.05)


def test_nothing_seen_is_never_a_bound_of_zero() -> None:
    """0 of n bounds the share at 1 - 0.05^(1/n)."""
    assert upper_bound(0, 4_000_000, 0.95) == pytest.approx(1 - 0.05 ** (1 / 4_000_000))


def test_bounds_of_millions_of_units_converge() -> None:
    """Weeks of control traffic are no problem: 2 % of 10 million is known to a ten-thousandth."""
    assert upper_bound(200_000, 10_000_000, 0.95) == pytest.approx(0.02 + 1.645 * (0.02 * 0.98 / 1e7) ** 0.5, rel=1e-4)


def test_all_of_all_is_bounded_by_one() -> None:
    """All of n has no upper bound below 1, and a lower bound of 0.05^(1/n)."""
    assert upper_bound(20, 20, 0.95) == 1.0
    assert lower_bound(20, 20, 0.95) == pytest.approx(0.05 ** (1 / 20))
