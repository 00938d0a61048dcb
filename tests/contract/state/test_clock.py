"""The accelerated clock: shared by processes, stopped where somebody must act, never going back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rollout.model import Verb
from state import step
from state.clock import Clock
from state.store import Look, Settled, Store
from state.tables import ClockKind
from tests.contract.state.story import BEGIN, DAY, judged, plan, started, submitted

REAL = datetime(2030, 1, 1, tzinfo=UTC)
RATE = 1_000_000.0  # a second is more than eleven days


class Wall:
    """A machine's clock that a test turns."""

    def __init__(self) -> None:
        self.at = REAL

    def __call__(self) -> datetime:
        """The machine's time."""
        return self.at

    def pass_(self, seconds: float) -> None:
        """Let real time pass."""
        self.at += timedelta(seconds=seconds)


def test_a_real_clock_is_the_machines_own(store: Store) -> None:
    """Unless somebody accelerated it, a store's clock is the wall's."""
    wall = Wall()
    clock = Clock(store, wall)
    assert (ClockKind.REAL, REAL, REAL) == (clock.kind, clock.now(), clock.real())
    assert REAL - timedelta(seconds=2) == clock.settled(clock.now())


def test_processes_share_one_accelerated_clock(store: Store) -> None:
    """Every process reads the same virtual instant from the store."""
    wall = Wall()
    Clock(store, wall).accelerate(BEGIN, 60.0)
    wall.pass_(10)
    assert BEGIN + timedelta(minutes=10) == Clock(store, wall).now()
    assert 30.0 == Clock(store, wall).due_in_real(BEGIN + timedelta(minutes=40))


def test_the_clock_stops_at_a_due_instant_until_a_pass_settled_it(store: Store) -> None:
    """However long a pass takes, it happens at its instant; then the clock goes on from there."""
    wall, clock = _accelerated(store)
    started(store)
    wall.pass_(100)
    due = BEGIN + 3 * DAY
    assert due == clock.now()
    step.step(store, "search-v2", due)
    wall.pass_(100)
    assert due == clock.now(), "a question is open"
    step.command(store, "search-v2", Verb.APPROVE, "pm", "fine", due)
    assert due == clock.now(), "growth is due"
    step.step(store, "search-v2", due, judged(store.rollout("search-v2"), plan(), due))
    wall.pass_(0.01)
    assert due < clock.now() <= due + timedelta(seconds=0.26 * RATE)


def test_a_pass_that_finds_a_step_blocked_lets_the_clock_go_on(store: Store) -> None:
    """A step that waits for evidence does not stop time; a look that decides nothing does not settle it."""
    wall, clock = _accelerated(store)
    started(store)
    step.command(store, "search-v2", Verb.EXTEND, "pm", "", BEGIN, args={"duration": "1d"})
    due = BEGIN + 4 * DAY
    wall.pass_(100)
    assert due == clock.now()
    _look(store, due, None)
    assert due == clock.now()
    _look(store, due, Settled(at=due, revision=2, due_at=due))
    wall.pass_(1)
    assert due < clock.now()


def test_the_clock_waits_for_what_the_application_reports(store: Store) -> None:
    """Time never runs past the last instant for which outcomes were reported, and reports do not shrink."""
    wall, clock = _accelerated(store)
    clock.report(BEGIN + timedelta(hours=1))
    wall.pass_(5)
    assert BEGIN + timedelta(hours=1) == clock.now() == clock.settled(clock.now())
    clock.report(BEGIN)
    assert BEGIN + timedelta(hours=1) == clock.now()


def test_the_clock_never_goes_back(store: Store) -> None:
    """A rollout that is due in the past of a running clock stops it where it is."""
    wall, clock = _accelerated(store)
    wall.pass_(0.1)
    before = clock.now()
    submitted(store)
    wall.pass_(0.1)
    assert before == clock.now()


def test_a_stop_does_not_make_the_clock_leap_afterwards(store: Store) -> None:
    """After a long wait for a person, time goes on at its rate, not at once to where it would have been."""
    wall = Wall()
    clock = Clock(store, wall)
    clock.accelerate(BEGIN, 60.0)
    clock.report(BEGIN + timedelta(minutes=1))
    wall.pass_(3_600)
    clock.now()
    clock.report(BEGIN + DAY)
    wall.pass_(1)
    assert BEGIN + timedelta(minutes=2) == clock.now()


def _accelerated(store: Store) -> tuple[Wall, Clock]:
    wall = Wall()
    clock = Clock(store, wall)
    clock.accelerate(BEGIN, RATE)
    return wall, clock


def _look(store: Store, now: datetime, settled: Settled | None) -> None:
    (live,) = store.live()
    evidence, version = judged(store.rollout(live.name), plan(), now).evidence, live.evidence_version
    look = Look(id=live.id, name=live.name, evidence_version=version, evidence=evidence, memory=None, settled=settled)
    assert () == store.look([look])
