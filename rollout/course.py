"""Where a rollout's plan takes it from here, if every approval comes at once and nothing stops it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from plans.schema import Plan
from rollout import moves
from rollout.model import Cause, RolloutState, Status, Transition, Verb
from rollout.moves import Why
from rollout.schedule import due, take_step

FORECAST = Why(cause=Cause.SCHEDULE, reason="forecast")


def course(plan: Plan, state: RolloutState, now: datetime) -> Iterator[Transition]:
    """The transitions that lie ahead in order, approvals among them; nothing where only a person can move it.

    Raises are kept and tests come out for shipping, as in a preview.
    """
    while (move := _next(plan, state, now)) is not None:
        state, now = move.after, move.at
        yield move


def _next(plan: Plan, state: RolloutState, now: datetime) -> Transition | None:
    if state.status is Status.AWAITING_APPROVAL:
        return moves.approve(state, now, FORECAST)
    step = due(plan, state, now)
    if step is None:
        return None
    at = max(now, step.at)
    if step.what is Verb.START:
        return moves.enter(Verb.START, plan, state, 0, at, FORECAST)
    return take_step(plan, state, at, FORECAST)
