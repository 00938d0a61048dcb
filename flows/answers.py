"""What people did in Prefect, made into commands: an answer to a question, a cancelled run."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

from flows import approvals
from flows.house import House
from rollout.model import RolloutState, Status, Verb
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
    outcome = command(
        house.store,
        state.name,
        Verb(answer.decision),
        approvals.who(answer.approver),
        answer.reason,
        house.clock.now(),
        seen=Seen(phase=state.phase, question=state.question),
    )
    approvals.forget(client, run, state)
    return outcome


def abort(house: House, name: str, reason: str = CANCELLED) -> Outcome:
    """Abort a rollout because somebody cancelled its run; a click has no identity, and twice is once."""
    return command(house.store, name, Verb.ABORT, approvals.UNIDENTIFIED, reason, house.clock.now())
