"""Outcomes with a value: what of them is counted, refused, and kept in whole numbers."""

from __future__ import annotations

from random import Random

import pytest

from plans.load import loads
from rollout.counting import lot
from rollout.exposure import bucket
from rollout.model import Bucket, Counts
from state import step
from state.clock import HandClock
from state.columns import micros
from state.database import connect, migrate
from state.events import Batch, Events
from state.outcomes import Outcome
from state.store import Store
from tests.contract.state.story import BEGIN, MINUTE

TEXT = """\
sluice: 1
name: search-v2
flag: search
stable: {model: v1}
candidate: {model: v2}
audience: {size: 20000}
phases:
  - {name: alpha, expose: 10%, hold: 3d}
  - {name: ga, expose: 100%, hold: 7d}
metrics:
  latency: {source: events, value: latency, of: request, unit: ms}
  score: {source: events, value: score, of: request, range: [0, 1]}
  cost: {source: events, value: cost, of: request, unit: usd}
stop:
  criteria:
    - p95(latency) > 800ms
    - p50(latency) > 300ms
    - mean(score) < 0.8x control
    - {when: total(cost) > 500 usd per day, then: disable}
"""
IN = [f"u{number}" for number in range(300) if bucket("search-v2", f"u{number}") < 10_000][:12]
OUT = [f"u{number}" for number in range(100) if bucket("search-v2", f"u{number}") >= 10_000][:4]
LOTS = 2_000


def started(store: Store) -> Events:
    """A rollout in its first phase, and its outcomes."""
    store.submit(loads(TEXT), TEXT, "pm", BEGIN)
    step.step(store, "search-v2", BEGIN)
    return Events(store, HandClock(BEGIN + MINUTE))


def sent(unit: str, event: str, value: float | None) -> Outcome:
    return Outcome("search", unit, event, value=value)


def closed(events: Events) -> Bucket:
    (found,) = events.buckets({1: None}, BEGIN + 10 * MINUTE)[1]
    return found


def test_a_unit_counts_once_with_the_mean_of_its_values(store: Store) -> None:
    """Two values of one unit are one observation half way between them; sums and squares are over units."""
    events = started(store)
    events.ingest(Batch([sent(IN[0], "score", 0.5), sent(IN[0], "score", 1.0), sent(IN[1], "score", 0.25)]))
    events.ingest(Batch([sent(OUT[0], "score", 1.0)]))
    treatment, control = closed(events).counts["score"]
    assert (treatment.total, treatment.sum, treatment.squares) == pytest.approx((2, 1.0, 0.75**2 + 0.25**2))
    assert Counts(0, 1, 1.0, 1.0) == control


def test_a_quantile_counts_units_past_each_limit(store: Store) -> None:
    """One of three is slower than 800 ms, two than 300; whoever has turned slow leaves until tomorrow."""
    events = started(store)
    events.ingest(Batch([sent(IN[0], "latency", 900), sent(IN[1], "latency", 400), sent(IN[2], "latency", 300)]))
    found = closed(events).counts
    assert Counts(1, 3) == found["latency > 800.0"][0]
    assert Counts(2, 3) == found["latency > 300.0"][0]
    assert Counts(0, 3, 1_600, 900**2 + 400**2 + 300**2) == found["latency"][0]
    late = Events(events._store, HandClock(BEGIN + 11 * MINUTE))
    late.ingest(Batch([sent(IN[0], "latency", 900), sent(IN[1], "latency", 900)]))
    second = late.buckets({1: None}, BEGIN + 20 * MINUTE)[1][-1].counts
    assert Counts(1, 1) == second["latency > 800.0"][0]


def test_of_many_values_of_a_unit_one_is_drawn_by_lot(store: Store) -> None:
    """Units of whose answers a quarter are slow are slow in a quarter of the cases, not whenever one answer is."""
    events = started(store)
    events.ingest(Batch([sent(unit, "latency", value) for unit in IN for value in (900, 100, 100, 100)]))
    bad = closed(events).counts["latency > 800.0"][0].bad
    assert bad < len(IN)
    drawn = sum(lot(unit, micros(BEGIN)) < 0.25 for unit in range(LOTS))
    assert abs(drawn - LOTS / 4) < 4 * (LOTS * 0.25 * 0.75) ** 0.5


def test_a_total_is_the_plain_sum(store: Store) -> None:
    """Every value of every unit, to the millionth."""
    events = started(store)
    events.ingest(Batch([sent(IN[0], "cost", 0.1)] * 10 + [sent(IN[1], "cost", 0.000001)]))
    treatment, control = closed(events).counts["total(cost)"]
    assert Counts(0, 2, 1.000001) == treatment
    assert Counts() == control


def test_the_order_in_which_values_arrive_changes_nothing(store: Store) -> None:
    """Sums are kept in whole millionths: any order, in any batches, gives the same bucket to the last bit."""
    random = Random(1)
    outcomes = [sent(random.choice(IN), event, random.random()) for _ in range(60) for event in ("score", "latency")]
    events = started(store)
    random.shuffle(outcomes)
    for cut in range(0, len(outcomes), 7):
        events.ingest(Batch(outcomes[cut : cut + 7]))
    found = closed(events)
    again = _elsewhere(sorted(outcomes, key=lambda one: (one.event, one.key or "", one.value or 0)))
    assert again.counts == found.counts


def _elsewhere(outcomes: list[Outcome]) -> Bucket:
    """The bucket of the same outcomes in another store, at once and in order."""
    engine = connect("sqlite://")
    migrate(engine)
    events = started(Store(engine))
    events.ingest(Batch(outcomes))
    found = closed(events)
    engine.dispose()
    return found


@pytest.mark.parametrize(
    ("event", "value", "reason"),
    [
        ("score", 1.5, "value 1.5 is outside 0 to 1"),
        ("score", None, "'score' is a number: send its `value`"),
        ("cost", 1e12, "beyond 1e+09"),
        ("score", float("nan"), "value nan is outside"),
    ],
)
def test_a_value_that_cannot_be_counted_is_refused_alone(
    store: Store, event: str, value: float | None, reason: str
) -> None:
    """With its place in the batch and why; the rest of the batch is counted."""
    receipt = started(store).ingest(Batch([sent(IN[0], event, value), sent(IN[1], "score", 0.5)]))
    assert 1 == receipt.accepted
    (refused,) = receipt.refused
    assert 0 == refused.index
    assert reason in refused.reason
