"""What was measured, in a rule's own terms: rates, means, what they are compared with, and their intervals."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from gates.bounds import lower_bound, upper_bound
from gates.intervals import Arm, Estimate, alone, difference, evidence_above, evidence_below, half_width, mean_arm
from gates.intervals import share_arm as share_of
from gates.memory import Known, Trial
from gates.rules import Against, Cap, Compares, Margin, Reads, Rule, Side, count
from gates.sequential import E_PROCESSES
from gates.streaks import Looks, Streak
from rollout.model import Counts

FROZEN_CONFIDENCE = 0.95
NORMAL_95 = 1.6449
BAD, GOOD, VALUE = Reads.BAD, Reads.GOOD, Reads.VALUE  # what every look asks for, read once
LEVEL, DIFFERENCE, ABOVE = Compares.LEVEL, Compares.DIFFERENCE, Side.ABOVE


class Interval(NamedTuple):
    """The ends of what is estimated, in the rule's own terms."""

    low: float
    high: float


def level(rule: Rule, counts: Counts) -> float | None:
    """A cohort's rate or mean; None where nothing was counted."""
    total, reads = counts.total, rule.reads
    if not total:
        return None
    if reads is BAD:
        return counts.bad / total
    return (total - counts.bad) / total if reads is GOOD else counts.sum / total


def fixed_level(rule: Rule, known: Known) -> float:
    """What stands in for control: the bound of its frozen rate at which a breach is harder, or the baseline."""
    if rule.needs_control and known.frozen is not None:
        low, high = known.frozen
        return high if rule.side is Side.ABOVE else low
    return rule.baseline or 0.0


def reference(rule: Rule, control: Counts, known: Known, *, fixed: bool) -> float | None:
    """What treatment is compared with; None where there is nothing, or nothing was counted."""
    if rule.against is Against.NOTHING:
        return None
    return level(rule, control) if rule.needs_control and not fixed else fixed_level(rule, known)


def seen(rule: Rule, treatment: Counts, control: Counts, known: Known, *, fixed: bool) -> float | None:
    """What was seen in the rule's own terms, a level, ratio or difference; None where it takes a division by zero."""
    here = level(rule, treatment)
    if here is None or rule.compares is LEVEL:
        return here
    other = level(rule, control) if rule.needs_control and not fixed else fixed_level(rule, known)
    if rule.compares is DIFFERENCE:
        return None if other is None else here - other
    return here / other if other else None


def exceeded(rule: Rule, treatment: Counts, control: Counts, known: Known, *, fixed: bool) -> bool:
    """Whether the counts by themselves lie past the limit; a ratio to a control of zero is multiplied, not divided."""
    here = level(rule, treatment)
    if here is None:
        return False
    bound = rule.limit
    if rule.compares is not Compares.LEVEL:
        other = reference(rule, control, known, fixed=fixed)
        if other is None:
            return False
        bound = other * rule.limit if rule.compares is Compares.RATIO else other + rule.limit
    return here > bound if rule.side is Side.ABOVE else here < bound


def control_bounds(rule: Rule, known: Known) -> tuple[float, float]:
    """Control's rate or mean over all earlier buckets as two 95 % bounds."""
    total = known.past_total
    if rule.reads is Reads.VALUE:
        mean, spread = known.past_sum / total, max(0.0, known.past_squares / total - (known.past_sum / total) ** 2)
        reach = NORMAL_95 * sqrt(spread / total)
        return mean - reach, mean + reach
    x = count(Counts(known.past_bad, total), rule.reads)
    return lower_bound(x, total, FROZEN_CONFIDENCE), upper_bound(x, total, FROZEN_CONFIDENCE)


def shown_counts(rule: Rule, trial: Trial) -> tuple[Counts, Counts]:
    """Both cohorts' counts that a finding shows: since the evidence began, of the latest look, or of the day."""
    tests = rule.tests
    if isinstance(tests, E_PROCESSES):
        return tried_counts(rule, trial)
    if isinstance(tests, Streak):
        looks = Looks.from_flat(trial.masses)
        return looks.treatment, looks.control
    if isinstance(tests, Cap):
        return Counts(0, trial.treatment_total, trial.found), Counts()
    return tried_counts(rule, trial)


def tried_counts(rule: Rule, trial: Trial) -> tuple[Counts, Counts]:
    """Both cohorts' counts since the evidence began."""
    masses, _, _, _, treatment_bad, treatment_total, control_bad, control_total, *_ = trial
    if rule.reads is not VALUE:
        return Counts(treatment_bad, treatment_total), Counts(control_bad, control_total)
    t_sum, t_squares, c_sum, c_squares = masses
    return Counts(0, treatment_total, t_sum, t_squares), Counts(0, control_total, c_sum, c_squares)


def margin_evidence(rule: Rule, margin: Margin, trial: Trial, known: Known, *, fixed: bool) -> float:
    """The evidence of a breach now; 0 where the estimate itself does not reach what is demanded."""
    estimate = _estimate(rule, trial, known, margin.factor, fixed=fixed)
    if estimate is None:
        return 1.0
    if margin.demanding and not exceeded(rule, *tried_counts(rule, trial), known, fixed=fixed):
        return 0.0
    return _evidence(rule.side)(estimate, margin.point, margin.rho2)


def margin_proof(rule: Rule, margin: Margin, trial: Trial, known: Known, *, fixed: bool) -> float:
    """The evidence that the limit is kept, 1/β of which is a pass."""
    factor, point = {
        Compares.LEVEL: (0.0, rule.limit),
        Compares.RATIO: (rule.limit, 0.0),
        Compares.DIFFERENCE: (1.0, rule.limit),
    }[rule.compares]
    estimate = _estimate(rule, trial, known, factor, fixed=fixed)
    if estimate is None:
        return 1.0
    return _evidence(Side.BELOW if rule.side is Side.ABOVE else Side.ABOVE)(estimate, point, margin.rho2)


def interval(rule: Rule, margin: Margin, trial: Trial, known: Known, *, fixed: bool) -> Interval | None:
    """Between which ends the level, ratio or difference lies; None before there are units enough."""
    estimate = _estimate(rule, trial, known, margin.factor, fixed=fixed)
    if estimate is None:
        return None
    half, scale, origin = half_width(estimate, margin.alpha, margin.rho2), 1.0, 0.0
    if rule.compares is Compares.RATIO:
        other = reference(rule, tried_counts(rule, trial)[1], known, fixed=fixed)
        if not other or other < 0:
            return None
        scale, origin = other, margin.factor
    return Interval((estimate.value - half) / scale + origin, (estimate.value + half) / scale + origin)


def _estimate(rule: Rule, trial: Trial, known: Known, factor: float, *, fixed: bool) -> Estimate | None:
    """Treatment's level less `factor` times what it is compared with; None before there are units enough."""
    treated, controlled = tried_counts(rule, trial)
    treatment = _arm(rule, treated)
    if treatment is None:
        return None
    if rule.needs_control and not fixed:
        control = _arm(rule, controlled)
        return None if control is None else difference(treatment, control, factor)
    return alone(treatment, factor * fixed_level(rule, known) if rule.compares is not Compares.LEVEL else 0.0)


def _arm(rule: Rule, counts: Counts) -> Arm | None:
    if rule.reads is Reads.VALUE:
        return mean_arm(counts.total, counts.sum, counts.squares)
    return share_of(count(counts, rule.reads), counts.total)


def _evidence(side: Side) -> Callable[[Estimate, float, float], float]:
    return evidence_above if side is Side.ABOVE else evidence_below
