"""The statistics against published constants, arithmetic by hand, and exact expectations."""

from itertools import product
from math import ceil, comb, exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.sequential import (
    EVIDENCE_CAP,
    PROOF_WEIGHTS,
    RATE_WEIGHTS,
    RATIO_WEIGHTS,
    Onset,
    RateTest,
    RatioTest,
    Unspent,
    better_rate,
    better_ratio,
    evidence,
    fixed_complements,
    fixed_rates,
    onset_weight,
    rate_step,
    rate_test,
    ratio_step,
    ratio_test,
    worse_rate,
    worse_ratio,
)

ROUNDED = 0.005  # the handbook prints three digits


def chance(x: int, n: int, p: float) -> float:
    return comb(n, x) * p**x * (1 - p) ** (n - x)


def expected_ratio_step(test: RatioTest, a: int, c: int, treatment: float, control: float) -> list[float]:
    """E[L] of each alternative over every outcome of a bucket of independent units."""
    total = [0.0] * len(test.rs)
    for x, y in product(range(a + 1), range(c + 1)):
        weight = chance(x, a, treatment) * chance(y, c, control)
        grown = ratio_step((1.0,) * len(test.rs), 0.0, x, a, y, c, test)
        total = [sum_ + weight * mass for sum_, mass in zip(total, grown, strict=True)]
    return total


def expected_rate_step(test: RateTest, a: int, rate: float) -> list[float]:
    """E[L] of each alternative over every outcome of a bucket."""
    total = [0.0] * len(test.bads)
    for x in range(a + 1):
        grown = rate_step((1.0,) * len(test.bads), 0.0, x, a, test)
        total = [sum_ + chance(x, a, rate) * mass for sum_, mass in zip(total, grown, strict=True)]
    return total


def test_one_alternative_is_walds_sequential_test_of_the_nist_handbook() -> None:
    """For 0.01 against 0.10, α 0.05, β 0.10: reject at 1.205 + 0.0397 n (NIST/SEMATECH e-Handbook, 6.2.6)."""
    test = rate_test(0.01, [0.10], [1.0])
    for n in range(2, 60):
        rejects = [x for x in range(n + 1) if rate_step((1.0,), 0.0, x, n, test)[0] >= 0.9 / 0.05]
        line = 1.205 + 0.0397 * n
        assert ceil(line - ROUNDED) <= rejects[0] <= ceil(line + ROUNDED)


def test_a_ratio_step_is_the_binomial_likelihood_ratio_given_the_total() -> None:
    """By hand: 3 of 10 against 1 of 90, ratio 2 against 1: (20/110 : 10/100)^3 · (90/110 : 90/100)^1."""
    (mass,) = ratio_step((1.0,), 0.0, 3, 10, 1, 90, ratio_test(1.0, [2.0], [1.0]))
    assert mass == pytest.approx((20 / 110 / (10 / 100)) ** 3 * (90 / 110 / (90 / 100)))


def test_prior_enters_before_the_bucket_is_weighed() -> None:
    """(0.1 + 0.2)·L, not 0.1·L + 0.2; L by hand is (0.2/0.1)^1 · (0.8/0.9)^3."""
    (mass,) = rate_step((0.1,), 0.2, 1, 4, rate_test(0.1, [0.2], [1.0]))
    assert mass == pytest.approx(0.3 * 2 * (0.8 / 0.9) ** 3)


def test_evidence_is_the_mixture_and_the_prior_in_hand() -> None:
    """Σ π·A + what is unspent."""
    assert evidence((2.0, 10.0), (0.75, 0.25), 0.5) == pytest.approx(1.5 + 2.5 + 0.5)


@pytest.mark.parametrize("weights", [RATIO_WEIGHTS, RATE_WEIGHTS, PROOF_WEIGHTS])
def test_priors_over_alternatives_sum_to_one(weights: tuple[float, ...]) -> None:
    """A prior that summed to more would break the promise."""
    assert sum(weights) == pytest.approx(1)


@pytest.mark.parametrize(("a", "c"), [(3, 9), (6, 6), (9, 2)])
@pytest.mark.parametrize("base", [0.02, 0.2, 0.6])
@pytest.mark.parametrize("limit", [1.0, 1.25, 2.0, 3.0])
def test_no_ratio_at_or_below_the_tolerated_one_makes_evidence_grow(a: int, c: int, base: float, limit: float) -> None:
    """E[L] ≤ 1 for every alternative, exactly enumerated, with a base rate that the gate does not know."""
    test = worse_ratio((1 + limit) / 2, limit)
    for ratio in (0.0, 0.5, 1.0, test.r0):
        if base * ratio <= 1:
            assert max(expected_ratio_step(test, a, c, base * ratio, base)) <= 1 + 1e-12


@pytest.mark.parametrize("base", [0.02, 0.2, 0.45])
def test_no_ratio_at_or_above_the_limit_makes_proof_grow(base: float) -> None:
    """E[L] ≤ 1 for every alternative of the reverse test at ratios of 2 and more."""
    for ratio in (2.0, 2.2):
        assert max(expected_ratio_step(better_ratio(2.0), 5, 7, base * ratio, base)) <= 1 + 1e-12


@pytest.mark.parametrize("limit", [0.001, 0.05, 0.15, 0.6, 0.95])
def test_no_rate_at_or_below_the_limit_makes_evidence_grow(limit: float) -> None:
    """E[L] ≤ 1 exactly, and equal to 1 at the limit itself."""
    test = worse_rate(limit, limit)
    assert expected_rate_step(test, 12, limit) == pytest.approx([1.0] * len(test.bads))
    assert max(expected_rate_step(test, 12, limit * 0.7)) <= 1 + 1e-12
    assert max(expected_rate_step(better_rate(limit), 12, limit)) <= 1 + 1e-12


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.02, 0.3, 0.7, 1.0])
def test_fixed_rates_stay_valid_where_multiples_leave_the_unit_interval(rate: float) -> None:
    """Whatever the frozen rate, E[L] ≤ 1 at the tolerated multiple of it, and nothing divides by zero."""
    ratios = worse_ratio(1.5, 2.0)
    above, below = fixed_rates(ratios, rate), fixed_complements(ratios, rate)
    assert max(expected_rate_step(above, 8, min(1.5 * rate, above.q0))) <= 1 + 1e-12
    assert max(expected_rate_step(below, 8, min(1 - rate / 1.5, below.q0))) <= 1 + 1e-12


def test_alternatives_of_099_and_more_are_dropped_and_the_rest_rescaled() -> None:
    """A limit of 45 % keeps 1.2, 1.4, 1.7 and 2 times it; one of 90 % falls back to half way to 1."""
    kept = worse_rate(0.45, 0.45)
    assert [pytest.approx(0.45 * factor) for factor in (1.2, 1.4, 1.7, 2.0)] == [0.45 * exp(up) for up in kept.bads]
    assert sum(kept.weights) == pytest.approx(1)
    assert worse_rate(0.9, 0.9).bads == pytest.approx([log(0.95 / 0.9)])


def test_a_strict_limit_starts_beyond_itself() -> None:
    """Where the limit itself is tolerated the smallest alternative is 1.25 times it."""
    assert worse_ratio(2.0, 2.0).rs[0] == pytest.approx(2.5)
    assert worse_ratio(1.5, 2.0).rs[0] == pytest.approx(2.0)


@given(x=st.integers(0, 10**6), good=st.integers(0, 10**6), y=st.integers(0, 10**6), rest=st.integers(0, 10**6))
def test_no_bucket_overflows(x: int, good: int, y: int, rest: int) -> None:
    """A million bad units in one bucket leave finite masses of at most the cap."""
    for test in (worse_ratio(1.5, 2.0), better_ratio(2.0)):
        masses = ratio_step((EVIDENCE_CAP,) * len(test.rs), 0.1, x, x + good, y, y + rest, test)
        assert all(0 <= mass <= EVIDENCE_CAP for mass in masses)
    for rates in (worse_rate(0.05, 0.05), better_rate(0.05)):
        masses = rate_step((EVIDENCE_CAP,) * len(rates.bads), 0.1, x, x + good, rates)
        assert all(0 <= mass <= EVIDENCE_CAP for mass in masses)


def test_one_bucket_cannot_decide_more_than_its_exponent() -> None:
    """A bucket's factor ends at e^600."""
    (mass,) = rate_step((1.0,), 0.0, 10**6, 10**6, rate_test(0.1, [0.5], [1.0]))
    assert mass == pytest.approx(exp(600))


@given(
    phases=st.integers(1, 12),
    buckets=st.integers(288, 5_000),
    visits=st.lists(st.tuples(st.integers(0, 11), st.integers(1, 300)), max_size=8),
)
def test_the_onset_prior_never_exceeds_one_and_never_ends(
    phases: int, buckets: int, visits: list[tuple[int, int]]
) -> None:
    """Whatever phases come, in whatever order, for however long: each bucket has some prior, all have 1 at most."""
    spent, unspent = 0.0, Unspent()
    for phase, stay in visits:
        for _ in range(stay):
            weight, unspent = onset_weight(Onset(phases, buckets), unspent, phase % phases)
            spent += weight
            assert weight > 0
            assert min(unspent.by_phase, unspent.by_drip) >= 0
    assert spent + unspent.total == pytest.approx(1)


def test_a_phase_brings_its_share_once() -> None:
    """Half the prior over four phases is an eighth each, and nothing for a second entry."""
    onset = Onset(4, 1_000)
    first, unspent = onset_weight(onset, Unspent(), 0)
    again, _ = onset_weight(onset, unspent, 0)
    assert (first, again) == pytest.approx((0.125 + 0.0005, 0.0005))


def test_weeks_of_waiting_leave_the_gate_seeing() -> None:
    """Ten times the planned length on, a bucket still gets prior, though less than at first."""
    onset, unspent = Onset(1, 1_000), Unspent()
    for _ in range(10_000):
        weight, unspent = onset_weight(onset, unspent, 0)
    assert 0 < weight < 0.25 / 1_000
    assert unspent.by_drip == pytest.approx(0.25 * (1 - 1 / 1_000) ** 9_500, rel=1e-6)
