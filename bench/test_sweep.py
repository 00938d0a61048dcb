"""How long one sweep of the guard takes, and how much memory, as rollouts become many.

The sources cost nothing here: what is measured is reading, judging, deciding, and writing the evidence back.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.conftest import peak_megabytes
from bench.world import LOOK, MONDAY, collect, populate
from flows.guard import sweep
from flows.house import House
from flows.pace import Pace
from state.clock import Clock, HandClock
from state.database import connect, migrate
from state.store import Store

ROUNDS = {1_000: 10, 10_000: 5, 100_000: 2}


@pytest.mark.parametrize("rollouts", ROUNDS)
def test_sweep(benchmark: BenchmarkFixture, database_url: str, tmp_path: Path, rollouts: int) -> None:
    """One sweep over N live rollouts with four criteria each, all of them quiet."""
    engine = connect(database_url)
    migrate(engine)
    store, hand = Store(engine, "bench"), HandClock(MONDAY)
    clock = Clock(store, hand.now)
    populate(store, rollouts)
    house = House(store=store, clock=clock, collect=collect, process="bench", folder=tmp_path, pace=Pace())

    def later() -> None:
        hand.at += LOOK

    later()
    sweep(house)
    swept = benchmark.pedantic(sweep, (house,), setup=later, rounds=ROUNDS[rollouts])
    assert (rollouts, (), ()) == (swept.looked, swept.moved, swept.broken)
    assert hand.at < MONDAY + timedelta(days=3), "still in the first phase"
    benchmark.extra_info["peak MB"] = round(peak_megabytes())
    engine.dispose()
