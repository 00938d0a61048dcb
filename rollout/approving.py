"""Whose yes counts: the plan's approvers, each once, as many as it takes, and for as long as the question stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from plans.approval import Approval, Lapse, demanded, demanding, either
from plans.schema import Plan
from plans.timeline import later, local
from rollout import moves
from rollout.model import Cause, Command, RolloutState, Status, Transition, Verb
from rollout.moves import Why

LAPSES = {Lapse.HOLD: Verb.HOLD, Lapse.ABORT: Verb.ABORT}


@dataclass(frozen=True, slots=True)
class Ballot:
    """One thing that people say yes to: who asked for it, and who has said yes so far."""

    requester: str
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lapsing:
    """When an open question lapses, and what follows."""

    at: datetime
    then: Verb


def question(state: RolloutState) -> Ballot:
    """The question whether the next phase may begin."""
    return Ballot(state.requester, state.approved_by)


def amendment(state: RolloutState) -> Ballot:
    """The amendment that waits; nobody has said yes where none does."""
    return Ballot(state.proposal.requester, state.proposal.approved_by) if state.proposal else Ballot("")


def objection(plan: Plan, ballot: Ballot, person: str | None) -> str | None:
    """Why somebody's yes does not count, with the remedy; None where it does.

    `person` is whoever they are known to be, None where nobody vouches for them. A plan that demands nothing takes
    anybody's yes.
    """
    if not demanding(plan):
        return None
    rest = f"it takes {demanded(plan)}"
    if person is None:
        return (
            f"{rest}, and nobody vouches for who you are: approve with your own key or code, "
            "or where there are no keys, give your name"
        )
    if plan.approvers and not _among(person, plan.approvers):
        return f"{person} is not one of the approvers; {_others(plan, ballot)}"
    if not plan.requester_may_approve and _same(person, ballot.requester):
        return f"{person} asked for this and may not approve it; {_others(plan, ballot)}"
    if _among(person, ballot.given):
        return f"{person} has approved this already, {_count(plan, ballot)}; {_others(plan, ballot)}"
    return None


def late(plan: Plan, state: RolloutState, at: datetime) -> str | None:
    """Why an answer comes too late for the open question; None where it does not."""
    lapse = lapsing(plan, state)
    if lapse is None or at < lapse.at:
        return None
    anew = "; resume asks anew" if lapse.then is Verb.HOLD else ""
    return f"the question lapsed {local(plan, lapse.at)}, then {lapse.then}{anew}"


def with_yes(ballot: Ballot, command: Command) -> tuple[str, ...]:
    """Everybody who has said yes once this command counts."""
    return (*ballot.given, command.person or command.by)


def counted(plan: Plan, given: tuple[str, ...], why: Why) -> Why:
    """Why, with how far it has come where one yes is not enough."""
    return replace(why, reason=f"{why.reason} ({tally(plan, given)})") if plan.approvals > 1 else why


def enough(plan: Plan, given: tuple[str, ...]) -> bool:
    """Whether these are as many as it takes."""
    return len(given) >= plan.approvals


def tally(plan: Plan, given: tuple[str, ...]) -> str:
    """How far it has come: `1 of 2 approvals`."""
    return f"{len(given)} of {plan.approvals} approval{'s' * (plan.approvals != 1)}"


def unapprovable(plan: Plan, requester: str) -> str | None:
    """Why a plan can never be approved if this person submits it, with the remedy; None where it can."""
    if plan.requester_may_approve or not _among(requester, plan.approvers):
        return None
    others = len(plan.approvers) - 1
    if others >= plan.approvals:
        return None
    return (
        f"{requester} may not approve what {requester} submits, and without them {others} of the approvers are left "
        f"where it takes {plan.approvals}; let somebody else submit it, or name another approver"
    )


def lapsing(plan: Plan, state: RolloutState) -> Lapsing | None:
    """When the open question lapses; None where none is open, or it stands for ever."""
    approval = _asked(plan, state)
    if approval is None or approval.expires is None:
        return None
    return Lapsing(later(plan, state.since, approval.expires), LAPSES[approval.then])


def lapsed(plan: Plan, state: RolloutState, now: datetime) -> Transition | None:
    """What follows where nobody answered in time: never more exposure."""
    lapse, approval = lapsing(plan, state), _asked(plan, state)
    if lapse is None or approval is None or approval.expires is None or now < lapse.at:
        return None
    came = f", {tally(plan, state.approved_by)}" if plan.approvals > 1 else ""
    phase = plan.phases[state.phase].name
    why = Why(cause=Cause.SCHEDULE, reason=f"not approved to leave {phase} within {approval.expires.text}{came}")
    return moves.hold(state, now, why) if lapse.then is Verb.HOLD else moves.fall(Verb.ABORT, state, now, why)


def standing(plan: Plan, state: RolloutState) -> Iterator[str]:
    """What a reader of the open question should know beside the question, a sentence each."""
    if demanding(plan):
        yield f"it takes {demanded(plan)}"
        yield progress(plan, question(state))
    if lapse := lapsing(plan, state):
        yield f"the question lapses {local(plan, lapse.at)}, then {lapse.then}"


def progress(plan: Plan, ballot: Ballot) -> str:
    """How many are in, by whom, and who is asked now."""
    return f"{_count(plan, ballot)}; {_others(plan, ballot)}"


def question_json(plan: Plan, state: RolloutState) -> dict[str, Any] | None:
    """The open question as `status` gives it; None where none is open."""
    if state.status is not Status.AWAITING_APPROVAL:
        return None
    lapse = lapsing(plan, state)
    return ballot_json(plan, question(state)) | {
        "lapses": lapse and lapse.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "then": lapse and str(lapse.then),
        "standing": list(standing(plan, state)),
    }


def ballot_json(plan: Plan, ballot: Ballot) -> dict[str, Any]:
    """Who may say yes to something, how many it takes, and who has."""
    return {
        "approvers": list(plan.approvers),
        "approvals": plan.approvals,
        "approved_by": list(ballot.given),
        "excluded": None if plan.requester_may_approve else ballot.requester,
        "progress": progress(plan, ballot),
    }


def _asked(plan: Plan, state: RolloutState) -> Approval | None:
    return plan.phases[state.phase].approval if state.status is Status.AWAITING_APPROVAL else None


def _count(plan: Plan, ballot: Ballot) -> str:
    people = f" ({', '.join(ballot.given)})" if ballot.given else ""
    return f"{tally(plan, ballot.given)}{people}"


def _others(plan: Plan, ballot: Ballot) -> str:
    """Who may still say yes."""
    spent = ballot.given if plan.requester_may_approve else (*ballot.given, ballot.requester)
    left = [person for person in plan.approvers if not _among(person, spent)]
    if plan.approvers:
        return f"{either(left)} may approve" if left else "nobody else may approve"
    own = "" if plan.requester_may_approve else f" but {ballot.requester}"
    return f"anybody else{own} may approve" if ballot.given else f"anybody{own} may approve"


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _among(person: str, people: tuple[str, ...]) -> bool:
    return any(_same(person, one) for one in people)
