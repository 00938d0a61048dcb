"""The statistics against SciPy's, where the size of the sample is fixed."""

from math import log
from random import Random

import pytest
from scipy import special, stats  # type: ignore[import-untyped]

from gates.bounds import lower_bound, upper_bound
from gates.intervals import mean_arm
from gates.power import divergence
from gates.sequential import rate_step, rate_test, ratio_step, ratio_test


@pytest.mark.parametrize(("x", "n"), [(0, 12), (1, 29), (31, 512), (44, 4_608), (12, 12), (250_000, 1_000_000)])
def test_bounds_of_a_share_are_scipys(x: int, n: int) -> None:
    """Clopper and Pearson's interval of 95 %, `scipy.stats.binomtest(...).proportion_ci(method="exact")`."""
    expected = stats.binomtest(x, n).proportion_ci(0.95, method="exact")
    found = lower_bound(x, n, 0.975), upper_bound(x, n, 0.975)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("x", "a", "y", "c"), [(0, 5, 3, 500), (7, 120, 11, 1_080), (31, 512, 44, 4_608)])
@pytest.mark.parametrize("ratio", [2.0, 4.0, 16.0])
def test_a_bucket_of_the_ratio_gate_is_a_binomial_likelihood_ratio(
    x: int, a: int, y: int, c: int, ratio: float
) -> None:
    """Given the total, x is binomial: the step is SciPy's probability at the alternative over that at the null, 1.5."""

    def logged(r: float) -> float:
        return float(stats.binom.logpmf(x, x + y, a * r / (a * r + c)))

    (grown,) = ratio_step((1.0,), 0.0, x, a, y, c, ratio_test(1.5, [ratio], [1.0]))
    assert log(grown) == pytest.approx(logged(ratio) - logged(1.5), abs=1e-9)


@pytest.mark.parametrize(("x", "a"), [(0, 40), (3, 40), (9, 60), (60, 60)])
def test_a_bucket_of_the_rate_gate_is_a_binomial_likelihood_ratio(x: int, a: int) -> None:
    """SciPy's probability of x of a at 30 % over that at 15 %."""
    (grown,) = rate_step((1.0,), 0.0, x, a, rate_test(0.15, [0.30], [1.0]))
    assert log(grown) == pytest.approx(stats.binom.logpmf(x, a, 0.30) - stats.binom.logpmf(x, a, 0.15), abs=1e-9)


@pytest.mark.parametrize(("p", "q"), [(0.0, 0.3), (0.02, 0.01), (0.5, 0.9), (1.0, 0.4)])
def test_the_planners_divergence_is_scipys_relative_entropy(p: float, q: float) -> None:
    """`scipy.special.rel_entr`, summed over both outcomes, in nats."""
    assert divergence(p, q) == pytest.approx(special.rel_entr(p, q) + special.rel_entr(1 - p, 1 - q))


def test_the_variance_of_a_number_is_the_unbiased_one() -> None:
    """From sums and squares as `scipy.stats.describe` has it from the numbers themselves."""
    draw = Random(7)
    numbers = [draw.lognormvariate(5, 0.6) for _ in range(500)]
    expected = stats.describe(numbers)
    arm = mean_arm(len(numbers), sum(numbers), sum(number * number for number in numbers))
    assert arm is not None
    assert (arm.mean, arm.variance) == pytest.approx((expected.mean, expected.variance))
