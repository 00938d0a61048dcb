"""The product: what happens next to a rollout, as a pure function of what is declared, true, known and asked.

Breaches come first, then an abort, the trees of the plan, what else people ask, and the schedule last; at most one
transition a call. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from plans.schema import OnNoData, Plan, Then
from rollout import moves
from rollout.blocks import blocks
from rollout.commands import carry_out, refusal
from rollout.findings import silence
from rollout.model import Cause, Command, Evidence, Finding, RolloutState, Status, Transition, Verb, Verdict
from rollout.moves import Why, initial, kill, restore
from rollout.obstacles import Block, current, starved
from rollout.schedule import Due, due, scheduled
from rollout.tuning import tuned

__all__ = ["Block", "Due", "blocks", "decide", "due", "initial", "kill", "refusal", "restore"]

SEVERITY = (Then.DISABLE, Then.REVERT, Then.HOLD)


def decide(
    plan: Plan, state: RolloutState, evidence: Evidence, commands: Sequence[Command], now: datetime
) -> Transition | None:
    """The one transition to make now, or None.

    An established breach outranks every person and every date, so it is in the journal before anything else can happen.
    Commands that `refusal` refuses are passed over; the caller reports them.
    """
    aborts = [command for command in commands if command.verb is Verb.ABORT]
    return (
        _breached(state, evidence, now)
        or _starved(plan, state, evidence, now)
        or _asked(plan, state, evidence, aborts, now)
        or tuned(plan, state, evidence, now)
        or _asked(plan, state, evidence, commands, now)
        or scheduled(plan, state, evidence, now)
    )


def _breached(state: RolloutState, evidence: Evidence, now: datetime) -> Transition | None:
    """The consequence of the gravest breach; several at one look give one transition."""
    breaches = [finding for finding in _findings(state, evidence) if finding.verdict is Verdict.BREACH]
    for then in SEVERITY:
        for finding in breaches:
            if finding.then is then:
                return _consequence(state, finding, now)
    return None


def _consequence(state: RolloutState, finding: Finding, now: datetime) -> Transition | None:
    why = Why(cause=Cause.CRITERION, reason=finding.reason, finding=finding)
    match finding.then:
        case Then.HOLD:
            return None if state.status is Status.HELD else moves.hold(state, now, why)
        case Then.DISABLE:
            return moves.fall(Verb.DISABLE, state, now, why)
        case _:
            return moves.fall(Verb.REVERT, state, now, why)


def _starved(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> Transition | None:
    """A revert for want of data, where the plan asks for that."""
    impatient = {criterion.text for criterion in plan.stop.criteria if criterion.on_no_data is OnNoData.REVERT}
    for finding in starved(plan, state, evidence) if state.watched else ():
        if finding.criterion in impatient:
            short = silence(plan, finding)
            why = Why(cause=Cause.NO_DATA, reason=finding.reason, finding=finding, short=short)
            return moves.fall(Verb.REVERT, state, now, why)
    return None


def _asked(
    plan: Plan, state: RolloutState, evidence: Evidence, commands: Sequence[Command], now: datetime
) -> Transition | None:
    """The first command that can be carried out."""
    for command in sorted(commands, key=lambda command: command.id):
        if refusal(plan, state, evidence, command, now) is None:
            return carry_out(plan, state, evidence, command, now)
    return None


def _findings(state: RolloutState, evidence: Evidence) -> list[Finding]:
    """The criteria's findings that may still move this rollout."""
    return [finding for finding in evidence.stops if state.watched and current(finding, state, evidence)]
