"""Incidents in the store: journaled under seal, read along with every rollout, and in the way of growth alone."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from rollout.incidents import Incident
from rollout.model import Status, Transition, Verb, Verdict
from sluice.replay import replayed
from state import step
from state.audit import audit
from state.errors import RefusedError, StaleStateError, UnknownError
from state.store import Live, Rollout, Store
from tests.contract.state.story import BEGIN, DAY, asking, judged, next_transition, started, submitted

NAME, FLAG = "search-v2", "search"
HOUR = timedelta(hours=1)


def declared(store: Store, *flags: str, length: timedelta = 2 * HOUR, now: timedelta = timedelta()) -> Incident:
    return store.start_incident("ops", "the database is down", flags, length, BEGIN + now)


def test_an_incident_is_journaled_from_its_beginning_to_its_end(store: Store) -> None:
    """Who, why, about what and until when; then who ended it; all of it under the chain's seals."""
    submitted(store)
    made = declared(store, FLAG)
    known = Incident(
        number=1, since=BEGIN, until=BEGIN + 2 * HOUR, by="ops", reason="the database is down", flags=(FLAG,)
    )
    assert (known, (known,)) == (made, store.incidents())
    ended = store.end_incident(1, "ana", "it is up", BEGIN + HOUR)
    assert (ended,) == store.incidents()
    assert ("ana", "it is up", BEGIN + HOUR) == (ended.ended_by, ended.ended_reason, ended.over_at)
    with store.frozen() as tx:
        assert [] == [one for some in audit(tx, store.secrets, store.head()) for one in some]


def test_every_page_that_follows_the_store_hears_of_it(store: Store) -> None:
    """Beginning and end change the word that pages compare."""
    submitted(store)
    words = [store.pulse()]
    declared(store)
    words.append(store.pulse())
    store.end_incident(None, "ana", "", BEGIN + HOUR)
    assert 3 == len({*words, store.pulse()})


def test_a_rollout_is_read_with_the_incidents_about_its_flag(store: Store) -> None:
    """Alone and among all, and none that was over before it was submitted."""
    declared(store, now=-3 * DAY)
    submitted(store)
    submitted(store, "other-v2", "other")
    mine = declared(store, FLAG)
    everyones = declared(store, length=HOUR, now=HOUR)
    (light,) = [row for row in store.live() if row.name == NAME]
    both: tuple[Rollout | Live, ...] = (store.rollout(NAME), light)
    for row in both:
        assert ((mine, everyones), mine) == (row.incidents, row.state.incident)
    (other,) = [row for page in store.due_for_look(BEGIN) for row in page if row.name == "other-v2"]
    assert ((everyones,), everyones) == (other.incidents, other.state.incident)


def test_an_end_is_written_down_once_its_time_is_over(store: Store) -> None:
    """By whichever sweep comes first, at the instant that was announced, and never twice."""
    one, long = declared(store), declared_other(store)
    assert () == store.close_incidents(BEGIN + HOUR)
    assert (one,) == store.close_incidents(BEGIN + 3 * HOUR)
    assert () == store.close_incidents(BEGIN + 3 * HOUR)
    first, second = store.incidents()
    assert (one.until, "sluice", "its time was over") == (first.ended, first.ended_by, first.ended_reason)
    assert long == second


def declared_other(store: Store) -> Incident:
    """One about another flag, for a day."""
    submitted(store, "other-v2", "other")
    return declared(store, "other", length=DAY)


def test_nothing_grows_in_an_incident_and_the_next_pass_after_it_goes_on(store: Store) -> None:
    """A whole pass with healthy evidence and everything due: nothing, until the incident is over."""
    approved(store)
    declared(store, now=3 * DAY)
    assert () == passed(store, BEGIN + 3 * DAY + HOUR)
    (grown,) = passed(store, BEGIN + 3 * DAY + 2 * HOUR)
    assert (Verb.ADVANCE, 10_000) == (grown.verb, grown.after.exposure)


def test_growth_goes_on_once_somebody_ends_the_incident(store: Store) -> None:
    """Before its time."""
    approved(store)
    declared(store, now=3 * DAY)
    store.end_incident(None, "ana", "it is up", BEGIN + 3 * DAY + HOUR)
    assert [Verb.ADVANCE] == [one.verb for one in passed(store, BEGIN + 3 * DAY + HOUR)]


def test_growth_that_was_decided_before_an_incident_is_not_committed_in_it(store: Store) -> None:
    """Between a decision and its commit somebody declares one: decide again, and wait."""
    approved(store)
    now = BEGIN + 3 * DAY
    rollout = store.rollout(NAME)
    found = judged(rollout, rollout.plan, now)
    decided = next_transition(store, NAME, now, found.evidence)
    assert Verb.ADVANCE is decided.verb
    declared(store, now=3 * DAY)
    with pytest.raises(StaleStateError):
        store.commit(decided, found.evidence, found.memory, rollout.evidence_version)
    assert 1_000 == store.rollout(NAME).state.exposure


def test_no_incident_ever_blocks_a_revert(store: Store) -> None:
    """Decided before one was declared or in it: reverted at once; an abort and a kill as well."""
    started(store)
    rollout = store.rollout(NAME)
    found = judged(rollout, rollout.plan, BEGIN + HOUR, Verdict.BREACH)
    decided = next_transition(store, NAME, BEGIN + HOUR, found.evidence)
    declared(store, length=DAY)
    store.commit(decided, found.evidence, found.memory, rollout.evidence_version)
    assert Status.REVERTED is store.rollout(NAME).state.status
    started(store, "other-v2", "other")
    assert step.command(store, "other-v2", Verb.ABORT, "pm", "", BEGIN + HOUR).accepted
    assert not store.kill("other", "ops", "smoke", BEGIN + HOUR)["enabled"]


def test_what_was_decided_in_an_incident_is_derived_anew_identically(store: Store) -> None:
    """The journal holds the incident that a decision was made under, so a question asked in one replays."""
    started(store)
    declared(store, length=10 * DAY)
    (asked,) = step.step(store, NAME, BEGIN + 3 * DAY)
    assert Verb.AWAIT_APPROVAL is asked.verb
    entry = store.journal(NAME)[-1]
    assert (1, True) == (entry.before.incident and entry.before.incident.number, replayed(store, NAME)[-1].identical)
    assert all(one.identical for one in replayed(store, NAME))


def test_what_cannot_be_declared_or_ended_is_refused_and_writes_nothing(store: Store) -> None:
    """A second on the same flags, no length, too long a one, a flag that nobody knows, an end of what is not there."""
    submitted(store)
    with pytest.raises(RefusedError, match="no incident lasts now"):
        store.end_incident(None, "ana", "", BEGIN)
    declared(store, FLAG, length=30 * DAY)
    with pytest.raises(RefusedError, match="flags: incident 1 about flag search lasts until"):
        declared(store, FLAG)
    with pytest.raises(UnknownError, match="unknown flag 'serch'; did you mean 'search'"):
        declared(store, "serch")
    for length in (timedelta(), 30 * DAY + HOUR):
        with pytest.raises(RefusedError, match="at most 30 days"):
            declared(store, length=length)
    with pytest.raises(RefusedError, match="there is no number 7"):
        store.end_incident(7, "ana", "", BEGIN)
    declared(store)
    with pytest.raises(RefusedError, match="2 last: name one of 1, 2"):
        store.end_incident(None, "ana", "", BEGIN)
    store.end_incident(1, "ana", "", BEGIN)
    with pytest.raises(RefusedError, match="1 is over since 2026-12-01 14:00 UTC, ended by ana"):
        store.end_incident(1, "ana", "", BEGIN)
    assert 2 == len(store.incidents())


def test_of_two_that_declare_at_once_one_is_told_of_the_other(engine: Engine) -> None:
    """Both about all flags: one incident, one refusal."""
    gate, outcomes = threading.Barrier(2), list[str]()

    def declare() -> None:
        gate.wait(30)
        try:
            declared(Store(engine, "test"))
            outcomes.append("declared")
        except RefusedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=declare) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ["declared", "refused"] == sorted(outcomes)


def approved(store: Store) -> None:
    """In alpha, its hold over and its question answered with yes, but not grown: nothing was judged just now."""
    now = asking(store)
    assert step.command(store, NAME, Verb.APPROVE, "pm", "fine", now).accepted
    assert 1_000 == store.rollout(NAME).state.exposure


def passed(store: Store, now: datetime) -> tuple[Transition, ...]:
    """One pass with healthy evidence of this instant."""
    rollout = store.rollout(NAME)
    return step.step(store, NAME, now, judged(rollout, rollout.plan, now))
