"""Units at their first exposure: counted once a phase, in the cohort they then were in."""

from __future__ import annotations

from sqlalchemy import func, select

from rollout.counting import MET
from rollout.exposure import bucket
from rollout.model import Bucket, Cause, Counts, Verb
from rollout.moves import Why, enter
from state import step
from state.clock import HandClock
from state.count_tables import met_units
from state.events import Batch, Events
from state.outcomes import Outcome
from state.store import Store
from tests.contract.state.story import BEGIN, DAY, MINUTE, started

IN = [f"u{number}" for number in range(3_000) if bucket("search-v2", f"u{number}") < 1_000][:4]
OUT = [f"u{number}" for number in range(100) if bucket("search-v2", f"u{number}") >= 10_000][:4]


def heard(store: Store, clock: HandClock, *names: str, event: str = "request") -> Bucket:
    """The bucket in which these units were heard, a quarter of an hour on."""
    events = Events(store, clock)
    events.ingest(Batch([Outcome("search", name, event) for name in names]))
    clock.at += 15 * MINUTE
    return events.buckets({1: None}, clock.at)[1][-1]


def test_a_unit_is_met_once_in_a_phase(store: Store) -> None:
    """Of those heard again only the new ones count; a bucket without any does not name them."""
    started(store)
    clock = HandClock(BEGIN + MINUTE)
    assert (Counts(0, 1), Counts(0, 2)) == heard(store, clock, IN[0], OUT[0], OUT[1]).counts[MET]
    assert (Counts(0, 1), Counts()) == heard(store, clock, IN[0], IN[1], OUT[0]).counts[MET]
    assert MET not in heard(store, clock, IN[0], OUT[1]).counts


def test_only_what_a_metric_is_a_share_of_meets_a_unit(store: Store) -> None:
    """Who complains does so because of what was served: that is no way to count who was served."""
    started(store)
    clock = HandClock(BEGIN + MINUTE)
    assert MET not in heard(store, clock, IN[0], OUT[0], event="error").counts
    assert (Counts(0, 1), Counts(0, 1)) == heard(store, clock, IN[0], OUT[0], event="labelled").counts[MET]


def test_every_phase_meets_its_units_anew(store: Store) -> None:
    """The cohorts of a phase are its own; those of earlier ones are forgotten."""
    started(store)
    clock = HandClock(BEGIN + MINUTE)
    heard(store, clock, IN[0], OUT[0], OUT[1])
    rollout = store.rollout("search-v2")
    why = Why(cause=Cause.PERSON, by="pm", reason="on")
    onward = enter(Verb.ADVANCE, rollout.plan, rollout.state, 1, BEGIN + DAY, why)
    store.commit(onward, rollout.evidence, None, rollout.evidence_version)
    clock.at = BEGIN + DAY + MINUTE
    assert (Counts(0, 1), Counts(0, 1)) == heard(store, clock, IN[0], OUT[0]).counts[MET]
    assert 2 == kept(store)


def test_buckets_closed_together_meet_what_they_would_have_met_one_by_one(store: Store) -> None:
    """However long nobody looked: a phase that was left and entered again meets its units again, in each rollout."""
    started(store)
    started(store, "other", "other")
    clock = HandClock(BEGIN + MINUTE)
    for phase in (0, 1, 0):
        _say(store, clock, "search", IN[0], OUT[0], OUT[1])
        _say(store, clock, "search", IN[0], IN[1])
        _say(store, clock, "other", IN[0], OUT[2])
        _enter(store, clock, 1 - phase)
    found = Events(store, clock).buckets({1: None, 2: None}, clock.at + 15 * MINUTE)
    assert [(Counts(0, 1), Counts(0, 2)), (Counts(0, 1), Counts())] * 3 == [one.counts[MET] for one in found[1]]
    assert [(Counts(0, 1), Counts(0, 1)), None, None] == [one.counts.get(MET) for one in found[2]]


def _say(store: Store, clock: HandClock, flag: str, *names: str) -> None:
    """These units are heard now; the next ones are in another bucket."""
    Events(store, clock).ingest(Batch([Outcome(flag, name, "request") for name in names]))
    clock.at += 5 * MINUTE


def _enter(store: Store, clock: HandClock, phase: int) -> None:
    rollout = store.rollout("search-v2")
    why = Why(cause=Cause.PERSON, by="pm", reason="on")
    moved = enter(Verb.ADVANCE, rollout.plan, rollout.state, phase, clock.at, why)
    store.commit(moved, rollout.evidence, None, rollout.evidence_version)


def test_units_of_an_ended_rollout_are_forgotten(store: Store) -> None:
    """Nobody joins it any more."""
    started(store)
    clock = HandClock(BEGIN + MINUTE)
    heard(store, clock, IN[0], OUT[0])
    assert 2 == kept(store)
    step.command(store, "search-v2", Verb.ABORT, "pm", "enough", clock.at)
    Events(store, clock).close(clock.at + 15 * MINUTE)
    assert 0 == kept(store)


def kept(store: Store) -> int:
    with store.reading() as tx:
        return tx.execute(select(func.count()).select_from(met_units)).scalar_one()
