"""How one bucket changes what the gate remembers.

Each bucket is consumed once and in order, and evidence is taken after every one of them, so that nothing depends on how
buckets were batched into looks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gates.dispersion import dispersion, heard
from gates.estimates import control_bounds, exceeded, margin_evidence
from gates.memory import Known, Memory, Met, Record, Trial, fresh
from gates.rules import Against, Begins, Cap, Gate, Margin, Reads, Rule, Side, at_frozen, count
from gates.sequential import (
    PROOF_CAP,
    Masses,
    Onset,
    Rates,
    Ratios,
    Unspent,
    evidence,
    onset_weight,
    rate_step,
    ratio_step,
)
from gates.splits import mismatch
from gates.streaks import Looks, Streak, added, closed
from rollout.counting import MET
from rollout.model import FULL, NOT_STARTED, Bucket, Counts

NOTHING = (Counts(), Counts())


class Entry(NamedTuple):
    """The onset prior that enters with a bucket, and what is left of it afterwards."""

    weight: float
    left: float


AT_ONCE = Entry(0.0, 0.0)
E_PROCESSES = (Ratios, Rates)


def place(bucket: Bucket) -> tuple[float, int]:
    """Where a bucket stands in the order of all: (start in epoch seconds, exposure epoch)."""
    return bucket.start.timestamp(), bucket.epoch


def renewed(gate: Gate, memory: Memory, promise: int, settings_epoch: int) -> Memory:
    """Start evidence afresh: all of it with a new promise, with new settings that of criteria that hold or notify."""
    settings_epoch = max(settings_epoch, memory.settings_epoch)
    if promise > memory.promise:
        records = tuple(
            [Record(fresh(rule), _unheard(record.known)._replace(frozen=None)) for rule, record in _pairs(gate, memory)]
        )
        return Memory(memory.cursor, promise, settings_epoch, NOT_STARTED, 0, Unspent(), Unspent(), records)
    if settings_epoch > memory.settings_epoch:
        records = tuple([r if rule.lasting else Record(fresh(rule), r.known) for rule, r in _pairs(gate, memory)])
        return memory._replace(settings_epoch=settings_epoch, passing=Unspent(), records=records, met=Met())
    return memory


def frozen(gate: Gate, memory: Memory) -> Memory:
    """The memory with control's rate frozen from all buckets so far, for every rule that compares with control."""
    records = tuple([record._replace(known=_frozen(rule, record.known)) for rule, record in _pairs(gate, memory)])
    return memory._replace(records=records)


def consumed(gate: Gate, memory: Memory, bucket: Bucket) -> Memory:
    """The memory after one bucket, which must lie behind the cursor."""
    if bucket.phase == NOT_STARTED:
        return memory._replace(cursor=place(bucket), records=_before(gate, memory, bucket))
    memory = renewed(gate, memory, memory.promise, bucket.settings_epoch)
    end = bucket.end.timestamp()
    if bucket.epoch < memory.promise:
        return memory._replace(cursor=place(bucket), records=_bygone(gate, memory, bucket, end))
    lasting, lasting_left = _entry(gate.onset, memory.lasting, bucket.phase)
    passing: Entry | None = None  # where the bucket's settings are no longer in force
    passing_left = memory.passing
    if bucket.settings_epoch == memory.settings_epoch:
        passing, passing_left = _entry(gate.onset, memory.passing, bucket.phase)
    records = tuple(
        [
            _updated(rule, record, bucket, lasting if rule.lasting else passing, end)
            for rule, record in zip(gate.rules, _turned(gate, memory, bucket), strict=True)
        ]
    )
    return Memory(
        place(bucket),
        memory.promise,
        memory.settings_epoch,
        bucket.phase,
        bucket.exposure,
        lasting_left,
        passing_left,
        records,
        _met(memory, bucket),
    )


def stands_frozen(rule: Rule, known: Known, exposure: int) -> bool:
    """Whether a rule compares with control's frozen rate: at 100 %, and for a baseline from the second phase on."""
    return known.frozen is not None and (exposure == FULL or rule.against is Against.HISTORY)


def proof(rule: Rule, trial: Trial) -> float:
    """The e-process of the limit being kept; 1 where nobody asked for it."""
    tests = rule.tests
    if isinstance(tests, E_PROCESSES) and tests.proof:
        return evidence(trial.proof, tests.proof.weights, 0.0)
    return 1.0


def _pairs(gate: Gate, memory: Memory) -> zip[tuple[Rule, Record]]:
    return zip(gate.rules, memory.records, strict=True)


def _entry(onset: Onset, unspent: Unspent, phase: int) -> tuple[Entry, Unspent]:
    weight, left = onset_weight(onset, unspent, phase)
    return Entry(weight, left.by_phase + left.by_drip), left


def _before(gate: Gate, memory: Memory, bucket: Bucket) -> tuple[Record, ...]:
    """A bucket from before the rollout: it tells how control's counts scatter, and nothing else."""
    records = []
    for rule, (trial, known) in _pairs(gate, memory):
        control = bucket.counts.get(rule.key, NOTHING)[1]
        noise = heard(known.noise, control.bad, control.total)
        found = dispersion(noise)
        records.append(Record(trial, known._replace(noise=noise, power=None if found is None else 1 / found)))
    return tuple(records)


def _bygone(gate: Gate, memory: Memory, bucket: Bucket, end: float) -> tuple[Record, ...]:
    """A bucket of a promise that has ended: it still tells of control and of the event's name."""
    return tuple(
        [
            Record(trial, _unheard(_noted(rule, known, *bucket.counts.get(rule.key, NOTHING), end)))
            for rule, (trial, known) in _pairs(gate, memory)
        ]
    )


def _met(memory: Memory, bucket: Bucket) -> Met:
    """Who came for the first time, and whether they came in the shares of the phase."""
    met = memory.met if (bucket.phase, bucket.exposure) == (memory.phase, memory.exposure) else Met()
    treatment, control = bucket.counts.get(MET, NOTHING)
    if bucket.settings_epoch != memory.settings_epoch or not treatment.total + control.total:
        return met
    arrived = met.treatment + treatment.total, met.control + control.total
    return Met(*arrived, max(met.mismatch, mismatch(*arrived, bucket.exposure)))


def _turned(gate: Gate, memory: Memory, bucket: Bucket) -> tuple[Record, ...]:
    """Where a phase or full exposure begins: samples count anew, and control's rate is frozen where it is needed."""
    entered, full = bucket.phase != memory.phase, bucket.exposure == FULL != memory.exposure
    if not (entered or full):
        return memory.records
    records = []
    for rule, (trial, known) in _pairs(gate, memory):
        turned = _frozen(rule, known) if full or (entered and rule.against is Against.HISTORY) else known
        records.append(Record(trial, _unheard(turned) if entered else turned))
    return tuple(records)


def _unheard(known: Known) -> Known:
    """What is known at the beginning of a phase: nobody has been heard in it."""
    return known._replace(samples=0, treatment_heard=None, control_heard=None)


def _frozen(rule: Rule, known: Known) -> Known:
    """Control's rate over all earlier buckets as two 95 % bounds; the metric's baseline where nothing was counted."""
    if not rule.needs_control:
        return known
    if not known.past_total:
        return known._replace(frozen=(rule.baseline, rule.baseline)) if rule.baseline else known
    return known._replace(frozen=control_bounds(rule, known))


def _updated(rule: Rule, record: Record, bucket: Bucket, entry: Entry | None, end: float) -> Record:
    treatment, control = bucket.counts.get(rule.key, NOTHING)
    noted = _noted(rule, record.known, treatment, control, end)
    if entry is None or (rule.phase is not None and rule.phase != bucket.phase):
        return Record(record.trial, noted)
    tests = rule.tests
    if isinstance(tests, E_PROCESSES):
        weight, left = entry if rule.begins is Begins.ANY_TIME else AT_ONCE
        masses, proof = _tested(rule, tests, record, treatment, control, weight, bucket.exposure)
        found, peak = evidence(masses, tests.breach.weights, left), record.trial.peak
        return Record(_tried(record.trial, masses, proof, found, max(found, peak), treatment, control), noted)
    match tests:
        case Streak():
            return Record(_looked(rule, tests, record, noted, bucket), noted)
        case Margin():
            return Record(_estimated(rule, tests, record, treatment, control, bucket.exposure), noted)
        case Cap():
            return Record(_spent(tests, record.trial, bucket, treatment, control), noted)


def _tried(
    trial: Trial, masses: Masses, proof: Masses, found: float, peak: float, treatment: Counts, control: Counts
) -> Trial:
    _, _, _, _, treatment_bad, treatment_total, control_bad, control_total = trial
    return Trial(
        masses,
        proof,
        found,
        peak,
        treatment_bad + treatment.bad,
        treatment_total + treatment.total,
        control_bad + control.bad,
        control_total + control.total,
    )


def _estimated(rule: Rule, margin: Margin, record: Record, treatment: Counts, control: Counts, exposure: int) -> Trial:
    """A mean or a difference after one bucket; a decision's evidence is that of the moment."""
    trial, known = record
    sums = trial.masses
    if sums:
        more = (treatment.sum, treatment.squares, control.sum, control.squares)
        sums = tuple([one + other for one, other in zip(sums, more, strict=True)])
    tried = _tried(trial, sums, (), trial.found, trial.peak, treatment, control)
    found = margin_evidence(rule, margin, tried, known, fixed=stands_frozen(rule, known, exposure))
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


def _noted(rule: Rule, known: Known, treatment: Counts, control: Counts, end: float) -> Known:
    (
        past_bad,
        past_total,
        samples,
        bounds,
        treatment_heard,
        control_heard,
        proven,
        past_sum,
        past_squares,
        noise,
        power,
    ) = known
    return Known(
        past_bad + control.bad,
        past_total + control.total,
        samples + treatment.total,
        bounds,
        end if treatment.total else treatment_heard,
        end if control.total else control_heard,
        proven or count(treatment, rule.reads) > 0 or count(control, rule.reads) > 0,
        past_sum + control.sum,
        past_squares + control.squares,
        noise,
        power,
    )


def _tested(
    rule: Rule, tests: Ratios | Rates, record: Record, treatment: Counts, control: Counts, w: float, exposure: int
) -> tuple[Masses, Masses]:
    """Breach and proof after one bucket: by the ratio gate beside a control, by the rate gate against a fixed rate."""
    trial, known = record
    if isinstance(tests, Ratios):
        if not stands_frozen(rule, known, exposure):
            return _compared(rule, tests, record, treatment, control, w)
        tests = at_frozen(rule, tests, *(known.frozen or (0.0, 1.0)))
    a = treatment.total
    x = treatment.bad if rule.counted is Reads.BAD else a - treatment.bad
    power = known.power or 1.0
    masses = rate_step(trial.masses, w, x, a, tests.breach, power=power)
    return masses, _cut(rate_step(trial.proof, 0.0, x, a, tests.proof, power=power)) if tests.proof else ()


def _compared(
    rule: Rule, tests: Ratios, record: Record, treatment: Counts, control: Counts, w: float
) -> tuple[Masses, Masses]:
    """The ratio gate, with the arms swapped where the breach lies below."""
    upper, lower = (treatment, control) if rule.arms is Side.ABOVE else (control, treatment)
    a, c, x, y = upper.total, lower.total, upper.bad, lower.bad
    if rule.reads is Reads.GOOD:
        x, y = a - x, c - y
    trial, power = record.trial, record.known.power or 1.0
    masses = ratio_step(trial.masses, w, x, a, y, c, tests.breach, power=power)
    return masses, _cut(ratio_step(trial.proof, 0.0, x, a, y, c, tests.proof, power=power)) if tests.proof else ()


def _cut(proof: Masses) -> Masses:
    return tuple([min(mass, PROOF_CAP) for mass in proof])


zoned = lru_cache(maxsize=1_000)(ZoneInfo)
