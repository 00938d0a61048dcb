"""Anytime-valid tests of a ratio and of a rate, as mixtures over when a fault begins and how large it is.

An e-process starts at 1, is never negative, and under its null hypothesis has expectation at most 1 at any stopping
time, so by Ville's inequality it ever reaches 1/a with probability at most a, however often one looks.

Sources: Lindon & Malek 2022 (arXiv 2011.03567) for conditioning two count streams on their total; Howard, Ramdas,
McAuliffe & Sekhon 2021 (arXiv 1810.08240) for mixtures of supermartingales; Shin, Ramdas & Rinaldo 2022
(arXiv 2203.03532) for mixtures over the onset; Waudby-Smith & Ramdas 2023 (arXiv 2010.09686) for the bounded rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from operator import mul
from typing import NamedTuple

EXPONENT_CAP = 600.0  # exp(709) is the last finite one
EVIDENCE_CAP = 1e290
PROOF_CAP = 1e3  # a supermartingale cut off from above is still one; a low cut keeps "pass" from outliving health
RATE_CEILING = 0.99
RATE_FLOOR = 1e-6

RATIO_FACTORS = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0)
STRICT_FACTORS = (1.25, 1.5, 2.0, 2.5, 3.5, 5.0, 8.0)
RATIO_WEIGHTS = (0.25, 0.15, 0.15, 0.15, 0.12, 0.10, 0.08)
RATE_FACTORS = (1.2, 1.4, 1.7, 2.0, 2.5, 3.5)
TOLERANT_FACTORS = (1.0, 1.2, 1.4, 1.7, 2.0, 2.5)
RATE_WEIGHTS = (0.2, 0.2, 0.2, 0.15, 0.15, 0.1)
PROOF_FACTORS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75)
PROOF_WEIGHTS = (0.05, 0.15, 0.20, 0.35, 0.15, 0.10)

Masses = tuple[float, ...]


class RatioTest(NamedTuple):
    """Null ratio `r0` against the points `rs` with prior `weights`; `logs` are ln(r/r0), `reach` is the largest."""

    r0: float
    rs: tuple[float, ...]
    logs: tuple[float, ...]
    weights: tuple[float, ...]
    reach: float


class RateTest(NamedTuple):
    """Null rate `q0` against points with prior weights; `bads` are ln(q/q0), `goods` ln((1-q)/(1-q0))."""

    q0: float
    bads: tuple[float, ...]
    goods: tuple[float, ...]
    weights: tuple[float, ...]


class Ratios(NamedTuple):
    """A ratio limit's two tests: that it is exceeded and, where a phase demands proof, that it is kept."""

    breach: RatioTest
    proof: RatioTest | None


class Rates(NamedTuple):
    """A rate limit's two tests, as those of a ratio limit."""

    breach: RateTest
    proof: RateTest | None


E_PROCESSES = (Ratios, Rates)


class Onset(NamedTuple):
    """How the prior of "the fault begins in this bucket" is spread: over `phases` and over `buckets` of the plan."""

    phases: int
    buckets: int


class Unspent(NamedTuple):
    """What is left of the onset prior: the half for phases, the half that drips, and the phases already paid."""

    by_phase: float = 0.5
    by_drip: float = 0.5
    entered: tuple[int, ...] = ()

    @property
    def total(self) -> float:
        """The mass not yet given to any bucket: what the e-process keeps in hand."""
        return self.by_phase + self.by_drip


def ratio_test(r0: float, rs: Sequence[float], weights: Sequence[float]) -> RatioTest:
    """A test of treatment's rate being at most `r0` times control's (at least, where every point lies below `r0`)."""
    logs = tuple(log(r / r0) for r in rs)
    return RatioTest(r0, tuple(rs), logs, tuple(weights), max(map(abs, logs)))


def rate_test(q0: float, qs: Sequence[float], weights: Sequence[float]) -> RateTest:
    """A test of a rate being at most `q0` (at least, where every point lies below); rates strictly inside (0, 1)."""
    bads = tuple(log(q / q0) for q in qs)
    goods = tuple(log((1 - q) / (1 - q0)) for q in qs)
    return RateTest(q0, bads, goods, tuple(weights))


def worse_ratio(tolerated: float, limit: float) -> RatioTest:
    """The breach test of a ratio limit; where nothing above the limit is tolerated the points start beyond it."""
    factors = RATIO_FACTORS if tolerated < limit else STRICT_FACTORS
    return ratio_test(tolerated, [limit * factor for factor in factors], RATIO_WEIGHTS)


def better_ratio(limit: float) -> RatioTest:
    """The reverse test of a ratio limit: evidence that the ratio lies below it."""
    return ratio_test(limit, [limit * factor for factor in PROOF_FACTORS], PROOF_WEIGHTS)


def worse_rate(tolerated: float, limit: float) -> RateTest:
    """The breach test of a share limit; points of 0.99 and more are dropped and the prior rescaled."""
    factors = RATE_FACTORS if tolerated == limit else TOLERANT_FACTORS
    kept = [(limit * factor, weight) for factor, weight in zip(factors, RATE_WEIGHTS, strict=True)]
    kept = [(q, weight) for q, weight in kept if q < RATE_CEILING] or [((1 + limit) / 2, 1.0)]
    total = sum(weight for _, weight in kept)
    return rate_test(tolerated, [q for q, _ in kept], [weight / total for _, weight in kept])


def better_rate(limit: float) -> RateTest:
    """The reverse test of a share limit: evidence that the share lies below it."""
    return rate_test(limit, [limit * factor for factor in PROOF_FACTORS], PROOF_WEIGHTS)


def fixed_rates(test: RatioTest, rate: float) -> RateTest:
    """A ratio test against a fixed `rate`: null r0·rate, points r·rate, kept in order and inside (0, 1)."""
    return _clipped([test.r0 * rate, *(r * rate for r in test.rs)], test.weights)


def fixed_complements(test: RatioTest, rate: float) -> RateTest:
    """The swapped test, `rate` over treatment's, on the units without the event: null 1-rate/r0, points 1-rate/r."""
    return _clipped([1 - rate / test.r0, *(1 - rate / r for r in test.rs)], test.weights)


def ratio_step(
    masses: Masses, w: float, x: int, a: int, y: int, c: int, test: RatioTest, *, power: float = 1.0
) -> Masses:
    """A ← (A + w)·L for one bucket: x bad of a in the numerator's arm, y of c in the other, `w` the prior entering it.

    L = (r/r0)^x · ((a·r0 + c)/(a·r + c))^(x+y): given the total x+y, x is binomial with share a·r/(a·r + c)
    (Lindon & Malek 2022, section 4), so that a base rate common to both arms cancels. L is taken to the `power`.
    """
    bad = x + y
    if not (bad and a and c):
        return tuple([mass + w for mass in masses])
    r0, rs, logs, _, reach = test
    null = log(a * r0 + c)
    if power == 1 and bad * reach < EXPONENT_CAP:  # no point's exponent can exceed this
        grown = [
            (mass + w) * exp(x * s + bad * (null - log(a * r + c))) for mass, r, s in zip(masses, rs, logs, strict=True)
        ]
    else:
        exponents = [power * (x * s + bad * (null - log(a * r + c))) for r, s in zip(rs, logs, strict=True)]
        grown = [(mass + w) * exp(min(e, EXPONENT_CAP)) for mass, e in zip(masses, exponents, strict=True)]
    return _capped(grown)


def rate_step(masses: Masses, w: float, x: int, a: int, test: RateTest, *, power: float = 1.0) -> Masses:
    """A ← (A + w)·L for one bucket of x bad of a; L = (q/q0)^x · ((1-q)/(1-q0))^(a-x), Wald's, to the `power`."""
    good = a - x
    _, bads, goods, _ = test
    if (
        power == 1 and x * bads[-1] + good * goods[0] < EXPONENT_CAP
    ):  # as above: one of the two terms is negative at every point
        grown = [(mass + w) * exp(x * up + good * down) for mass, up, down in zip(masses, bads, goods, strict=True)]
    else:
        exponents = [power * (x * up + good * down) for up, down in zip(bads, goods, strict=True)]
        grown = [(mass + w) * exp(min(e, EXPONENT_CAP)) for mass, e in zip(masses, exponents, strict=True)]
    return _capped(grown)


def evidence(masses: Masses, weights: Sequence[float], unspent: float) -> float:
    """E = Σ π·A + the prior not yet spent, a mixture of e-processes (Howard et al. 2021; Shin et al. 2022)."""
    return float(sum(map(mul, weights, masses))) + unspent


def onset_weight(onset: Onset, unspent: Unspent, phase: int) -> tuple[float, Unspent]:
    """The prior that enters with a bucket of `phase`, and what is left after it; all of it never exceeds 1.

    The phases share half of the prior evenly, each paid with its first bucket ever. The other half drips over the
    planned buckets until half of it is left, and from then on loses the same share of the rest, so that it never ends.
    """
    by_phase, by_drip, entered = unspent
    drip = (0.5 if by_drip > 0.25 else by_drip) / onset.buckets  # noqa: PLR2004 - quarters of the whole prior
    if phase in entered:
        return drip, Unspent(by_phase, by_drip - drip, entered)
    entry = min(0.5 / onset.phases, by_phase)
    return drip + entry, Unspent(by_phase - entry, by_drip - drip, (*entered, phase))


def _clipped(rates: list[float], weights: tuple[float, ...]) -> RateTest:
    q0, *qs = (min(max(rate, RATE_FLOOR), RATE_CEILING) for rate in rates)
    return rate_test(q0, qs, weights)


def _capped(masses: list[float]) -> Masses:
    if max(masses) > EVIDENCE_CAP:
        return tuple([min(mass, EVIDENCE_CAP) for mass in masses])
    return tuple(masses)
