"""An outage of everybody in virtual time: store, gate, decision and replay are the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from flows.advance import advance
from flows.collect import from_events
from gates.judge import settle
from plans.load import loads
from rollout.model import FULL, Bucket, Counts, RolloutState, Status, Verb, Verdict
from sluice.evidence import judged, told
from sluice.replay import replayed
from state.clock import Clock, HandClock
from state.database import connect, migrate
from state.events import Events
from state.recording import Recorded, record
from state.store import Store

TEXT = """\
sluice: 1
name: search-v2
flag: search
stable: {model: v1}
candidate: {model: v2}
audience: {size: 20000}
phases:
  - {name: half, expose: 50%, hold: 1d}
  - {name: ga, expose: 100%, hold: 3d}
metrics:
  error_rate: {source: events, bad: error, of: request}
stop:
  criteria: [error_rate > 2x control, {when: error_rate > 20%, then: disable}]
"""
NAME = "search-v2"
BEGIN = datetime(2026, 12, 1, 14, tzinfo=UTC)
HOUR, BUCKET = timedelta(hours=1), timedelta(minutes=5)
UNITS = 200
HEALTHY, DOWN = 0.01, 0.4


@pytest.fixture
def store() -> Iterator[Store]:
    engine = connect("sqlite://")
    migrate(engine)
    store = Store(engine, "guard", settle)
    store.submit(loads(TEXT), TEXT, "pm", BEGIN)
    yield store
    engine.dispose()


@pytest.mark.parametrize("declared", [True, False])
def test_a_shared_outage_at_100_percent_reverts_nothing_where_somebody_declared_it(
    store: Store, *, declared: bool
) -> None:
    """Two hours down for everybody, with nothing but a frozen rate and a fixed limit to be held against."""
    hand = HandClock(BEGIN)
    lived(store, hand, 30, HEALTHY, HEALTHY)
    assert FULL == state(store).exposure
    if declared:
        store.start_incident("ops", "the database moves", (), 2 * HOUR, hand.at)
    lived(store, hand, 2, DOWN, DOWN)
    if not declared:
        assert not state(store).status.live
        return
    findings = store.rollout(NAME).evidence.findings
    assert {Verdict.INSUFFICIENT} == {finding.verdict for finding in findings}
    assert all("24 buckets inside incidents left out" in finding.reason for finding in findings)
    rows = told(store.rollout(NAME), judged(store, NAME))
    assert 24 == len({row.start for row in rows if row.incident == 1})
    lived(store, hand, 70, HEALTHY, HEALTHY)
    assert Status.COMPLETED is state(store).status
    assert ["sluice"] == [one.ended_by for one in store.incidents()]
    assert all(one.identical for one in replayed(store, NAME))


def test_a_fault_of_the_candidate_alone_is_reverted_in_an_incident(store: Store) -> None:
    """At 50 % control goes through the same incident, so what remains is the candidate's own."""
    hand = HandClock(BEGIN)
    lived(store, hand, 6, HEALTHY, HEALTHY)
    store.start_incident("ops", "the database moves", (), 2 * HOUR, hand.at)
    lived(store, hand, 1, 0.15, 0.03)
    last = store.journal(NAME)[-1]
    assert (Verb.REVERT, Status.REVERTED) == (last.verb, state(store).status)
    assert last.before.incident is not None
    assert last.finding is not None
    assert "error_rate > 2x control" == last.finding.criterion
    assert all(one.identical for one in replayed(store, NAME))


def test_growth_waits_for_the_end_of_an_incident_and_not_longer(store: Store) -> None:
    """A hold that is over in the middle of one goes on at the very instant of it."""
    hand = HandClock(BEGIN)
    lived(store, hand, 23, HEALTHY, HEALTHY)
    store.start_incident("ops", "the database moves", ("search",), 3 * HOUR, hand.at)
    lived(store, hand, 2, HEALTHY, HEALTHY)
    assert FULL // 2 == state(store).exposure
    lived(store, hand, 1, HEALTHY, HEALTHY)
    grown = store.journal(NAME)[-1]
    assert (Verb.ADVANCE, BEGIN + 26 * HOUR) == (grown.verb, grown.at)
    assert all(one.identical for one in replayed(store, NAME))


def lived(store: Store, hand: HandClock, hours: int, treatment: float, control: float) -> None:
    """Hours of traffic, looked at every half an hour as the guard does."""
    collect = from_events(Events(store, hand))
    advance(store, Clock(store, hand.now), NAME, collect)
    for _ in range(2 * hours):
        known = store.rollout(NAME)
        if known.state.watched:
            buckets = [_bucket(known.state, hand.at + n * BUCKET, treatment, control) for n in range(6)]
            record(store, Recorded(known.id, "search", buckets, frozenset({"request", "error"})))
        hand.at += 6 * BUCKET
        store.close_incidents(hand.at)
        advance(store, Clock(store, hand.now), NAME, collect)


def state(store: Store) -> RolloutState:
    return store.rollout(NAME).state


def _bucket(now: RolloutState, start: datetime, treatment: float, control: float) -> Bucket:
    """Five minutes of units in the shares of the phase, with so many bad ones."""
    exposed = UNITS * now.exposure // FULL
    counts = Counts(round(exposed * treatment), exposed), Counts(round((UNITS - exposed) * control), UNITS - exposed)
    return Bucket(
        start=start,
        end=start + BUCKET,
        epoch=now.epoch,
        phase=now.phase,
        exposure=now.exposure,
        settings_epoch=now.settings_epoch,
        counts={"error_rate": counts},
    )
