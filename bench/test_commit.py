"""How many transitions a second one connection commits, each with its lines in both journals and its notice."""

from datetime import timedelta
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

from bench.world import MONDAY, plan
from rollout.decide import decide
from rollout.model import Verb
from state import step
from state.database import connect, migrate
from state.store import Store

ROUNDS = 1_000


def test_commit(benchmark: BenchmarkFixture, database_url: str) -> None:
    """Holds and resumes of one rollout, one after the other, durably."""
    engine = connect(database_url)
    migrate(engine)
    store, rehearsed = Store(engine, "bench"), plan()
    store.submit(rehearsed, "", "bench", MONDAY)
    step.step(store, rehearsed.name, MONDAY)

    def decided() -> tuple[tuple[Any, ...], dict[str, Any]]:
        found = store.rollout(rehearsed.name)
        verb = Verb.RESUME if found.state.revision % 2 == 0 else Verb.HOLD
        asked = store.add_command(rehearsed.name, verb, "bench", "", MONDAY + timedelta(seconds=found.state.revision))
        made = decide(rehearsed, found.state, found.evidence, (asked,), asked.at)
        assert made is not None
        return (made, found.evidence, found.memory, found.evidence_version), {}

    benchmark.pedantic(store.commit, setup=decided, rounds=ROUNDS)
    assert ROUNDS + 1 == store.rollout(rehearsed.name).state.revision
    engine.dispose()
