"""How many outcomes a second one process takes in, each batch acknowledged once it is on disk."""

from datetime import timedelta
from random import Random
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

from bench.world import MONDAY, SEEN, plan
from state import step
from state.clock import HandClock
from state.database import connect, migrate
from state.events import Batch, Events
from state.outcomes import Outcome
from state.store import Store

USERS, BATCHES, SIZE, ROUNDS = 20_000, 50, 100, 20


def test_ingest(benchmark: BenchmarkFixture, database_url: str) -> None:
    """Transactions of fifty batches of a hundred; outcomes a second are printed."""
    engine = connect(database_url)
    migrate(engine)
    store, rehearsed = Store(engine, "bench"), plan()
    store.submit(rehearsed, "", "bench", MONDAY)
    step.step(store, rehearsed.name, MONDAY)
    events = Events(store, HandClock(MONDAY + timedelta(minutes=1)))
    rounds = iter([_group(Random(seed), rehearsed.flag) for seed in range(ROUNDS)])
    accepted: list[int] = []

    def ingest(group: list[Batch]) -> None:
        accepted.extend(receipt.accepted for receipt in events.ingest_all(group))

    benchmark.pedantic(ingest, setup=lambda: ((next(rounds),), {}), rounds=ROUNDS)
    assert ROUNDS * BATCHES * SIZE == sum(accepted)
    measured: Any = benchmark.stats
    print(f"\noutcomes: {BATCHES * SIZE / measured.stats.median:,.0f} a second")
    engine.dispose()


def _group(random: Random, flag: str) -> list[Batch]:
    names = sorted(SEEN)
    return [
        Batch([Outcome(flag, f"user-{random.randrange(USERS)}", random.choice(names)) for _ in range(SIZE)])
        for _ in range(BATCHES)
    ]
