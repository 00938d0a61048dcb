"""Amending the plan of a live rollout: why not, what it comes to, and whether somebody must approve it first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from plans.difference import Change, Effect, difference
from plans.schema import Plan
from rollout import approving, moves
from rollout.model import Command, Evidence, RolloutState, Status, Transition, Verb, Verdict
from rollout.moves import Why, moved
from rollout.obstacles import current
from rollout.proposing import Proposal


def amended_plan(command: Command) -> Plan:
    """The plan that a command wants the rollout to run by."""
    return Plan.model_validate(command.args["plan"])


def changes(plan: Plan, state: RolloutState, new: Plan) -> tuple[Change, ...]:
    """Every change, in the light of the phases that were entered."""
    return difference(plan, new, state.seen_phases)


def waits(found: tuple[Change, ...]) -> bool:
    """Whether somebody must approve it: one looser change is enough."""
    return any(change.effect is Effect.LOOSER for change in found)


def in_words(found: tuple[Change, ...]) -> str:
    """All changes in one line, each with its effect."""
    return "; ".join(f"{change.place}: {change.words} ({change.effect})" for change in found)


def objection(plan: Plan, state: RolloutState, evidence: Evidence, command: Command) -> str | None:
    """Why a plan cannot be amended like this, with the remedy; None where it can, at once or once approved."""
    if "plan" not in command.args:
        return "an amendment is a whole plan: `sluice amend NAME FILE`"
    new = amended_plan(command)
    found = changes(plan, state, new)
    if not command.reason:
        return "give a reason: the plan was agreed on"
    if not found:
        return "this is the plan that the rollout runs by; nothing to amend"
    if fixed := [change.words for change in found if change.effect is Effect.FIXED]:
        return "; ".join(fixed)
    if breached := _breached(plan, new, state, evidence):
        return f"{breached} is breached and cannot be amended away; resume or abort first"
    if _approves(command) and (state.proposal is None or state.proposal.digest != command.args["digest"]):
        return "this amendment does not wait for an approval; look at `sluice status` again"
    return approving.objection(plan, approving.amendment(state), command.person) if _approves(command) else None


def amend(plan: Plan, state: RolloutState, command: Command, now: datetime, why: Why) -> Transition:
    """The amended plan in force; or, where it is looser or was told to wait, and nobody has approved it, a proposal.

    What was approved was approved of the former plan, so an open question is withdrawn and asked anew.
    """
    new, digest = amended_plan(command), str(command.args["digest"])
    found = changes(plan, state, new)
    told = replace(why, reason=f"{command.reason}: {in_words(found)}")
    if (waits(found) or command.args.get("waits") is True) and not _approves(command):
        return moved(Verb.PROPOSE, state, now, told, proposal=_proposed(digest, command, now))
    given = approving.with_yes(approving.amendment(state), command)
    if state.proposal and _approves(command) and not approving.enough(plan, given):
        counted = approving.counted(plan, given, why)
        return moves.count_yes(state, now, counted, proposal=replace(state.proposal, approved_by=given))
    asking = state.status is Status.AWAITING_APPROVAL
    withdrawn = {"status": Status.RUNNING, "reason": ""} if asking else {}
    agreed = {"digest": digest, "proposal": None, "approved": False, "epoch": state.revision + 1}
    return replace(moved(Verb.AMEND, state, now, told, **agreed | withdrawn), plan=new)


def _proposed(digest: str, command: Command, now: datetime) -> Proposal:
    who = command.person or command.by
    return Proposal(digest=digest, command=command.id, by=command.by, reason=command.reason, at=now, requester=who)


def _approves(command: Command) -> bool:
    return command.args.get("approves") is True


def _breached(plan: Plan, new: Plan, state: RolloutState, evidence: Evidence) -> str | None:
    """A breached criterion that the new plan does not have exactly so, metric included."""
    kept = {criterion.text: (criterion, new.metrics[criterion.when.metric]) for criterion in new.stop.criteria}
    now = {criterion.text: (criterion, plan.metrics[criterion.when.metric]) for criterion in plan.stop.criteria}
    return next(
        (
            finding.criterion
            for finding in evidence.stops
            if finding.verdict is Verdict.BREACH
            and current(finding, state, evidence)
            and kept.get(finding.criterion) != now.get(finding.criterion)
        ),
        None,
    )
