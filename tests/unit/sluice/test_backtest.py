"""Lots and parts of windows: nobody is lost, nobody is counted twice, and chance is what it should be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plans.load import loads
from rollout.model import FULL, Counts
from rollout.moves import initial
from sluice.backtest.history import History, Past, grid
from sluice.backtest.splitting import split
from sluice.backtest.trials import periods, replayable, told_by

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLAN = loads("""
sluice: 1
name: search
flag: search
stable: current
candidate: {model: v2}
schedule: {start: 2026-12-01 09:00, timezone: UTC, advance: Mon-Fri 09:00-17:00}
phases: [{name: some, expose: 10%, hold: 1d, approval: required}, {name: half, expose: 50%, hold: 1d}]
ends_below_100: true
metrics:
  error_rate: {source: events, bad: error, of: request}
  clicks: {source: events, good: click, of: shown}
stop: {criteria: [error_rate > 2x control, {when: clicks < 0.8x control, min_samples: 5}]}
""")


@given(
    st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.integers(0, FULL),
    st.integers(0, 10_000),
)
def test_a_lot_loses_nobody(pair: tuple[int, int], exposure: int, seed: int) -> None:
    """Both cohorts together are everybody, and nobody is bad in one who was good before."""
    treatment, control = split(Counts(*pair), exposure, Random(seed))
    assert Counts(*pair) == treatment + control
    assert 0 <= treatment.bad <= treatment.total
    assert 0 <= control.bad <= control.total


@pytest.mark.parametrize("exposure", [1_000, 10_000, 50_000])
def test_a_lot_has_the_chance_of_the_exposure(exposure: int) -> None:
    """Over 2,000 lots bad and good units are in the treatment as often as they should, within four deviations."""
    random, share = Random(1), exposure / FULL
    found = [split(Counts(7, 60), exposure, random)[0] for _ in range(2_000)]
    for got, of in ((sum(t.bad for t in found), 7 * 2_000), (sum(t.total - t.bad for t in found), 53 * 2_000)):
        assert abs(got - of * share) < 4 * sqrt(of * share * (1 - share))


@given(st.lists(st.integers(1, 299), max_size=6), st.integers(0, 200), st.integers(0, 50))
def test_parts_of_a_window_add_up_to_it(cuts: list[int], good: int, bad: int) -> None:
    """However a bucket is cut by changes of what is served, every unit of the window is in one part."""
    past = Past(width=5 * MINUTE, asked=1, counts={BEGIN: {"error_rate": Counts(bad, good + bad)}})
    history = History(PLAN, past, Random(1))
    state = replace(initial(replayable(PLAN, {}), BEGIN), exposure=10_000, phase=0)
    ends = [0, *sorted(set(cuts)), 300]
    parts = [
        history.bucket(state, BEGIN + timedelta(seconds=one), BEGIN + timedelta(seconds=two)).counts["error_rate"]
        for one, two in pairwise(ends)
    ]
    assert Counts(bad, good + bad) == sum((treatment + control for treatment, control in parts), Counts())


def test_rollouts_follow_one_another_by_the_plans_own_dates() -> None:
    """Windows apply: each takes from a morning to the next but one, the third over a weekend."""
    plan = replayable(PLAN, told_by(PLAN, "events"))
    starts = list(periods(plan, BEGIN, BEGIN + timedelta(days=8)))
    assert [2, 4, 6] == [start.day for start in starts]


def test_what_is_not_told_waits_for_nothing_and_keeps_its_share() -> None:
    """A criterion of another source stays in the plan, and holds nobody back."""
    (asked,) = [name for name in told_by(PLAN, "events") if name == "error_rate"]
    plan = replayable(PLAN, {asked: PLAN.metrics[asked]})
    assert ["hold", "ignore"] == [criterion.on_no_data for criterion in plan.stop.criteria]
    assert 0 == plan.stop.criteria[1].min_samples
    assert dict(PLAN.candidate) == plan.stable


def test_the_grid_has_whole_windows_only() -> None:
    """From 09:02 to 09:19 there are two of five minutes."""
    found = grid(PLAN, BEGIN + 2 * MINUTE, BEGIN + 19 * MINUTE)
    assert (BEGIN + 5 * MINUTE, BEGIN + 10 * MINUTE) == found
