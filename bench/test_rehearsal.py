"""How long three weeks take in virtual time: 6,048 looks of four criteria, with counts made beforehand."""

from collections.abc import Callable, Sequence
from datetime import datetime

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.world import LOOK, MONDAY, SEEN, Traffic, plan, populate
from flows.advance import advance
from flows.collect import Counted, Wanted
from gates.judge import compile, freeze, judge  # noqa: A004 - the gate's own word for it
from rollout.decide import decide
from rollout.model import FULL, Bucket, RolloutState, Status
from rollout.moves import initial
from state.clock import Clock, HandClock
from state.database import connect, migrate
from state.store import Store

LOOKS = 21 * 24 * 12
BucketAt = Callable[[int, RolloutState], Bucket]


@pytest.fixture(scope="module")
def buckets() -> list[Bucket]:
    """What a healthy rollout counts in each five minutes of its three weeks."""
    traffic, made = Traffic(seed=1), list[Bucket]()

    def keep(index: int, state: RolloutState) -> Bucket:
        made.append(traffic.bucket(state, MONDAY + index * LOOK))
        return made[index]

    assert _rehearse(keep).status is Status.COMPLETED
    return made


def test_rehearsal_in_memory(benchmark: BenchmarkFixture, buckets: list[Bucket]) -> None:
    """Judge and decide alone, from submission to completion."""
    ended = benchmark.pedantic(_rehearse, (lambda index, _: buckets[index],), rounds=5, warmup_rounds=1)
    assert Status.COMPLETED == ended.status


def test_rehearsal_through_the_store(benchmark: BenchmarkFixture, buckets: list[Bucket], database_url: str) -> None:
    """The same through a database file: every look reads the rollout and commits its evidence."""
    engine = connect(database_url)
    migrate(engine)
    store, hand = Store(engine, "bench"), HandClock(MONDAY)
    clock = Clock(store, hand.now)
    populate(store, 1)

    def collect(wanted: Sequence[Wanted], now: datetime) -> Sequence[Counted]:
        closed = (now - MONDAY) // LOOK
        return [Counted(buckets[max(0, closed - 1) : closed], SEEN)] * len(wanted)

    def three_weeks() -> None:
        for _ in range(LOOKS):
            hand.at += LOOK
            advance(store, clock, "rehearsal", collect)

    benchmark.pedantic(three_weeks, rounds=1)
    assert Status.COMPLETED == store.rollout("rehearsal").state.status
    engine.dispose()


def _rehearse(bucket_at: BucketAt) -> RolloutState:
    """Run the plan on a clock that jumps from look to look; gives the state it ends in."""
    declared = plan()
    gate, memory, new = compile(declared), None, list[Bucket]()
    state = initial(declared, MONDAY)
    for index in range(LOOKS + 1):
        now = MONDAY + index * LOOK
        memory, evidence = judge(gate, memory, new, state, now, SEEN)
        while transition := decide(declared, state, evidence, (), now):
            if transition.after.exposure == FULL != state.exposure:
                memory = freeze(memory, gate)
            state = transition.after
            memory, evidence = judge(gate, memory, (), state, now, SEEN)
        if not state.status.live:
            break
        new = [bucket_at(index, state)]
    return state
