"""How long a whole rehearsal takes: made-up traffic, looks, passes and journal through a real store."""

from pytest_benchmark.fixture import BenchmarkFixture

from bench.world import MONDAY, PLAN_TEXT, plan
from gates.planner import assumed
from rollout.model import Status
from sluice.simulate.runs import many, one, prepared
from sluice.simulate.stage import Ended


def test_three_weeks(benchmark: BenchmarkFixture) -> None:
    """One rehearsal in a fresh store: 6,048 looks of four criteria."""
    case = prepared(plan(), PLAN_TEXT, assumed(plan()), [], MONDAY, seed=1)
    ended: Ended = benchmark.pedantic(one, (case,), rounds=3, warmup_rounds=1)
    assert Status.COMPLETED == ended.rollout.state.status


def test_each_of_many(benchmark: BenchmarkFixture) -> None:
    """Five rehearsals in a row, which share what the database has prepared."""
    case = prepared(plan(), PLAN_TEXT, assumed(plan()), [], MONDAY, seed=1)
    runs = benchmark.pedantic(lambda: list(many(case, 5)), rounds=1)
    assert ["completed"] * 5 == [run.outcome for run in runs]
