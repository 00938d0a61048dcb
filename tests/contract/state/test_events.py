"""Outcomes in, closed buckets out: what is counted, where, and once."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.counting import MET
from rollout.exposure import bucket
from rollout.model import Bucket, Counts, Verb
from state import step
from state.clock import HandClock
from state.database import connect, migrate
from state.events import Batch, Events
from state.outcomes import Outcome
from state.store import Store
from tests.contract.state.story import BEGIN, DAY, MINUTE, started, submitted

EXPOSURE = 1_000
IN = [f"u{number}" for number in range(3_000) if bucket("search-v2", f"u{number}") < EXPOSURE][:4]
OUT = [f"u{number}" for number in range(100) if bucket("search-v2", f"u{number}") >= EXPOSURE][:4]
COUNTED = {"error_rate": ("request", "error", False), "accuracy": ("labelled", "correct", True)}


def test_a_units_burst_counts_once(store: Store) -> None:
    """Many events of one unit in a bucket are one unit at risk, and one bad one."""
    events = _events(store)
    events.ingest(
        Batch([_outcome(IN[0], "request")] * 5 + [_outcome(IN[0], "error")] * 3 + [_outcome(OUT[0], "request")])
    )
    (found,) = _closed(events)
    assert (Counts(1, 1), Counts(0, 1)) == found.counts["error_rate"]
    assert (BEGIN, BEGIN + 5 * MINUTE, 1, 0, EXPOSURE) == (
        found.start,
        found.end,
        found.epoch,
        found.phase,
        found.exposure,
    )


def test_a_batch_sent_twice_is_counted_once(store: Store) -> None:
    """A batch with an id is taken once, however often it comes."""
    events = _events(store)
    first = events.ingest(Batch([_outcome(OUT[0], "request")], "batch-1"))
    again = events.ingest(Batch([_outcome(OUT[1], "request")], "batch-1"))
    assert (1, 0, 0, 1) == (first.accepted, first.duplicates, again.accepted, again.duplicates)
    (found,) = _closed(events)
    assert 1 == found.counts["error_rate"][1].total


def test_a_late_outcome_of_the_present_exposure_counts_in_the_open_bucket(store: Store) -> None:
    """What comes after its bucket closed is counted now, as long as the same is served."""
    started(store)
    clock = HandClock(BEGIN + 30 * MINUTE)
    late = Events(store, clock)
    late.close(clock.now())
    assert 0 == late.ingest(Batch([_outcome(OUT[0], "request", BEGIN + MINUTE)])).late
    clock.at = BEGIN + 40 * MINUTE
    (found,) = late.buckets({1: None}, clock.at)[1]
    assert BEGIN + 30 * MINUTE == found.start


def test_a_late_outcome_of_another_exposure_is_refused_as_late(store: Store) -> None:
    """A complaint of yesterday's cohort must not blame today's."""
    events = _events(store)
    _change_what_is_served(store)
    now = BEGIN + 10 * MINUTE
    late = Events(store, HandClock(now))
    late.close(now)
    receipt = late.ingest(Batch([_outcome(OUT[0], "error", BEGIN + MINUTE), _outcome(OUT[0], "error", revision=1)]))
    assert (0, 2) == (receipt.accepted, receipt.late)
    assert {1: ()} == events.buckets({1: None}, now + DAY)


def test_a_bucket_ends_where_what_is_served_changes(store: Store) -> None:
    """No bucket straddles a kill; while killed nothing is counted."""
    clock = HandClock(BEGIN + MINUTE)
    started(store)
    events = Events(store, clock)
    events.ingest(Batch([_outcome(OUT[0], "request")]))
    store.kill("search", "oncall", "smoke", BEGIN + 2 * MINUTE)
    clock.at = BEGIN + 3 * MINUTE
    events.ingest(Batch([_outcome(OUT[1], "request")]))
    store.restore("search", "pm", "fine", clock.at)
    events.ingest(Batch([_outcome(OUT[2], "request")]))
    clock.at = BEGIN + DAY
    spans = [(b.start - BEGIN, b.end - BEGIN, b.epoch) for b in events.buckets({1: None}, clock.at)[1]]
    assert [(0 * MINUTE, 2 * MINUTE, 1), (3 * MINUTE, 5 * MINUTE, 3)] == spans


def test_outcomes_sent_ahead_of_a_change_stay_with_what_was_served(store: Store) -> None:
    """Who reports in advance is counted under the flags it had, in order before the new ones."""
    clock = HandClock(BEGIN)
    started(store)
    events = Events(store, clock)
    events.ingest(Batch([_outcome(OUT[0], "request", BEGIN + 4 * MINUTE)]))
    store.kill("search", "oncall", "smoke", BEGIN + 2 * MINUTE)
    store.restore("search", "pm", "fine", BEGIN + 2 * MINUTE)
    clock.at = BEGIN + 2 * MINUTE
    events.ingest(Batch([_outcome(OUT[1], "request")]))
    found = events.buckets({1: None}, BEGIN + DAY)[1]
    assert [1, 3] == [bucket.epoch for bucket in found]
    assert sorted((b.start, b.epoch) for b in found) == [(b.start, b.epoch) for b in found]
    assert found[1:] == events.buckets({1: (found[0].start, found[0].epoch)}, BEGIN + DAY)[1]


def test_nothing_is_counted_before_the_start(store: Store) -> None:
    """While the rollout waits for its start there are no cohorts."""
    submitted(store)
    events = Events(store, HandClock(BEGIN))
    assert 1 == events.ingest(Batch([_outcome(OUT[0], "request")])).accepted
    assert {1: ()} == events.buckets({1: None}, BEGIN + DAY)


def test_bad_outcomes_are_refused_one_by_one(store: Store) -> None:
    """Each refusal names its place; the others of the batch are taken, and misspelt events get their neighbour."""
    events = _events(store)
    ahead = BEGIN + 3 * DAY
    receipt = events.ingest(
        Batch([_outcome(OUT[0], "eror"), Outcome("serach", "u1", "error"), _outcome(OUT[0], "error", ahead)])
    )
    assert [1, 2] == [refusal.index for refusal in receipt.refused]
    assert [("eror", "error")] == [(unheard.event, unheard.did_you_mean) for unheard in receipt.unknown]
    assert 1 == receipt.accepted
    assert {"search": frozenset()} == events.seen(["search"])


Sent = tuple[int, int, str]
SENT = st.lists(
    st.tuples(
        st.integers(0, 7), st.integers(0, 24 * 12 - 1), st.sampled_from(["request", "error", "labelled", "correct"])
    ),
    max_size=60,
)


@settings(max_examples=40)
@given(sent=SENT, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_counts_are_those_of_a_plain_model(sent: Sequence[Sent], cuts: Sequence[int]) -> None:
    """However outcomes are batched and in whatever order they come, counts are those of their buckets in order."""
    store = _memory()
    started(store)
    events = Events(store, HandClock(BEGIN + DAY))
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for first, last in pairwise(edges):
        events.ingest(Batch([_sent(one) for one in sent[first:last]]))
    found = {one.start: dict(one.counts) for one in events.buckets({1: None}, BEGIN + DAY)[1]}
    store.engine.dispose()
    for counts in found.values():
        counts.pop(MET, None)
    assert _model(sent) == {start: counts for start, counts in found.items() if counts}


def _model(sent: Sequence[Sent]) -> dict[datetime, dict[str, tuple[Counts, Counts]]]:
    """The definition, word for word: walk the buckets in order and remember who turned bad that day."""
    buckets: dict[int, list[Sent]] = defaultdict(list)
    for one in sent:
        buckets[one[1]].append(one)
    spoiled: set[tuple[str, str, int]] = set()
    result: dict[datetime, dict[str, tuple[Counts, Counts]]] = {}
    for number in sorted(buckets):
        start = BEGIN + number * 5 * MINUTE
        day = start.date().isoformat()
        for metric, (of, mark, good) in COUNTED.items():
            cohorts = [Counts(), Counts()]
            for unit in range(8):
                mine = [event for other, _, event in buckets[number] if other == unit]
                asked, marked = mine.count(of), mine.count(mark)
                risk = asked > 0 or (marked > 0 and not good)
                bad = asked > marked if good else marked > 0
                if risk and (metric, day, unit) not in spoiled:
                    cohorts[unit // 4] += Counts(int(bad), 1)
                    spoiled |= {(metric, day, unit)} if bad else set()
            if any(counts.total for counts in cohorts):
                result.setdefault(start, {})[metric] = (cohorts[0], cohorts[1])
    return result


def _memory() -> Store:
    """A migrated store in memory, copied because migrating takes longer than a test."""
    engine = connect("sqlite://")
    with closing(sqlite3.connect(":memory:")) as copy, closing(engine.raw_connection()) as target:
        copy.executescript(_script())
        copy.backup(target.driver_connection)  # type: ignore[arg-type]
    return Store(engine, "test")


@cache
def _script() -> str:
    engine = connect("sqlite://")
    migrate(engine)
    with closing(engine.raw_connection()) as source:
        script = "\n".join(source.driver_connection.iterdump())  # type: ignore[union-attr]
    engine.dispose()
    return script


def _sent(one: Sent) -> Outcome:
    unit, number, event = one
    return _outcome((IN + OUT)[unit], event, BEGIN + number * 5 * MINUTE + timedelta(seconds=7))


def _events(store: Store) -> Events:
    started(store)
    return Events(store, HandClock(BEGIN + MINUTE))


def _outcome(unit: str, event: str, at: datetime | None = None, revision: int | None = None) -> Outcome:
    return Outcome("search", unit, event, at, revision)


def _closed(events: Events) -> tuple[Bucket, ...]:
    return events.buckets({1: None}, BEGIN + 10 * MINUTE)[1]


def _change_what_is_served(store: Store) -> None:
    step.command(store, "search-v2", Verb.SET, "pm", "", BEGIN + 2 * MINUTE, args={"settings": {"min_confidence": 0.8}})
