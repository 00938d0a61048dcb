"""One row for each notice and channel: claimed once, ended once, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from plans.channels import PREFECT
from plans.load import Known, loads
from rollout.decide import decide
from state import step
from state.deliveries import Message
from state.store import StaleStateError, Store
from state.tables import DeliveryStatus, deliveries
from tests.contract.state.story import BEGIN, DAY, text

NOW = BEGIN
LEASE = timedelta(seconds=90)
GATHER = timedelta(seconds=2)
APART = timedelta(seconds=30)
KNOWN = Known(channels=frozenset({"log", "slack", "pager"}))


def begun(store: Store, name: str = "search-v2", notify: str = "[log, slack, {pager: [reverted]}]") -> None:
    """A rollout in its first phase, of which `slack` hears, and `pager` does not."""
    words = f"{text(name, name)}notify: {notify}\n"
    store.submit(loads(words, known=KNOWN), words, "pm", BEGIN)
    step.step(store, name, BEGIN)


def claimed(store: Store, now: datetime = NOW, channel: str = "slack") -> Message | None:
    """The next message, everything that is new being due at once."""
    store.schedule(channel, now, timedelta(0), timedelta(0))
    return store.claim(channel, now, now + LEASE)


def test_a_transition_and_its_deliveries_are_committed_together(store: Store) -> None:
    """One row for every channel that hears of it, and Prefect's; a filtered channel has none."""
    begun(store)
    with store.reading() as tx:
        found = tx.execute(select(deliveries.c.channel).order_by(deliveries.c.channel)).scalars().all()
    assert [PREFECT, "slack"] == found


def test_a_transition_that_is_stale_leaves_no_delivery(store: Store) -> None:
    """All or nothing: what did not happen is told to nobody."""
    begun(store)
    rollout = store.rollout("search-v2")
    due = decide(rollout.plan, rollout.state, rollout.evidence, (), BEGIN + 4 * DAY)
    assert due is not None
    with pytest.raises(StaleStateError):
        store.commit(due, rollout.evidence, None, rollout.evidence_version + 1)
    assert [1, 1] == [one.waiting for one in store.backlog()]


def test_one_of_many_supervisors_gets_a_message(store: Store, engine: Engine) -> None:
    """Eight claim at once; one has it, once."""
    begun(store)
    store.schedule("slack", NOW, timedelta(0), timedelta(0))
    stores = [Store(engine, f"supervisor {number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: one.claim("slack", NOW, NOW + LEASE), stores))
    (message,) = [one for one in found if one is not None]
    assert (1, ["started"]) == (message.attempt, [notice.event for notice in message.notices])


def test_what_was_delivered_never_comes_back(store: Store) -> None:
    """Not after its lease, not ever."""
    begun(store)
    message = claimed(store)
    assert message is not None
    assert store.end_attempt(message, DeliveryStatus.DELIVERED, NOW)
    assert claimed(store, NOW + 365 * LEASE) is None
    assert [(PREFECT, 1, 0)] == [(one.channel, one.waiting, one.given_up) for one in store.backlog()]


def test_an_attempt_that_nobody_ended_is_made_again_under_the_same_number(store: Store) -> None:
    """A crash between sending and writing it down: at least once, and recognisable."""
    begun(store)
    first = claimed(store)
    assert first is not None
    assert claimed(store, NOW + LEASE / 2) is None
    second = claimed(store, NOW + LEASE)
    assert second is not None
    assert (first.number, 2, first.first) == (second.number, second.attempt, second.first)


def test_who_comes_too_late_writes_nothing(store: Store) -> None:
    """An attempt that was overtaken can neither end the next one nor undo it."""
    begun(store)
    slow = claimed(store)
    fast = claimed(store, NOW + LEASE)
    assert slow is not None
    assert fast is not None
    assert not store.end_attempt(slow, DeliveryStatus.GIVEN_UP, NOW + LEASE)
    assert store.end_attempt(fast, DeliveryStatus.DELIVERED, NOW + LEASE)
    assert not store.end_attempt(slow, DeliveryStatus.WAITING, NOW + LEASE)


def test_what_waits_together_is_one_message(store: Store) -> None:
    """A storm: everything new of a channel goes out at once, and is tried again together."""
    for name in ("a", "b", "c"):
        begun(store, name)
    store.schedule("slack", NOW, GATHER, APART)
    assert store.claim("slack", NOW, NOW + LEASE) is None
    begun(store, "d")
    message = store.claim("slack", NOW + GATHER, NOW + LEASE)
    assert message is not None
    assert ["a", "b", "c", "d"] == [notice.rollout for notice in message.notices]
    store.end_attempt(message, DeliveryStatus.WAITING, NOW + GATHER, "was not taken")
    again = claimed(store, NOW + GATHER)
    assert again is not None
    assert (message.number, message.notices) == (again.number, again.notices)


def test_a_message_that_fails_does_not_hold_up_the_next(store: Store) -> None:
    """What comes after it is sent while it waits for its next attempt."""
    begun(store, "a")
    failing = claimed(store)
    assert failing is not None
    store.end_attempt(failing, DeliveryStatus.WAITING, NOW + timedelta(hours=1), "answered 500")
    begun(store, "b")
    message = claimed(store)
    assert message is not None
    assert ["b"] == [notice.rollout for notice in message.notices]


def test_a_channels_next_letter_waits_for_company(store: Store) -> None:
    """After a letter, what is new is gathered for half a minute; the first of a quiet time goes out soon."""
    begun(store, "a")
    message = claimed(store)
    assert message is not None
    store.end_attempt(message, DeliveryStatus.DELIVERED, NOW)
    begun(store, "b")
    store.schedule("slack", NOW + GATHER, GATHER, APART)
    assert store.claim("slack", NOW + APART - GATHER, NOW + LEASE) is None
    assert store.claim("slack", NOW + APART, NOW + LEASE) is not None


def test_what_was_given_up_is_seen(store: Store) -> None:
    """By channel in the backlog, and on its rollout with what went wrong."""
    begun(store)
    message = claimed(store)
    assert message is not None
    store.end_attempt(message, DeliveryStatus.GIVEN_UP, NOW, "answered 410")
    assert ("slack", 0, 1) in [(one.channel, one.waiting, one.given_up) for one in store.backlog()]
    assert (("started", "slack", "answered 410"),) == store.problems("search-v2")
