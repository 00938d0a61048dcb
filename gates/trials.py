"""One rule's evidence after one bucket, by each of the tests that a rule may be put to."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gates.estimates import exceeded, margin_evidence
from gates.memory import Known, Record, Trial
from gates.rules import Against, Begins, Cap, Margin, Reads, Rule, Side, at_frozen
from gates.sequential import E_PROCESSES, PROOF_CAP, Masses, Rates, Ratios, evidence, rate_step, ratio_step
from gates.streaks import Looks, Streak, added, closed
from rollout.model import FULL, Bucket, Counts

NOTHING = (Counts(), Counts())
BAD, GOOD, ABOVE, ANY_TIME = Reads.BAD, Reads.GOOD, Side.ABOVE, Begins.ANY_TIME  # what every look asks for, read once


class Entry(NamedTuple):
    """The onset prior that enters with a bucket, and what is left of it afterwards."""

    weight: float
    left: float


AT_ONCE = Entry(0.0, 0.0)


def stands_frozen(rule: Rule, known: Known, exposure: int) -> bool:
    """Whether a rule compares with control's frozen rate: at 100 %, and for a baseline from the second phase on."""
    return known.frozen is not None and (exposure == FULL or rule.against is Against.HISTORY)


def mutable(rule: Rule, known: Known, exposure: int) -> bool:
    """Whether an outage that everybody shares moves a comparison: with a limit that is fixed, or a rate that is frozen.

    A live control goes through the same outage. What a cap limits was spent all the same.
    """
    return not isinstance(rule.tests, Cap) and (not rule.needs_control or stands_frozen(rule, known, exposure))


def proof(rule: Rule, trial: Trial) -> float:
    """The e-process of the limit being kept; 1 where nobody asked for it."""
    tests = rule.tests
    if isinstance(tests, E_PROCESSES) and tests.proof:
        return evidence(trial.proof, tests.proof.weights, 0.0)
    return 1.0


def tried(rule: Rule, record: Record, noted: Known, bucket: Bucket, entry: Entry) -> Trial:
    """The trial after a bucket; `noted` is what is known with it, `entry` the onset prior that enters with it."""
    treatment, control = bucket.counts.get(rule.key, NOTHING)
    tests = rule.tests
    if isinstance(tests, E_PROCESSES):
        weight, left = entry if rule.begins is ANY_TIME else AT_ONCE
        masses, proof = _tested(rule, tests, record, treatment, control, weight, bucket.exposure)
        trial = record.trial
        found = trial.stake * evidence(masses, tests.breach.weights, left)
        return _tried(trial, masses, proof, found, max(trial.peak, found), treatment, control)
    match tests:
        case Streak():
            return _looked(rule, tests, record, noted, bucket)
        case Margin():
            return _estimated(rule, tests, record, treatment, control, bucket.exposure)
        case Cap():
            return _spent(tests, record.trial, bucket, treatment, control)


def _tried(
    trial: Trial, masses: Masses, proof: Masses, found: float, peak: float, treatment: Counts, control: Counts
) -> Trial:
    _, _, _, _, treatment_bad, treatment_total, control_bad, control_total, stake, muted = trial
    return Trial(
        masses,
        proof,
        found,
        peak,
        treatment_bad + treatment.bad,
        treatment_total + treatment.total,
        control_bad + control.bad,
        control_total + control.total,
        stake,
        muted,
    )


def _estimated(rule: Rule, margin: Margin, record: Record, treatment: Counts, control: Counts, exposure: int) -> Trial:
    """A mean or a difference after one bucket; a decision's evidence is that of the moment."""
    trial, known = record
    sums = trial.masses
    if sums:
        more = (treatment.sum, treatment.squares, control.sum, control.squares)
        sums = tuple([one + other for one, other in zip(sums, more, strict=True)])
    tried = _tried(trial, sums, (), trial.found, trial.peak, treatment, control)
    found = trial.stake * margin_evidence(rule, margin, tried, known, fixed=stands_frozen(rule, known, exposure))
    return tried._replace(found=found, peak=found if margin.demanding else max(found, trial.peak))


def _spent(cap: Cap, trial: Trial, bucket: Bucket, treatment: Counts, control: Counts) -> Trial:
    """The day's sum after one bucket, which belongs to the day that it began on."""
    day = bucket.start.astimezone(zoned(cap.zone)).date().toordinal()
    before = trial.masses[1] if trial.masses and trial.masses[0] == day else 0.0
    spent = before + treatment.sum
    return _tried(trial, (day, spent), (), spent, max(spent, trial.peak), treatment, control)


def _looked(rule: Rule, streak: Streak, record: Record, noted: Known, bucket: Bucket) -> Trial:
    """Looks after one bucket: the one before is over if this is of another, and this one if it ends with the bucket."""
    trial, known = record
    treatment, control = bucket.counts.get(rule.key, NOTHING)
    looks, window = Looks.from_flat(trial.masses), streak.window(bucket.start.timestamp())
    peak = trial.peak
    if looks.open and window != looks.window:
        looks = closed(looks, past=_crossed(rule, looks, known, bucket.exposure))
        peak = max(peak, len(looks.crossed))
    looks = added(streak, looks, window, treatment, control)
    if looks.open and streak.window(bucket.end.timestamp()) > window:
        looks = closed(looks, past=_crossed(rule, looks, noted, bucket.exposure))
    found = float(len(looks.crossed))
    return _tried(trial, looks.flat, (), found, max(peak, found), treatment, control)


def _crossed(rule: Rule, looks: Looks, known: Known, exposure: int) -> bool:
    """Whether one look by itself found the limit crossed; none does before treatment has had its `min_samples`."""
    if known.samples < rule.min_samples:
        return False
    fixed = stands_frozen(rule, known, exposure)
    return exceeded(rule, looks.treatment, looks.control, known, fixed=fixed)


def _tested(
    rule: Rule, tests: Ratios | Rates, record: Record, treatment: Counts, control: Counts, w: float, exposure: int
) -> tuple[Masses, Masses]:
    """Breach and proof after one bucket: by the ratio gate beside a control, by the rate gate against a fixed rate."""
    trial, known = record
    if isinstance(tests, Ratios):
        if not stands_frozen(rule, known, exposure):
            return _compared(rule, tests, record, treatment, control, w)
        tests = at_frozen(rule, tests, *(known.frozen or (0.0, 1.0)))
    bad, a, _, _ = treatment
    x = bad if rule.counted is BAD else a - bad
    power = known.power or 1.0
    masses = rate_step(trial.masses, w, x, a, tests.breach, power=power)
    return masses, _cut(rate_step(trial.proof, 0.0, x, a, tests.proof, power=power)) if tests.proof else ()


def _compared(
    rule: Rule, tests: Ratios, record: Record, treatment: Counts, control: Counts, w: float
) -> tuple[Masses, Masses]:
    """The ratio gate, with the arms swapped where the breach lies below."""
    upper, lower = (treatment, control) if rule.arms is ABOVE else (control, treatment)
    (x, a, _, _), (y, c, _, _) = upper, lower
    if rule.reads is GOOD:
        x, y = a - x, c - y
    trial, power = record.trial, record.known.power or 1.0
    masses = ratio_step(trial.masses, w, x, a, y, c, tests.breach, power=power)
    return masses, _cut(ratio_step(trial.proof, 0.0, x, a, y, c, tests.proof, power=power)) if tests.proof else ()


def _cut(proof: Masses) -> Masses:
    return tuple([min(mass, PROOF_CAP) for mass in proof])


zoned = lru_cache(maxsize=1_000)(ZoneInfo)
