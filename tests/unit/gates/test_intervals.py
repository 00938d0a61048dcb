"""Means and differences: intervals that hold at every look, and the evidence that is the same thing."""

from math import exp, log, sqrt
from random import Random

import pytest

from gates.intervals import (
    Arm,
    Estimate,
    alone,
    difference,
    evidence_above,
    evidence_below,
    half_width,
    mean_arm,
    share_arm,
    tuning,
)
from tests.campaigns.gates import tolerance
from tests.campaigns.world import binomial

ALPHA = 0.05


def test_the_interval_is_the_published_formula() -> None:
    """Theorem 2.2 of arXiv 2103.06476: σ̂·√(2(Nρ²+1)/(N²ρ²)·ln(√(Nρ²+1)/a)), by hand for one case, a = 2α."""
    rho2 = (-2 * log(0.1) + log(1 - 2 * log(0.1))) / 10_000
    assert tuning(ALPHA, 10_000) == pytest.approx(rho2)
    estimate = difference(Arm(600, 0.5, 0.25), Arm(400, 0.45, 0.2475))
    n, spread = 1_000, (0.25 / 600 + 0.2475 / 400) * 1_000
    by_hand = sqrt(spread) * sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * log(sqrt(n * rho2 + 1) / 0.1))
    assert half_width(estimate, ALPHA, rho2) == pytest.approx(by_hand)
    assert estimate.value == pytest.approx(0.05)


def test_the_tuning_is_narrowest_at_the_planned_number() -> None:
    """Half or twice the ρ² gives a wider interval there (appendix B.2 of the paper)."""
    estimate, rho2 = Estimate(5_000, 0.0, 1e-4), tuning(ALPHA, 5_000)
    best = half_width(estimate, ALPHA, rho2)
    assert best < half_width(estimate, ALPHA, rho2 / 2)
    assert best < half_width(estimate, ALPHA, rho2 * 2)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_evidence_reaches_its_threshold_exactly_where_the_interval_excludes_the_point(alpha: float) -> None:
    """An interval and an e-process are two readings of one mixture."""
    rho2 = tuning(alpha, 3_000)
    estimate = Estimate(2_000, 0.04, 1e-4)
    edge = estimate.value - half_width(estimate, alpha, rho2)
    assert evidence_above(estimate, edge, rho2) == pytest.approx(1 / alpha)
    assert evidence_above(estimate, edge - 1e-6, rho2) > 1 / alpha > evidence_above(estimate, edge + 1e-6, rho2)
    assert evidence_below(estimate, 2 * estimate.value - edge, rho2) == pytest.approx(1 / alpha)


def test_the_mixture_is_that_of_robbins() -> None:
    """Robbins 1970: averaging exp(λS − λ²n/2) over λ ~ N(0, ρ²) gives exp(ρ²S²/2(nρ²+1))/√(nρ²+1), here numerically."""
    n, s, rho2 = 400, 30.0, 0.01
    step = 0.001
    grid = [i * step for i in range(-1_000, 1_001)]
    normal = [exp(-lam * lam / (2 * rho2)) / sqrt(2 * 3.141592653589793 * rho2) for lam in grid]
    averaged = sum(w * exp(lam * s - lam * lam * n / 2) for lam, w in zip(grid, normal, strict=True)) * step
    assert evidence_above(Estimate(n, s / n, 1 / n), 0.0, rho2) / 2 == pytest.approx(averaged, rel=1e-6)


def test_interval_and_evidence_are_those_of_confseq() -> None:
    """The values that confseq's own tests hold its two-sided normal mixture to, from a reference implementation in R.

    gostevehoward/confseq, test/uniform_boundaries_unittest.cpp, TestTwoSidedNormalMixture: tuned to intrinsic time 100
    at 5 %, ρ 12.60056 (the inverse of ours), log mixture of a sum of 10 at time 100, and the boundary there.
    """
    rho2 = tuning(0.025, 100)
    at_ten = Estimate(100, 10 / 100, 1 / 100)
    assert 1 / rho2 == pytest.approx(12.60056, abs=1e-5)
    assert log(evidence_above(at_ten, 0.0, rho2) / 2) == pytest.approx(-0.6510052, abs=1e-5)
    assert 100 * half_width(at_ten, 0.025, rho2) == pytest.approx(30.35209, abs=1e-5)


def test_nothing_is_said_of_fewer_than_a_hundred_units() -> None:
    """Asymptotic means many."""
    assert share_arm(50, 99) is None
    assert mean_arm(99, 1.0, 1.0) is None
    assert share_arm(50, 100) is not None


def test_an_arm_without_variance_is_not_taken_for_certain() -> None:
    """0 of 100 is not a rate of exactly nothing; 100 equal numbers are no evidence."""
    arm = share_arm(0, 100)
    assert arm is not None
    assert arm.variance == pytest.approx(2 / 104 * 102 / 104)
    same = mean_arm(100, 500.0, 2_500.0)
    assert same == Arm(100, 5.0, 0.0)
    assert evidence_above(alone(Arm(100, 5.0, 0.0)), 4.0, 0.01) == 0


def test_moments_are_those_of_the_numbers() -> None:
    """Mean and unbiased variance from sums, as the statistics module has them."""
    random = Random(3)
    values = [random.gauss(800, 50) for _ in range(500)]
    arm = mean_arm(500, sum(values), sum(v * v for v in values))
    assert arm is not None
    mean = sum(values) / 500
    assert (arm.mean, arm.variance) == pytest.approx((mean, sum((v - mean) ** 2 for v in values) / 499))


@pytest.mark.parametrize(("p", "treated"), [(0.9, 1), (0.98, 1), (0.02, 1), (0.3, 30)])
def test_equal_arms_are_told_apart_no_more_often_than_promised(p: float, treated: int) -> None:
    """1,000 looks at equal rates, with an arm of few and one of many: at most α of the runs ever find one above."""
    runs, random, found = 120, Random(f"{p}/{treated}"), 0
    rho2 = tuning(ALPHA, 60_000)
    for _ in range(runs):
        found += _ever(p, treated, 60 - treated, rho2, random)
    assert found <= runs * ALPHA + tolerance(runs, ALPHA)


def _ever(p: float, treated: int, controlled: int, rho2: float, random: Random) -> bool:
    x = y = 0
    for look in range(1, 1_001):
        x += binomial(treated, p, random)
        y += binomial(controlled, p, random)
        one, other = share_arm(x, look * treated), share_arm(y, look * controlled)
        if one and other and evidence_above(difference(one, other), 0.0, rho2) >= 1 / ALPHA:
            return True
    return False
