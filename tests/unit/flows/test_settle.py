"""What to do where a rollout and its Prefect run disagree: every case, without a server."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateDetails, StateType
from prefect.states import Scheduled

from flows import runs, settle
from flows.pace import Pace
from flows.settle import Move

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
ASLEEP: State = Scheduled(name="Beta", scheduled_time=NOW + timedelta(hours=1))
ASKING = State(type=StateType.PAUSED, name="Waiting", state_details=StateDetails(pause_key="q2"))
ENDED = State(type=StateType.FAILED, name="Reverted: errors")


def _run(kind: StateType, name: str, *, age: float = 0, promise: int = 0, **details: object) -> FlowRun:
    at = NOW - timedelta(seconds=age)
    state = State(type=kind, name=name, timestamp=at, state_details=StateDetails.model_validate(details))
    return FlowRun(flow_id=uuid4(), state=state, idempotency_key=runs.key("search", promise))


def _live(run: FlowRun | None, wanted: State = ASLEEP, *, kept: int = 0, leased: bool = False) -> Move:
    return settle.live(kept, run, wanted, leased=leased, pace=Pace(), real=NOW)


@pytest.mark.parametrize("kind", [StateType.CANCELLED, StateType.CANCELLING])
def test_a_cancelled_run_of_a_live_rollout_is_an_abort(kind: StateType) -> None:
    """Whichever of the two states Prefect shows, a person pressed Cancel."""
    assert _live(_run(kind, "Cancelled")) is Move.ABORT


def test_a_cancelled_run_of_an_earlier_promise_aborts_nothing() -> None:
    """After a resume the run that was aborted before says nothing about the rollout that lives now."""
    assert _live(_run(StateType.CANCELLED, "Cancelled"), kept=4) is Move.MAKE


def test_a_missing_run_is_made() -> None:
    """No run, or one that somebody started by hand, is no run of the rollout."""
    assert _live(None) is Move.MAKE


@pytest.mark.parametrize("kind", [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED])
def test_an_ended_run_of_a_live_rollout_is_woken(kind: StateType) -> None:
    """A crash, or an end that the store knows nothing of, is not the end."""
    assert _live(_run(kind, "Crashed")) is Move.DRESS


@pytest.mark.parametrize(
    ("age", "leased", "expected"),
    [(5, False, Move.LEAVE), (300, True, Move.LEAVE), (300, False, Move.DRESS)],
)
def test_a_running_run_is_dead_without_a_lease(age: float, leased: bool, expected: Move) -> None:  # noqa: FBT001
    """A process that has just begun or that holds the lease is at work; any other is gone."""
    assert _live(_run(StateType.RUNNING, "Running", age=age), leased=leased) is expected


@pytest.mark.parametrize(("age", "expected"), [(59, Move.LEAVE), (61, Move.DRESS)])
def test_a_pending_run_is_given_a_minute(age: float, expected: Move) -> None:
    """Starting a process takes its time on a busy machine."""
    assert _live(_run(StateType.PENDING, "Pending", age=age)) is expected


def test_a_name_that_drifted_is_put_back_without_waking_later() -> None:
    """A new name for a sleeping run keeps the wake-up that it had."""
    soon = NOW + timedelta(seconds=30)
    run = _run(StateType.SCHEDULED, "Something else", scheduled_time=soon)
    assert _live(run) is Move.DRESS
    assert run.state is not None
    assert settle.earlier(run.state, ASLEEP).state_details.scheduled_time == soon


@pytest.mark.parametrize(("hours", "expected"), [(1, Move.LEAVE), (0, Move.LEAVE), (2, Move.DRESS)])
def test_a_run_that_would_wake_too_late_is_put_forward(hours: int, expected: Move) -> None:
    """Too early costs a wake-up, too late costs the schedule."""
    assert _live(_run(StateType.SCHEDULED, "Beta", scheduled_time=NOW + timedelta(hours=hours))) is expected


def test_prefects_own_mark_of_lateness_stays() -> None:
    """`Late` on an overdue run says that no runner comes: that is worth seeing."""
    assert _live(_run(StateType.SCHEDULED, "Late", scheduled_time=NOW - timedelta(minutes=1))) is Move.LEAVE


@pytest.mark.parametrize(("age", "expected"), [(5, Move.LEAVE), (61, Move.LISTEN)])
def test_an_answer_is_heard_even_without_a_runner(age: float, expected: Move) -> None:
    """A resumed run is its runner's to wake; after a minute the answer is taken up by the supervisor."""
    assert _live(_run(StateType.SCHEDULED, "Resuming", age=age, scheduled_time=NOW), ASKING) is expected


@pytest.mark.parametrize(("key", "expected"), [("q2", Move.LEAVE), ("q1", Move.DRESS)])
def test_a_form_of_another_question_is_replaced(key: str, expected: Move) -> None:
    """A suspended run asks the open question, not the one before."""
    assert _live(_run(StateType.PAUSED, "Waiting", pause_key=key), ASKING) is expected


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (StateType.FAILED, "Reverted: errors", Move.LEAVE),
        (StateType.CANCELLED, "Cancelled", Move.DRESS),
        (StateType.SCHEDULED, "AwaitingRetry", Move.DRESS),
        (StateType.PAUSED, "Waiting", Move.DRESS),
        (StateType.RUNNING, "Running", Move.LEAVE),
    ],
)
def test_an_ended_rollouts_run_ends_as_it_did(kind: StateType, name: str, expected: Move) -> None:
    """Retried, suspended or renamed by the runner: it is ended again, unless a process is about to do that."""
    run = _run(kind, name)
    assert settle.over(0, run, ENDED, leased=False, pace=Pace(), real=NOW) is expected


def test_a_run_of_an_earlier_promise_is_outdated_until_it_ends() -> None:
    """What still waits for an earlier promise is ended; what has ended stays, and so do other people's runs."""
    assert settle.outdated(4, _run(StateType.PAUSED, "Waiting"))
    assert not settle.outdated(4, _run(StateType.CANCELLED, "Aborted"))
    assert not settle.outdated(4, FlowRun(flow_id=uuid4(), state=ASKING))
