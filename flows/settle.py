"""One rollout and its Prefect run: what to do where the two disagree; `flows.reconcile` carries it out."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType

from flows.pace import Pace
from flows.runs import age, promise

STARTING = timedelta(seconds=15)
PUNCTUAL = timedelta(seconds=1)
RESUMING = "Resuming"
LATE = "Late"


class Move(StrEnum):
    """What a comparison of one rollout with its run comes to."""

    LEAVE = "leave"
    MAKE = "make"  # there is no run for the rollout's present promise
    DRESS = "dress"  # the run should look otherwise, or nobody works on it any more
    ABORT = "abort"  # a person cancelled it
    LISTEN = "listen"  # a person answered, and no runner came to hear it


def live(kept: int, run: FlowRun | None, wanted: State, *, leased: bool, pace: Pace, real: datetime) -> Move:
    """What to do with the run of a live rollout whose present promise is `kept`."""
    if run is None or run.state is None or promise(run) != kept:
        return Move.MAKE
    match run.state.type:
        case StateType.CANCELLED | StateType.CANCELLING:
            return Move.ABORT
        case StateType.RUNNING | StateType.PENDING:
            return Move.LEAVE if at_work(run, leased=leased, pace=pace, real=real) else Move.DRESS
        case StateType.SCHEDULED if wanted.type is StateType.PAUSED and run.state.name == RESUMING:
            return Move.LEAVE if age(run, real) < timedelta(seconds=pace.late) else Move.LISTEN
        case _:
            return Move.LEAVE if alike(run.state, wanted, real) else Move.DRESS


def over(kept: int, run: FlowRun, wanted: State, *, leased: bool, pace: Pace, real: datetime) -> Move:
    """What to do with a run whose rollout has ended as `wanted` says."""
    if run.state is None or promise(run) != kept:
        return Move.LEAVE
    if run.state.type is StateType.RUNNING and at_work(run, leased=leased, pace=pace, real=real):
        return Move.LEAVE
    same = run.state.type is wanted.type and run.state.name == wanted.name
    return Move.LEAVE if same else Move.DRESS


def outdated(kept: int, run: FlowRun) -> bool:
    """Whether a run was made for an earlier promise of its rollout and still waits for something."""
    made_for = promise(run)
    stays = run.state is None or run.state.type in TERMINAL_STATES or run.state.type is StateType.RUNNING
    return made_for is not None and made_for < kept and not stays


def at_work(run: FlowRun, *, leased: bool, pace: Pace, real: datetime) -> bool:
    """Whether somebody can still be working on the run: a lease in the store says so, or it has only just begun."""
    if run.state is not None and run.state.type is StateType.PENDING:
        return age(run, real) < timedelta(seconds=pace.pending)
    return leased or age(run, real) < STARTING


def alike(state: State, wanted: State, real: datetime) -> bool:
    """Whether a sleeping run looks as it should and wakes no later than it should."""
    if state.type is not wanted.type:
        return False
    if state.type is StateType.PAUSED:
        return state.name == wanted.name and state.state_details.pause_key == wanted.state_details.pause_key
    at, soonest = state.state_details.scheduled_time, wanted.state_details.scheduled_time
    if at is None or soonest is None or at > soonest + PUNCTUAL:
        return False
    return state.name in {wanted.name, RESUMING} or (state.name == LATE and at <= real)


def earlier(state: State, wanted: State) -> State:
    """The wanted state, waking no later than the run would have: a new name must not put a wake-up off."""
    at, soonest = state.state_details.scheduled_time, wanted.state_details.scheduled_time
    if state.type is not StateType.SCHEDULED or at is None or soonest is None or soonest <= at:
        return wanted
    details = wanted.state_details.model_copy(update={"scheduled_time": at})
    return wanted.model_copy(update={"state_details": details})
