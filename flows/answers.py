"""What people did in Prefect, made into commands: an answer to a question, a cancelled run."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

from flows import approvals
from flows.house import House
from flows.identity import clicked
from rollout.model import RolloutState, Status, Verb
from state.errors import RefusedError
from state.seen import Seen
from state.step import Outcome, command

CANCELLED = "cancelled in Prefect's UI"


def take_answer(house: House, client: SyncPrefectClient, run: UUID, state: RolloutState) -> Outcome | None:
    """Carry out the answer to the open question, if there is one; it counts once, for this question of this phase.

    The answer is dropped afterwards: one that was refused must not stand in the way of the next.
    """
    if state.status is not Status.AWAITING_APPROVAL:
        return None
    answer = approvals.answer(client, run, state)
    if answer is None:
        return None
    outcome = carried_out(house, state, answer)
    approvals.refuse(client, run, state, outcome.why or "")
    approvals.forget(client, run, state)
    return outcome


def carried_out(house: House, state: RolloutState, answer: approvals.Answer | approvals.Unreadable) -> Outcome:
    """The answer made a command; one by nobody that is known, where somebody must be, is refused before that.

    A form that was opened before the question was asked anew approves nothing; it still aborts and holds.
    """
    if isinstance(answer, approvals.Unreadable):
        return Outcome(False, state.revision, "", answer.why)
    verb, seen = Verb(answer.decision), Seen(phase=state.phase, question=state.question)
    if verb is Verb.APPROVE and answer.question not in {None, state.question}:
        stale = f"stale: your answer is to question {answer.question}, {state.name} now asks question {state.question}"
        return Outcome(False, state.revision, "", stale)
    try:
        who = clicked(house, verb, answer.approver, answer.code)
    except RefusedError as error:
        return Outcome(False, state.revision, "", str(error))
    asked = house.store, state.name, verb, who.by, answer.reason, house.clock.now()
    return command(*asked, seen=seen, person=who.person)


def abort(house: House, name: str, reason: str = CANCELLED) -> Outcome:
    """Abort a rollout because somebody cancelled its run; a click has no identity, and twice is once."""
    return command(house.store, name, Verb.ABORT, approvals.UNIDENTIFIED, reason, house.clock.now())
