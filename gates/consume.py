"""How one bucket changes what the gate remembers.

Each bucket is consumed once and in order, and evidence is taken after every one of them, so that nothing depends on how
buckets were batched into looks.

A bucket that begins inside an incident counts beside a live control alone. Whether it does is settled before anything
in it happens, so leaving it out is a bet of nothing on it, and every e-process stays a supermartingale, whatever made
people declare the incident (a predictable bet of 0; Waudby-Smith & Ramdas 2024, arXiv 2010.09686).
"""

from __future__ import annotations

from dataclasses import replace

from gates.dispersion import dispersion, heard
from gates.estimates import control_bounds
from gates.memory import Known, Memory, Met, Record, Trial, fresh
from gates.rules import Against, Gate, Rule, count
from gates.sequential import Onset, Unspent, onset_weight
from gates.splits import mismatch
from gates.trials import NOTHING, Entry, mutable, tried
from rollout.counting import MET
from rollout.model import FULL, NOT_STARTED, Bucket, Counts


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
        return Memory(
            memory.cursor, promise, settings_epoch, NOT_STARTED, 0, Unspent(), Unspent(), records, Met(), gate.spare
        )
    if settings_epoch > memory.settings_epoch:
        records = tuple(
            [r if rule.lasting else Record(_afresh(rule, r.trial), r.known) for rule, r in _pairs(gate, memory)]
        )
        return memory._replace(settings_epoch=settings_epoch, passing=Unspent(), records=records, met=Met())
    return memory


def _afresh(rule: Rule, trial: Trial) -> Trial:
    """Evidence from nothing, on the share of the promise that the rule had."""
    return fresh(rule)._replace(stake=trial.stake)


def frozen(gate: Gate, memory: Memory) -> Memory:
    """The memory with control's rate frozen from all buckets so far, for every rule that compares with control."""
    records = tuple(
        [record._replace(known=frozen_where_needed(rule, record.known)) for rule, record in _pairs(gate, memory)]
    )
    return memory._replace(records=records)


def consumed(gate: Gate, memory: Memory, bucket: Bucket, *, incident: bool = False) -> Memory:
    """The memory after one bucket, where it lies behind the cursor; `incident` says that it begins inside one."""
    here = place(bucket)
    if memory.cursor is not None and here <= memory.cursor:
        return memory
    if bucket.phase == NOT_STARTED:
        return memory._replace(cursor=here, records=_before(gate, memory, bucket))
    memory = renewed(gate, memory, memory.promise, bucket.settings_epoch)
    end = bucket.end.timestamp()
    if bucket.epoch < memory.promise:
        return memory._replace(cursor=here, records=_bygone(gate, memory, bucket, end, incident=incident))
    lasting, lasting_left = _entry(gate.onset, memory.lasting, bucket.phase)
    passing: Entry | None = None  # where the bucket's settings are no longer in force
    passing_left = memory.passing
    if bucket.settings_epoch == memory.settings_epoch:
        passing, passing_left = _entry(gate.onset, memory.passing, bucket.phase)
    records = tuple(
        [
            _updated(rule, record, bucket, lasting if rule.lasting else passing, end, incident=incident)
            for rule, record in zip(gate.rules, _turned(gate, memory, bucket), strict=True)
        ]
    )
    return Memory(
        here,
        memory.promise,
        memory.settings_epoch,
        bucket.phase,
        bucket.exposure,
        lasting_left,
        passing_left,
        records,
        _met(memory, bucket),
        memory.spare,
    )


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


def _bygone(gate: Gate, memory: Memory, bucket: Bucket, end: float, *, incident: bool) -> tuple[Record, ...]:
    """A bucket of a promise that has ended: it still tells of control and of the event's name."""
    records = []
    for rule, (trial, known) in _pairs(gate, memory):
        noted = _noted(rule, known, *bucket.counts.get(rule.key, NOTHING), end)
        records.append(Record(trial, _unheard(_past_of(known, noted) if incident else noted)))
    return tuple(records)


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
        turned = frozen_where_needed(rule, known) if full or (entered and rule.against is Against.HISTORY) else known
        records.append(Record(trial, _unheard(turned) if entered else turned))
    return tuple(records)


def _unheard(known: Known) -> Known:
    """What is known at the beginning of a phase: nobody has been heard in it."""
    return known._replace(samples=0, treatment_heard=None, control_heard=None)


def frozen_where_needed(rule: Rule, known: Known) -> Known:
    """Control's rate over all earlier buckets as two 95 % bounds; the metric's baseline where nothing was counted."""
    if not rule.needs_control:
        return known
    if not known.past_total:
        return known._replace(frozen=(rule.baseline, rule.baseline)) if rule.baseline else known
    return known._replace(frozen=control_bounds(rule, known))


def _updated(rule: Rule, record: Record, bucket: Bucket, entry: Entry | None, end: float, *, incident: bool) -> Record:
    """A rule after a bucket; one that is muted is judged as if nobody had come, though somebody was heard."""
    treatment, control = bucket.counts.get(rule.key, NOTHING)
    noted = _noted(rule, record.known, treatment, control, end)
    if incident:
        noted = _past_of(record.known, noted)
    muted = incident and mutable(rule, record.known, bucket.exposure)
    if muted:
        noted = noted._replace(samples=record.known.samples)
    if entry is None or (rule.phase is not None and rule.phase != bucket.phase):
        return Record(record.trial, noted)
    if muted:
        trial = tried(rule, record, noted, replace(bucket, counts={}), entry)
        return Record(trial._replace(muted=trial.muted + 1), noted)
    return Record(tried(rule, record, noted, bucket, entry), noted)


def _past_of(known: Known, noted: Known) -> Known:
    """What a bucket of an incident tells without control's past, from which a rate would be frozen."""
    return noted._replace(
        past_bad=known.past_bad,
        past_total=known.past_total,
        past_sum=known.past_sum,
        past_squares=known.past_squares,
    )


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
