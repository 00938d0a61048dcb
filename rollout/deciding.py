"""The decision of an A/B phase at the end of its hold: ship, revert, or let a person decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from plans.schema import Plan
from rollout import moves
from rollout.model import Cause, Evidence, Finding, Role, RolloutState, Transition, Verb, Verdict
from rollout.moves import Why
from rollout.obstacles import Block, Code, current

BRANCHES = (Role.SHIP, Role.REVERT, Role.ASK)


def settled_by_test(
    plan: Plan, state: RolloutState, evidence: Evidence, now: datetime, why: Why, *, hold_skipped: bool = False
) -> Transition:
    """The branch that the phase's test comes to once `unjudged` has nothing left.

    A split that is not what the plan says makes the numbers worthless: hold. What is established for going back comes
    before what asks a person, and that before shipping. Nothing established is for a person too.
    """
    found = {finding.role: finding for finding in _found(plan, state, evidence)}
    invalid = next((finding for finding in found.values() if finding.verdict is Verdict.INVALID), None)
    if invalid:
        because = replace(why, cause=Cause.CRITERION, reason=f"invalid: {invalid.reason}", finding=invalid)
        return moves.hold(state, now, because)
    for role in (Role.REVERT, Role.ASK, Role.SHIP):
        if role in found and found[role].verdict is Verdict.BREACH:
            return _taken(role, found[role], state, now, why, hold_skipped=hold_skipped)
    words = "; ".join(f"{role} {one.criterion} not established: {one.reason}" for role, one in found.items())
    return _question(state, now, replace(why, reason=f"inconclusive: {words}"), hold_skipped=hold_skipped)


def unjudged(plan: Plan, state: RolloutState, evidence: Evidence) -> Iterator[Block]:
    """The branches of the present phase's test that no look has judged yet."""
    found = {finding.role for finding in _found(plan, state, evidence)}
    decide = plan.phases[state.phase].decide
    for role in BRANCHES if decide else ():
        condition = getattr(decide, role)
        if condition is not None and role not in found:
            yield Block(Code.STALE_EVIDENCE, f"{role} {condition.text}: not judged yet", "by itself")


def decision_blocks(plan: Plan, state: RolloutState, evidence: Evidence) -> Iterator[Block]:
    """What the present phase's test still has against leaving it."""
    if state.watched and plan.phases[state.phase].decide and not (state.decided or state.approved):
        yield from unjudged(plan, state, evidence)
        for finding in _found(plan, state, evidence):
            if finding.verdict is Verdict.INVALID:
                yield Block(Code.INVALID, finding.reason, "person")
                return


def _taken(
    role: Role, finding: Finding, state: RolloutState, now: datetime, why: Why, *, hold_skipped: bool
) -> Transition:
    why = replace(why, reason=f"{role}: {finding.criterion}; {finding.reason}", finding=finding)
    match role:
        case Role.SHIP:
            return moves.ship(state, now, why, hold_skipped=hold_skipped)
        case Role.ASK:
            return _question(state, now, why, hold_skipped=hold_skipped)
        case _:
            return moves.fall(Verb.REVERT, state, now, replace(why, cause=Cause.CRITERION))


def _question(state: RolloutState, now: datetime, why: Why, *, hold_skipped: bool) -> Transition:
    return moves.ask(state, now, why, hold_skipped=hold_skipped, reason=why.reason)


def _found(plan: Plan, state: RolloutState, evidence: Evidence) -> Iterator[Finding]:
    decide = plan.phases[state.phase].decide
    for role in BRANCHES if decide else ():
        finding = evidence.of(role, state.phase)
        if finding is not None and current(finding, state, evidence):
            yield finding
