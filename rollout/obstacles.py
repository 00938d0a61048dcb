"""The kinds of obstacle, what makes a finding count, and what the criteria have against leaving a phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from plans.hours import expected
from plans.schema import Criterion, OnNoData, Phase, Plan, Then
from plans.timeline import local
from rollout.incidents import in_force, said
from rollout.model import Evidence, Finding, Role, RolloutState, Transition, Verb, Verdict

LOOKS_MISSED = 2
GROWING = frozenset({Verb.START, Verb.ADVANCE, Verb.COMPLETE, Verb.ADJUST, Verb.TUNE})


class Code(StrEnum):
    """The kinds of obstacle."""

    HELD = "held"
    APPROVAL = "approval"
    OBSERVING = "observing"
    KILLED = "killed"
    WINDOW = "window"
    FREEZE = "freeze"
    INCIDENT = "incident"
    BREACH = "breach"
    NO_DATA = "no_data"
    UNPROVEN = "unproven"
    INVALID = "invalid"
    MIN_SAMPLES = "min_samples"
    NOT_PASSED = "not_passed"
    STALE_EVIDENCE = "stale_evidence"


@dataclass(frozen=True, slots=True)
class Block:
    """One obstacle in words, and whether it takes a person to clear it."""

    code: Code
    text: str
    clears: Literal["by itself", "person"]


def incident_words(plan: Plan, state: RolloutState, now: datetime) -> str | None:
    """The incident that keeps a rollout from growing, in the plan's own zone; None while there is none."""
    one = in_force(state.incident, now)
    return said(one, local(plan, one.since), local(plan, one.over_at)) if one else None


def waits_for_incidents(transition: Transition) -> bool:
    """Whether a transition may not be made during an incident: what grows, and what the schedule changes."""
    return transition.verb in GROWING or transition.after.exposure > transition.before.exposure


def criteria_blocks(plan: Plan, state: RolloutState, evidence: Evidence) -> Iterator[Block]:
    """What the criteria have against leaving the present phase."""
    found = {finding.criterion: finding for finding in evidence.stops if current(finding, state, evidence)}
    for criterion in plan.stop.criteria:
        if criterion.then is Then.NOTIFY:
            continue
        if criterion.text in found:
            yield from _objections(found[criterion.text], criterion, plan.phases[state.phase])
        else:
            yield Block(Code.STALE_EVIDENCE, f"{criterion.text}: not judged yet", "by itself")


def current(finding: Finding, state: RolloutState, evidence: Evidence) -> bool:
    """Whether a finding speaks of the present promise and, unless it lasts, of the present settings."""
    return evidence.promise == state.promise and (_lasts(finding) or evidence.settings_epoch == state.settings_epoch)


def starved(plan: Plan, state: RolloutState, evidence: Evidence) -> tuple[Finding, ...]:
    """The findings whose data has been missing for the plan's patience, a phase's first moments forgiven.

    While the flag is killed silence is expected, and nothing is missing.
    """
    if state.entered is None or evidence.at is None or state.killed:
        return ()
    criteria = {c.text: c for c in plan.stop.criteria}
    return tuple(
        finding
        for finding in evidence.stops
        if finding.verdict is Verdict.NO_DATA
        and current(finding, state, evidence)
        and finding.criterion in criteria
        and _silent_long(plan, criteria[finding.criterion], state.entered, evidence.at)
    )


def holding(plan: Plan, state: RolloutState, evidence: Evidence) -> Iterator[Finding]:
    """The starved findings that keep a rollout from growing for as long as nothing is heard."""
    waits = {criterion.text for criterion in plan.stop.criteria if criterion.on_no_data is not OnNoData.IGNORE}
    return (finding for finding in starved(plan, state, evidence) if finding.criterion in waits)


def _silent_long(plan: Plan, criterion: Criterion, entered: datetime, at: datetime) -> bool:
    """Whether the phase is as old as the patience with silence, in the hours in which data is expected."""
    patience = (criterion.no_data_after or plan.stop.no_data_after).timedelta
    hours = expected(plan, criterion)
    return at - entered >= patience and (not hours or hours.seconds(entered, at) >= patience.total_seconds())


def stale(plan: Plan, evidence: Evidence, now: datetime) -> bool:
    """Whether the last look is older than two intervals of the plan's own."""
    interval: timedelta = plan.stop.check_every.timedelta
    return evidence.at is None or evidence.at < now - LOOKS_MISSED * interval


def _lasts(finding: Finding) -> bool:
    """Whether a change of settings leaves it standing: a criterion that ends the rollout, the comparison of a test."""
    if finding.role is Role.STOP:
        return finding.then in {Then.REVERT, Then.DISABLE}
    return finding.role in {Role.SHIP, Role.REVERT, Role.ASK}


def _objections(finding: Finding, criterion: Criterion, phase: Phase) -> Iterator[Block]:
    missing = finding.verdict in {Verdict.NO_DATA, Verdict.UNPROVEN}
    if finding.verdict in {Verdict.BREACH, Verdict.INVALID}:
        yield Block(Code(finding.verdict), finding.reason, "person")
    elif missing and criterion.on_no_data is not OnNoData.IGNORE:
        yield Block(Code(finding.verdict), finding.reason, "by itself")
    elif finding.samples < criterion.min_samples:
        text = f"{criterion.text}: {finding.samples} of {criterion.min_samples} units seen in {phase.name}"
        yield Block(Code.MIN_SAMPLES, text, "by itself")
    elif phase.advance == "pass" and finding.verdict is not Verdict.PASS:
        yield Block(Code.NOT_PASSED, f"{phase.name} needs proof: {finding.reason}", "by itself")
