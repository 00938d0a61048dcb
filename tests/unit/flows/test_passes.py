"""Passes and sweeps over a real store, without Prefect."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flows.advance import advance
from flows.collect import Counted, Wanted
from flows.guard import sweep, worth
from flows.house import Notes
from rollout.model import Status, Verb
from state.step import Outcome, command
from tests.unit.flows.world import World

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _advance(world: World, name: str) -> list[Verb]:
    house = world.house
    return [made.verb for made in advance(house.store, house.clock, name, house.collect)]


def test_a_late_pass_takes_one_phase_at_a_time(world: World) -> None:
    """Days late is not days ahead: each phase entered is held in full, and judged on evidence of its own."""
    world.submit("late")
    assert _advance(world, "late") == [Verb.START]
    world.pass_time(48 * HOUR)
    assert _advance(world, "late") == [Verb.ADVANCE]
    assert world.rollout("late").state.phase == 1
    assert _advance(world, "late") == []


def test_a_pass_at_the_due_instant_does_nothing_before_it(world: World) -> None:
    """A second before the hold is over nothing happens, at the instant it does."""
    world.submit("due")
    _advance(world, "due")
    world.pass_time(HOUR - timedelta(seconds=1))
    assert _advance(world, "due") == []
    world.pass_time(timedelta(seconds=1))
    assert _advance(world, "due") == [Verb.ADVANCE]


def test_the_guard_leaves_the_schedule_to_the_run_until_that_is_late(world: World) -> None:
    """A due step is taken by the guard only once the rollout's own run has been late for the whole patience."""
    world.submit("slow")
    _advance(world, "slow")
    world.pass_time(HOUR)
    assert sweep(world.house).moved == ()
    world.pass_time(timedelta(seconds=59))
    assert sweep(world.house).moved == ()
    world.pass_time(timedelta(seconds=1))
    assert sweep(world.house).moved == ("slow (advance)",)


def test_the_guard_reverts_at_once(world: World) -> None:
    """What the evidence demands is not left to anybody else."""
    world.submit("bad")
    _advance(world, "bad")
    world.bad.add("bad")
    world.pass_time(5 * MINUTE)
    assert sweep(world.house).moved == ("bad (revert)",)
    assert world.rollout("bad").state.status is Status.REVERTED


def test_the_guard_watches_while_a_person_thinks(world: World) -> None:
    """Waiting for approval switches no safety net off."""
    world.submit("asked", approval=True)
    _advance(world, "asked")
    world.pass_time(HOUR)
    assert _advance(world, "asked") == [Verb.AWAIT_APPROVAL]
    world.bad.add("asked")
    world.pass_time(5 * MINUTE)
    sweep(world.house)
    assert world.rollout("asked").state.status is Status.REVERTED


def test_quiet_rollouts_are_written_back_together(world: World) -> None:
    """One sweep asks the sources once for all rollouts of a page, and keeps what each one's evidence says."""
    names = [f"quiet-{number}" for number in range(5)]
    for name in names:
        world.submit(name)
        _advance(world, name)
    world.pass_time(5 * MINUTE)
    before = world.asked
    assert sweep(world.house).looked == 5
    assert world.asked == before + 1
    assert {world.rollout(name).evidence.at for name in names} == {world.at}


def test_nothing_is_worth_a_sweep_between_looks(world: World) -> None:
    """A rollout is looked at again when its own interval has passed, not before."""
    world.submit("calm")
    _advance(world, "calm")
    assert not worth(world.house)
    world.pass_time(5 * MINUTE)
    assert worth(world.house)
    sweep(world.house)
    assert not worth(world.house)


def test_one_broken_rollout_fails_alone(world: World) -> None:
    """A rollout whose memory cannot be read is named; its neighbours are judged, and reverted where that is due."""
    for name in ("broken", "bad"):
        world.submit(name)
        _advance(world, name)
    with world.house.store.writing() as tx:
        tx.exec_driver_sql("UPDATE evidence SET memory = '[99]' WHERE rollout_id = 1")
    world.bad.add("bad")
    world.pass_time(5 * MINUTE)
    swept = sweep(world.house)
    assert (swept.broken, swept.moved) == (("broken",), ("bad (revert)",))


def test_a_command_left_behind_is_carried_out_by_the_guard(world: World) -> None:
    """A command whose author's process died before the next step is not forgotten."""
    world.submit("left")
    _advance(world, "left")
    world.house.store.add_command("left", Verb.ABORT, "ana", "changed my mind", world.at)
    assert worth(world.house)
    world.pass_time(5 * MINUTE)
    assert sweep(world.house).moved == ("left (abort)",)


def test_whoever_comes_second_reads_again(world: World) -> None:
    """A pass that is overtaken between its reading and its commit decides anew, on what is true by then."""
    world.submit("raced")
    _advance(world, "raced")
    world.pass_time(HOUR)
    house = world.house
    overtaken: list[Outcome] = []

    def collect(wanted: Sequence[Wanted], now: datetime) -> Sequence[Counted]:
        if not overtaken:
            overtaken.append(command(house.store, "raced", Verb.HOLD, "ana", "wait", world.at))
        return house.collect(wanted, now)

    made = advance(house.store, house.clock, "raced", collect)
    assert overtaken[0].accepted
    assert made == ()
    assert world.rollout("raced").state.status is Status.HELD


def test_a_pass_whose_look_is_overtaken_leaves_the_next_to_the_guard(world: World) -> None:
    """A run that the guard overtakes while nothing is due does not try again and again, hours later each time."""
    world.submit("busy")
    _advance(world, "busy")
    house = world.house
    tries: list[datetime] = []

    def collect(wanted: Sequence[Wanted], now: datetime) -> Sequence[Counted]:
        tries.append(now)
        world.pass_time(5 * MINUTE)
        assert sweep(house).looked == 1
        return house.collect(wanted, now)

    assert advance(house.store, house.clock, "busy", collect) == ()
    assert len(tries) == 1


def test_a_refused_command_is_answered(world: World) -> None:
    """A command that makes no sense is not left pending for ever."""
    world.submit("odd")
    _advance(world, "odd")
    asked = world.house.store.add_command("odd", Verb.APPROVE, "ana", "", world.at)
    _advance(world, "odd")
    assert "odd is running" in str(world.house.store.asked(asked.id).outcome)


def test_a_late_run_is_late_for_its_own_step_only(world: World) -> None:
    """Patience starts anew with every revision."""
    world.submit("two")
    house = replace(world.house, notes=Notes())
    assert not house.late("two", 1)
    world.pass_time(MINUTE)
    assert house.late("two", 1)
    assert not house.late("two", 2)
