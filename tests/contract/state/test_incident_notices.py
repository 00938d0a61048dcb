"""What channels hear of an incident: its beginning and its end, each once, whatever the number of rollouts."""

from __future__ import annotations

from datetime import timedelta

from plans.channels import PREFECT
from plans.listeners import Event
from plans.load import loads
from rollout.model import Verb
from state import step
from state.store import Notification, Store
from tests.contract.state.story import BEGIN, DAY, text
from tests.contract.state.test_deliveries import KNOWN, claimed

HOUR = timedelta(hours=1)


def submitted(store: Store, name: str, notify: str) -> None:
    """A rollout of a flag of the same name."""
    words = f"{text(name, name)}notify: {notify}\n"
    store.submit(loads(words, known=KNOWN), words, "pm", BEGIN)


def three(store: Store) -> None:
    """Two rollouts of which `slack` hears, one of which `pager` hears, of incidents' beginnings alone."""
    submitted(store, "one", "[slack]")
    submitted(store, "two", "[slack, {pager: [incident_started]}]")
    submitted(store, "three", "[log]")


def heard(store: Store, channel: str) -> list[Notification]:
    """What a channel is told now."""
    message = claimed(store, BEGIN + DAY, channel)
    return [] if message is None else list(message.notices)


def test_a_channel_hears_once_of_an_incident_about_many_rollouts(store: Store) -> None:
    """In the notice of the oldest rollout that would be heard there; all that it touches are named."""
    three(store)
    store.start_incident("ops", "the database is down", (), 2 * HOUR, BEGIN)
    (slack,), (pager,) = heard(store, "slack"), heard(store, "pager")
    assert ("one", "two") == (slack.rollout, pager.rollout)
    assert slack.event == Event.INCIDENT_STARTED
    assert slack.title == (
        "Nothing to do: nothing grows until 2026-12-01 16:00 UTC: incident 1 about all flags: the database is down"
    )
    assert "by ops at 2026-12-01T14:00:00Z\nrollouts: one, two, three\n" in slack.body
    assert ["one", "two"] == [one.rollout for one in store.outbox_pending()]
    assert 2 == len(heard(store, PREFECT))


def test_its_end_is_told_to_those_who_listen_for_it_by_whomever_it_was_ended(store: Store) -> None:
    """A person's end at once, its time's at the sweep that writes it down, and never twice."""
    three(store)
    store.start_incident("ops", "the database is down", (), 2 * HOUR, BEGIN)
    store.start_incident("ops", "the index moves", ("two",), 3 * HOUR, BEGIN)
    assert [2, 2] == [len(heard(store, "pager")), len(heard(store, "slack"))]
    store.end_incident(1, "ana", "it is up", BEGIN + HOUR)
    assert () != store.close_incidents(BEGIN + 4 * HOUR)
    assert () == store.close_incidents(BEGIN + 4 * HOUR)
    by_hand, by_itself = ended = heard(store, "slack")
    assert {Event.INCIDENT_ENDED} == {one.event for one in ended}
    assert "it is up by ana at 2026-12-01T15:00:00Z\nrollouts: one, two, three" in by_hand.body
    assert by_itself.title == (
        "Nothing to do: incident 2 about flag two is over since 2026-12-01 17:00 UTC; "
        "rollouts go on from their next look"
    )
    assert "its time was over by sluice at 2026-12-01T17:00:00Z\nrollouts: two" in by_itself.body
    assert [] == heard(store, "pager")


def test_an_incident_that_touches_no_live_rollout_is_told_to_nobody(store: Store) -> None:
    """Neither of a flag that no rollout has any more, nor where there are none at all."""
    store.start_incident("ops", "the database is down", (), HOUR, BEGIN)
    submitted(store, "one", "[slack]")
    assert step.command(store, "one", Verb.ABORT, "ana", "enough", BEGIN).accepted
    told = len(store.outbox_pending())
    store.start_incident("ops", "the index moves", ("one",), HOUR, BEGIN + 2 * HOUR)
    assert told == len(store.outbox_pending())


def test_of_many_rollouts_the_first_are_named_and_the_others_counted(store: Store) -> None:
    """A letter stays one that people read."""
    for number in range(53):
        submitted(store, f"r{number:02}", "[slack]")
    store.start_incident("ops", "the database is down", (), HOUR, BEGIN)
    (only,) = heard(store, "slack")
    assert "r48, r49 and 3 more\n" in only.body
