"""Rehearsals through the real core, gates and store: what a healthy run, a fault and an outage come to."""

from bisect import bisect_left
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import sqrt
from multiprocessing import active_children
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.bounds import upper_bound
from gates.planner import assumed
from plans.load import loads
from plans.timeline import timeline
from rollout.model import Status, Verb
from rollout.moves import initial
from sluice.errors import RefusedError
from sluice.simulate import runs
from sluice.simulate.faults import parse
from sluice.simulate.outcome import Tally, many_json, one_json
from sluice.simulate.runs import Case, prepared
from sluice.simulate.stage import rehearse
from sluice.simulate.traffic import Stream, poisson
from state.database import connect, migrate
from state.store import Store

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEADER = """
sluice: 1
name: rehearsed
flag: rehearsed-ai
stable: {model: v1, min_confidence: 0.7}
candidate: {model: v2, min_confidence: 0.7}
metrics:
  error_rate: {source: events, bad: error, of: request}
"""
LATENCY = ("metrics:\n", "metrics:\n  latency: {source: events, value: latency, of: request, unit: ms}\n")
SHORT = (
    HEADER
    + """
audience: {size: 400000}
phases:
  - {name: alpha, expose: 10%, hold: 4h, approval: required}
  - {name: beta, expose: 50%, hold: 6h, adjust: [{at: 30m, set: {min_confidence: 0.8}}]}
  - {name: ga, expose: 100%, hold: 4h}
stop: {criteria: [error_rate > 2x control]}
"""
)
WEEKS = (
    HEADER
    + """
audience: {size: 20000}
phases:
  - {name: alpha, expose: 1%, hold: 3d}
  - {name: beta, expose: 10%, hold: 12d}
stop: {no_data_after: 12h, criteria: [error_rate > 2x control]}
ends_below_100: true
"""
)


def case(text: str, *faults: str, seed: int = 1, submitted: datetime = MONDAY) -> Case:
    """A case of a plan's text, its own traffic and these faults."""
    plan = loads(text)
    return prepared(plan, text, assumed(plan), [parse(fault, plan) for fault in faults], submitted, seed)


def told(rehearsed: Case) -> dict[str, Any]:
    """The JSON of one run."""
    return one_json(runs.one(rehearsed), rehearsed.traffic, rehearsed.spells)


@settings(max_examples=5)
@given(
    seed=st.integers(0, 10_000),
    hold=st.integers(1, 9),
    check=st.sampled_from(["1m", "5m", "7m", "30m"]),
    minutes=st.integers(0, 1_439),
)
def test_a_healthy_rehearsal_completes_on_the_previewed_dates(seed: int, hold: int, check: str, minutes: int) -> None:
    """Whatever the seed, the holds, the interval and the hour: each phase begins when the preview says."""
    text = SHORT.replace("hold: 6h", f"hold: {hold}h{hold}m").replace("stop: {", f"stop: {{check_every: {check}, ")
    rehearsed = case(text, seed=seed, submitted=MONDAY + timedelta(minutes=minutes))
    ended = runs.one(rehearsed)
    assert Status.COMPLETED == ended.rollout.state.status
    dated = [entry.at for entry in ended.journal if entry.verb is not Verb.APPROVE]
    assert [step.at for step in timeline(rehearsed.plan, rehearsed.submitted)] == dated


def test_windows_freezes_and_approvals_are_those_of_the_preview() -> None:
    """A plan with all of them begins each phase when the preview says."""
    text = SHORT.replace("400000}", "40000}") + (
        "schedule: {start: 2026-12-18 10:00, timezone: Europe/Berlin, advance: Mon-Fri 09:00-12:00, "
        "freeze: [{from: 2026-12-19, to: 2026-12-20}]}\n"
    )
    rehearsed = case(text, submitted=datetime(2026, 12, 1, tzinfo=UTC))
    ended = runs.one(rehearsed)
    begun = [entry.at for entry in ended.journal if entry.verb in {Verb.START, Verb.ADVANCE, Verb.COMPLETE}]
    previewed = [
        step.at for step in timeline(rehearsed.plan, rehearsed.submitted) if step.what in {"phase", "complete"}
    ]
    assert previewed == begun


def test_the_same_seed_gives_the_same_journal() -> None:
    """Every line with its evidence; another seed counts other units."""
    first, again, other = (told(case(SHORT, "error_rate 3x from 5h", seed=seed)) for seed in (7, 7, 8))
    assert first == again
    assert first["journal"] != other["journal"]


def test_a_fivefold_fault_from_day_9_reverts_from_then_on() -> None:
    """The rollout ends reverted within a day of the fault, by the criterion, and says who met it."""
    found = told(case(WEEKS, "error_rate 5x from day 9"))
    began = MONDAY + timedelta(days=8)
    assert ("reverted", "beta", "criterion") == (found["outcome"], found["phase"], found["cause"])
    assert began < datetime.fromisoformat(found["at"]) < began + timedelta(days=1)
    assert 0 < found["exposed_to_fault"] < 2_000 == found["exposed_units"]
    assert found["journal"][-1]["transition"] == "revert"
    assert "breach" in found["reason"]


def test_a_shared_outage_does_not_revert_while_there_is_control() -> None:
    """Everyone's errors five times as high for the whole rollout: completed, because control suffers too."""
    assert "completed" == told(case(WEEKS, "everyone error_rate 5x"))["outcome"]
    assert "reverted" == told(case(WEEKS, "error_rate 5x"))["outcome"]


def test_a_revert_is_dated_by_the_look_that_found_it() -> None:
    """Looks that are judged together come to the same as looks that are judged one by one."""
    together = case(SHORT, "error_rate 3x from 5h")
    impatient = SHORT.replace("[error_rate > 2x control]", "[{when: error_rate > 2x control, on_no_data: revert}]")
    ends = [told(rehearsed) for rehearsed in (together, case(impatient, "error_rate 3x from 5h"))]
    assert ends[0]["outcome"] == ends[1]["outcome"] == "reverted"
    assert ends[0]["at"] == ends[1]["at"]


@pytest.mark.parametrize("fault", ["error_rate silent from 5h", "error_rate nan from 5h"])
def test_missing_data_keeps_a_rollout_waiting(fault: str) -> None:
    """Without counts the phase does not end, and the rehearsal says what it waits for."""
    found = told(case(SHORT, fault))
    assert ("running", "beta", "no_data") == (found["outcome"], found["phase"], found["cause"])
    assert 0 == found["exposed_to_fault"]


def test_data_that_come_back_let_a_rollout_go_on() -> None:
    """Silence from 8 to 20 hours delays the end of a phase until the first look with data."""
    found = told(case(SHORT, "error_rate silent from 8h to 20h"))
    assert "completed" == found["outcome"]
    begun = {entry["to"]["phase"]: datetime.fromisoformat(entry["at"]) for entry in reversed(found["journal"])}
    assert MONDAY + timedelta(hours=20, minutes=5) == begun[2]


def test_a_hold_ends_a_rehearsal() -> None:
    """Nobody resumes it: held is how it ends."""
    text = SHORT.replace("[error_rate > 2x control]", "[{when: error_rate > 2x control, then: hold}]")
    assert "held" == told(case(text, "error_rate 5x"))["outcome"]


def test_a_rehearsal_leaves_its_looks_in_a_real_store(tmp_path: Any) -> None:
    """Buckets, evidence and journal are rows of a database file that any command could read."""
    rehearsed = case(SHORT)
    engine = connect(f"sqlite:///{tmp_path / 'sluice.db'}")
    migrate(engine)
    stream = Stream(rehearsed.plan, rehearsed.traffic, (), Random(1))
    rehearse(Store(engine, "test"), rehearsed.plan, rehearsed.text, stream, MONDAY)
    with engine.connect() as tx:
        buckets = tx.exec_driver_sql("SELECT count(*), count(DISTINCT epoch) FROM bucket").one()
    store = Store(engine, "test")
    assert (14 * 12, 4) == tuple(buckets)
    assert Status.COMPLETED == store.rollout("rehearsed").state.status
    assert store.rollout("rehearsed").evidence.findings[0].treatment.total > 100_000
    engine.dispose()


def test_a_lopsided_split_moves_units_and_no_rates() -> None:
    """From its hour on 60 of 100 units have the candidate instead of 10, at the same share of errors."""
    rehearsed = case(SHORT, "split 60/40 from 1h", seed=3)
    stream = Stream(rehearsed.plan, rehearsed.traffic, rehearsed.spells, Random(1))
    state = replace(initial(rehearsed.plan, MONDAY), phase=0, exposure=10_000)
    parts = []
    for hour in (0, 1):
        at = MONDAY + timedelta(hours=hour)
        treatment, control = stream.bucket(state, at, at + timedelta(minutes=30)).counts["error_rate"]
        units = treatment.total + control.total
        assert abs((treatment + control).bad / units - 0.02) < 4 * sqrt(0.02 / units)
        parts.append(treatment.total / units)
    assert parts == [pytest.approx(0.1, abs=0.02), pytest.approx(0.6, abs=0.03)]


def test_a_lopsided_split_keeps_a_rollout_from_growing() -> None:
    """45 to 55 in a phase of 50 % makes the comparison invalid: nobody is to blame, and nothing is shipped on it."""
    found = told(case(SHORT, "split 45/55"))
    assert ("running", "alpha", "invalid") == (found["outcome"], found["phase"], found["cause"])
    later = told(case(SHORT, "split 45/55 from 5h"))
    assert ("running", "beta", "invalid") == (later["outcome"], later["phase"], later["cause"])


def test_cores_share_runs_without_changing_them() -> None:
    """On two cores the same runs come in the same order, and who stops listening leaves no worker behind."""
    rehearsed, before = case(SHORT, "error_rate 3x from 5h"), set(active_children())
    shared = cast("Generator[Tally]", runs.many(rehearsed, 30, cores=2))
    assert list(runs.many(rehearsed, 6)) == list(islice(shared, 6))
    shared.close()
    assert before == set(active_children())


def test_many_runs_begin_with_the_first_and_differ() -> None:
    """Run 0 of many is the one run; the others have seeds of their own."""
    rehearsed = case(WEEKS, "error_rate 5x from day 9")
    tallies = list(runs.many(rehearsed, 4))
    alone = runs.one(rehearsed)
    assert (alone.at - MONDAY - timedelta(days=8)) / timedelta(minutes=1) == tallies[0].delay
    assert len({tally.delay for tally in tallies}) > 1


def test_rates_come_with_exact_bounds() -> None:
    """0 of 1,000 leaves 0.3 %; delays are null where nothing was reverted."""
    found = many_json([Tally("completed", None, 0)] * 1_000, 1)
    assert {"completed": 1_000, "reverted": 0} == found["outcomes"]
    low, high = found["intervals"]["completed"]
    assert (pytest.approx(1 - 3.68e-3, abs=1e-5), 1.0) == (low, high)  # 1 - 0.025^(1/1000)
    assert found["upper_bounds"]["reverted"] == upper_bound(0, 1_000, 0.95) == pytest.approx(1 - 0.05**0.001)
    assert {"p50": None, "p90": None} == found["revert_delay_minutes"]
    assert {"runs", "outcomes", "revert_delay_minutes", "exposed_to_fault"} <= set(found)


def test_what_cannot_be_judged_is_not_rehearsed() -> None:
    """A plan that submit would refuse is refused, with the reason."""
    with pytest.raises(RefusedError, match="cannot be rehearsed yet"):
        case(SHORT.replace("> 2x control]", "> 2x control, p95(latency) > 2x control]").replace(*LATENCY))


def test_current_stable_can_be_rehearsed() -> None:
    """What the flag serves now makes no difference."""
    text = SHORT.replace("stable: {model: v1, min_confidence: 0.7}", "stable: current")
    assert "completed" == told(case(text))["outcome"]


@pytest.mark.parametrize("mean", [0.3, 7.0, 900.0, 3e6])
def test_poisson_numbers_have_the_mean_and_the_variance_of_theirs(mean: float) -> None:
    """Both equal the mean, within four standard errors of 2,000 draws."""
    random, table, n = Random(1), poisson(mean), 2_000
    draws = [table.first + table.step * bisect_left(table.below, random.random()) for _ in range(n)]
    average = sum(draws) / n
    variance = sum((draw - average) ** 2 for draw in draws) / n
    assert len(table.below) <= 20_001
    assert abs(average - mean) < 4 * sqrt(mean / n)
    assert abs(variance / mean - 1) < 4 * sqrt((2 + 1 / mean) / n)
