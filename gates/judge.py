"""Counts into verdicts: one pure function from a rollout's memory and its new buckets to its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from gates import words
from gates.amending import amended
from gates.consume import consumed, frozen, place, renewed
from gates.estimates import interval, seen, shown_counts
from gates.memory import Known, Memory, Record, blank
from gates.rules import PROOF_NEEDED, Cap, Gate, Margin, Rule, Unsupported, compile, unsupported  # noqa: A004 - judge.compile
from gates.sequential import E_PROCESSES
from gates.splits import THRESHOLD
from gates.streaks import Looks, Streak, clean
from gates.trials import mutable, stands_frozen
from plans.schema import Plan
from rollout.counting import EVENTS
from rollout.incidents import Incident, in_force
from rollout.model import (
    FULL,
    NOT_STARTED,
    Bucket,
    Cohort,
    Evidence,
    Finding,
    Role,
    RolloutState,
    Transition,
    Verdict,
)

BREACH, PASS, INSUFFICIENT = Verdict.BREACH, Verdict.PASS, Verdict.INSUFFICIENT  # what every look asks for, read once
TREATMENT, CONTROL = Cohort.TREATMENT, Cohort.CONTROL
NO_ENDS = (None, None)
NO_PROBLEMS: Mapping[str, str] = MappingProxyType({})

__all__ = ["Gate", "Memory", "Unsupported", "compile", "freeze", "judge", "settle", "unsupported"]


class Look(NamedTuple):
    """What all criteria of one look share: `heard_phase` is that of the last bucket, `now` is in epoch seconds.

    `problems` says by metric what its source could not tell just now, `lopsided` in words that units are split wrongly,
    `incident` lasts just now.
    """

    state: RolloutState
    heard_phase: int
    now: float
    seen_events: frozenset[str]
    problems: Mapping[str, str]
    lopsided: str | None
    incident: Incident | None


def judge(
    gate: Gate,
    memory: Memory | None,
    buckets: Sequence[Bucket],
    state: RolloutState,
    now: datetime,
    seen_events: frozenset[str] = frozenset(),
    problems: Mapping[str, str] = NO_PROBLEMS,
    *,
    incidents: Sequence[Incident] = (),
) -> tuple[Memory, Evidence]:
    """The memory after all buckets not consumed before, and every criterion's finding at `now`.

    `memory` is None at the first look; `seen_events` are the event names ever seen for the flag, in any cohort. The
    words of `problems` stand in the findings on their metrics: what a source cannot tell is missing, once the plan's
    patience is over. A bucket that begins inside one of the flag's `incidents` counts beside a live control alone.
    """
    memory = renewed(gate, memory or blank(gate), state.promise, state.settings_epoch)
    for bucket in sorted(buckets, key=place):
        memory = consumed(gate, memory, bucket, incident=_inside(bucket, incidents))
    lopsided, lasts = _lopsided(memory, state), in_force(state.incident, now)
    look = Look(state, memory.phase, now.timestamp(), seen_events, problems, lopsided, lasts)
    findings = tuple([_finding(rule, record, look) for rule, record in zip(gate.rules, memory.records, strict=True)])
    return memory, Evidence(now, findings, state.promise, state.settings_epoch)


def freeze(memory: Memory, gate: Gate) -> Memory:
    """The memory with control's rate frozen from all buckets so far, for the transaction that enters 100 %.

    The first bucket at 100 % freezes again, from the same buckets and any that were still open at that transaction.
    """
    return frozen(gate, memory)


def settle(plan: Plan, transition: Transition, memory: str | None) -> str | None:
    """The stored memory that a transition is committed with.

    Entering 100 % freezes what control's rate was; an amendment keeps the evidence of what it leaves unchanged.
    """
    if memory is None:
        return None
    if transition.plan is not None:
        return amended(compile(plan), compile(transition.plan), Memory.from_json(memory)).to_json()
    if not transition.before.exposure < transition.after.exposure == FULL:
        return memory
    return freeze(Memory.from_json(memory), compile(plan)).to_json()


def _inside(bucket: Bucket, incidents: Sequence[Incident]) -> bool:
    return any(one.spans(bucket.start) for one in incidents)


def _lopsided(memory: Memory, state: RolloutState) -> str | None:
    """In words that units arrive in other shares than they should; None while nothing speaks for that."""
    if memory.met.mismatch < THRESHOLD or memory.phase != state.phase:
        return None
    return words.lopsided(memory.met, memory.exposure)


def _finding(rule: Rule, record: Record, look: Look) -> Finding:
    """One rule's finding; its fields in order, because their names would take as long as the statistics."""
    trial, known = record
    fixed = stands_frozen(rule, known, look.state.exposure)
    samples = known.samples if look.heard_phase == look.state.phase else 0
    verdict, missing = _verdict(rule, record, look, samples, fixed=fixed)
    treatment, control, found, ends = shown = _shown(rule, record, fixed=fixed)
    reason = missing or words.arithmetic(rule, record, verdict, shown, fixed=fixed)
    return Finding(
        rule.text,
        rule.then,
        verdict,
        _with_circumstances(reason, rule, record, look, verdict),
        treatment,
        control,
        trial.peak if verdict is BREACH else trial.found,
        rule.threshold,
        samples,
        found,
        rule.tolerated,
        rule.limit,
        rule.role,
        rule.place,
        *(ends or NO_ENDS),
    )


def _with_circumstances(reason: str, rule: Rule, record: Record, look: Look, verdict: Verdict) -> str:
    """What a verdict rests on, with what its source could not tell and what an incident leaves out."""
    if not (look.problems or look.incident or record.trial.muted):
        return reason
    reason = words.with_problem(reason, look.problems.get(rule.metric))
    muting = verdict is not BREACH and mutable(rule, record.known, look.state.exposure)
    return words.with_incident(reason, record.trial.muted, look.incident if muting else None)


def _shown(rule: Rule, record: Record, *, fixed: bool) -> words.Shown:
    """The numbers of a finding, in the rule's own terms."""
    tests, (trial, known) = rule.tests, record
    treatment, control = shown_counts(rule, trial)
    if isinstance(tests, Cap):
        return words.Shown(treatment, control, treatment.sum, None)
    found = seen(rule, treatment, control, known, fixed=fixed)
    ends = interval(rule, tests, trial, known, fixed=fixed) if isinstance(tests, Margin) else None
    return words.Shown(treatment, control, found, ends)


def _verdict(rule: Rule, record: Record, look: Look, samples: int, *, fixed: bool) -> tuple[Verdict, str]:
    """The verdict, and in words what stands in the way of judging; "" where it rests on the counts alone.

    A criterion's breach outranks a wrong split, that outranks what is established of a decision and missing data, and
    missing data all that would rest on data. `min_samples` keeps a phase from ending and a criterion from passing; it
    never delays a breach by evidence, which holds for any number of samples.
    """
    trial, known = record
    if rule.phase is not None and rule.phase != look.state.phase:
        return INSUFFICIENT, words.waiting(rule, "asked in another phase")
    breached = trial.peak >= rule.threshold
    if look.lopsided and rule.needs_control and not (breached and rule.role is Role.STOP):
        return Verdict.INVALID, words.invalid(rule, look.lopsided)
    if breached:
        return BREACH, ""
    if look.state.phase == NOT_STARTED:
        return INSUFFICIENT, words.waiting(rule, "not started")
    if look.state.killed:
        return INSUFFICIENT, words.waiting(rule, "the flag is killed")
    if missing := _missing(rule, known, look, fixed=fixed):
        return Verdict.NO_DATA, missing
    if not (known.proven or (rule.source == EVENTS and rule.named in look.seen_events)):
        return Verdict.UNPROVEN, words.never_seen(rule)
    passed = samples >= rule.min_samples and _passed(rule, record, fixed=fixed)
    return (PASS if passed else INSUFFICIENT), ""


def _passed(rule: Rule, record: Record, *, fixed: bool) -> bool:
    """Whether the limit is proved to be kept, where a phase demands proof; clean looks are all the proof of looks."""
    if isinstance(rule.tests, E_PROCESSES):
        return rule.tests.proof is not None and words.proved(rule, record, fixed=fixed) >= PROOF_NEEDED
    match rule.tests:
        case Streak() as streak:
            return clean(streak, Looks.from_flat(record.trial.masses))
        case Cap(proves=proves):
            return proves
        case Margin(proves=proves):
            return proves and words.proved(rule, record, fixed=fixed) >= PROOF_NEEDED


def _missing(rule: Rule, known: Known, look: Look, *, fixed: bool) -> str | None:
    """What data the rule lacks, in words: a cohort that it needs and that is silent; None where nothing is missing."""
    exposure, here = look.state.exposure, look.heard_phase == look.state.phase
    if exposure and (silence := _silence(rule, TREATMENT, known.treatment_heard if here else None, look)):
        return silence
    if fixed or not rule.needs_control:
        return None
    if exposure == FULL:
        return words.uncontrolled(rule)
    return _silence(rule, CONTROL, known.control_heard if here else None, look)


def _silence(rule: Rule, cohort: Cohort, heard: float | None, look: Look) -> str | None:
    silence = None if heard is None else look.now - heard
    if heard is not None and silence is not None and rule.expects and silence >= rule.patience:
        silence = rule.expects.seconds(datetime.fromtimestamp(heard, UTC), datetime.fromtimestamp(look.now, UTC))
    if silence is not None and silence < rule.patience:
        return None
    return words.silent(rule, cohort, silence)
