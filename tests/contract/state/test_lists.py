"""A unit on a list is in both journals and out of the evidence from that moment on."""

from __future__ import annotations

from datetime import datetime

import pytest

from rollout.exposure import bucket
from rollout.model import Bucket, Counts, Verb
from state import step
from state.clock import HandClock
from state.errors import RefusedError, UnknownError
from state.events import Batch, Events
from state.outcomes import Outcome
from state.store import Store
from tests.contract.state.story import BEGIN, MINUTE, finished, started

IN = [f"u{number}" for number in range(3_000) if bucket("search-v2", f"u{number}") < 1_000][:2]


def test_outcomes_before_a_block_remain_and_after_it_are_not_counted(store: Store) -> None:
    """Of two exposed units one is blocked: the first bucket counts both, every later one the other alone."""
    started(store)
    _report(store, BEGIN)
    _list(store, Verb.BLOCK, IN[0], BEGIN + 2 * MINUTE)
    _report(store, BEGIN + 3 * MINUTE)
    _list(store, Verb.UNLIST, IN[0], BEGIN + 10 * MINUTE)
    _report(store, BEGIN + 11 * MINUTE)
    found = _closed(store, BEGIN + 30 * MINUTE)
    assert [Counts(0, 2), Counts(0, 1), Counts(0, 1)] == [one.counts["error_rate"][0] for one in found]
    assert [1, 2, 3] == [one.epoch for one in found]


def test_an_outcome_of_before_is_counted_though_it_comes_after(store: Store) -> None:
    """A complaint about an answer given before the block speaks of the cohort of that moment."""
    started(store)
    _list(store, Verb.BLOCK, IN[0], BEGIN + 2 * MINUTE)
    _report(store, BEGIN + 3 * MINUTE, at=BEGIN + MINUTE)
    (found,) = _closed(store, BEGIN + 30 * MINUTE)
    assert Counts(0, 2) == found.counts["error_rate"][0]


def test_a_list_is_in_both_journals(store: Store) -> None:
    """The rollout's and the flag's, with who and why; the store gives it back."""
    started(store)
    done = _list(store, Verb.ALLOW, "u-42", BEGIN)
    assert "u-42 gets the candidate" in done.effect
    entry, told = store.journal("search-v2")[-1], store.flag_journal("search")[-1]
    assert (Verb.ALLOW, "pm", "a friend") == (entry.verb, entry.by, entry.reason)
    assert (Verb.ALLOW, entry.after.forced) == (told.verb, told.flag.forced)
    assert entry.after.forced == store.rollout("search-v2").state.forced == {"u-42": "allow"}


def test_a_flag_without_a_live_rollout_has_no_lists(store: Store) -> None:
    """Everyone has the same there; an unknown flag is unknown."""
    now = finished(store, "search-v2", "search")
    with pytest.raises(RefusedError, match="no live rollout"):
        _list(store, Verb.ALLOW, "u-42", now)
    with pytest.raises(UnknownError):
        step.put_on_list(store, "nothing", Verb.ALLOW, "u", "pm", "because", now)


def _list(store: Store, verb: Verb, unit: str, now: datetime) -> step.Outcome:
    done = step.put_on_list(store, "search", verb, unit, "pm", "a friend", now)
    assert done.accepted, done.why
    return done


def _report(store: Store, now: datetime, at: datetime | None = None) -> None:
    sent = [Outcome("search", unit, "request", at) for unit in IN]
    Events(store, HandClock(now)).ingest(Batch(sent))


def _closed(store: Store, now: datetime) -> tuple[Bucket, ...]:
    events, rollout = Events(store, HandClock(now)), store.rollout("search-v2").id
    return events.buckets({rollout: None}, now)[rollout]
