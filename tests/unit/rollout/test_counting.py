"""Units at risk: one unit's burst is one event, and whoever turned bad is not at risk again that day."""

from __future__ import annotations

import pytest

from plans.schema import Metric
from rollout.counting import Share, at_risk, event_names, shares
from rollout.model import Counts
from tests.unit.rollout.story import PLAN

BAD = Share("error_rate", "request", "error", good=False)
GOOD = Share("accuracy", "labelled", "correct", good=True)


@pytest.mark.parametrize(
    ("share", "of", "marked", "spoiled", "counts", "turned"),
    [
        (BAD, {1: 5, 2: 1}, {1: 3}, set(), Counts(1, 2), frozenset({1})),
        (BAD, {1: 5, 2: 1}, {1: 3}, {1}, Counts(0, 1), frozenset()),
        (BAD, {}, {7: 1}, set(), Counts(1, 1), frozenset({7})),
        (BAD, {}, {7: 1}, {7}, Counts(0, 0), frozenset()),
        (GOOD, {1: 2, 2: 2}, {1: 2, 2: 1}, set(), Counts(1, 2), frozenset({2})),
        (GOOD, {1: 1}, {1: 2, 3: 1}, set(), Counts(0, 1), frozenset()),
        (GOOD, {1: 1, 2: 1}, {}, {1}, Counts(1, 1), frozenset({2})),
    ],
)
def test_units_at_risk_are_counted_once(
    share: Share,
    of: dict[int, int],
    marked: dict[int, int],
    spoiled: set[int],
    counts: Counts,
    turned: frozenset[int],
) -> None:
    """Each row of the table is a bucket, what was spoiled before it, and what must be counted."""
    assert (counts, turned) == at_risk(share, of, marked, spoiled)


def test_only_shares_of_our_own_events_are_counted() -> None:
    """Metrics of other sources and metrics that are numbers are not counted from events, but value events are known."""
    metrics = {
        "error_rate": Metric(source="events", bad="error", of="request"),
        "accuracy": Metric(source="events", good="correct", of="labelled"),
        "latency": Metric(source="events", value="latency", of="request"),
        "outside": Metric(source="prom", bad="a", of="b"),
    }
    plan = PLAN.model_copy(update={"metrics": metrics})
    assert (BAD, GOOD) == shares(plan)
    assert {"error", "request", "correct", "labelled", "latency"} == event_names(plan)
