"""A journal can be audited: each decision comes out again of what is stored with it, on either database."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue
from sqlalchemy import Connection, text

from plans.expressions import Duration
from rollout.model import Cause, Status, Verb, Verdict
from sluice.replay import Replayed, compared, derived, replayed, replayed_json
from state import step
from state.rows import state_json
from state.store import Store
from tests.contract.state.story import DAY, MINUTE, asking, finished, judged, started

NAME, FLAG = "search-v2", "search"


@pytest.fixture
def eventful(store: Store) -> Store:
    """A rollout in which people asked for everything there is, and a criterion ended it twice."""
    now = asking(store)
    asked: dict[Verb, dict[str, JsonValue]] = {
        Verb.EXTEND: {"duration": "1d"},
        Verb.SET: {"settings": {"min_confidence": 0.8}},
        Verb.HOLD: {},
        Verb.RESUME: {},
    }
    for verb, args in asked.items():
        assert step.command(store, NAME, verb, "pm", "", now, args=args).accepted, verb
    store.kill(FLAG, "on-call", "smoke", now + MINUTE)
    store.restore(FLAG, "on-call", "no fire", now + 2 * MINUTE)
    now += DAY
    step.step(store, NAME, now)
    assert step.command(store, NAME, Verb.APPROVE, "pm", "fine", now).accepted
    step.step(store, NAME, now, _look(store, Verdict.INSUFFICIENT))
    assert step.command(store, NAME, Verb.BACK, "pm", "", now, args={"phase": "alpha"}).accepted
    step.step(store, NAME, now, _look(store, Verdict.BREACH))
    assert Status.REVERTED is store.rollout(NAME).state.status
    assert step.command(store, NAME, Verb.RESUME, "pm", "a bug", now + DAY, args={"phase": "alpha"}).accepted
    assert step.command(store, NAME, Verb.ABORT, "pm", "enough", now + DAY).accepted
    return store


def test_every_kind_of_decision_comes_out_again(eventful: Store) -> None:
    """Commands with their words, switches, the schedule, a breach: each line of the journal is derived anew."""
    found = replayed(eventful, NAME)
    asked = {
        Verb.EXTEND,
        Verb.SET,
        Verb.HOLD,
        Verb.RESUME,
        Verb.APPROVE,
        Verb.BACK,
        Verb.ABORT,
        Verb.KILL,
        Verb.RESTORE,
    }
    assert asked | {Verb.START, Verb.AWAIT_APPROVAL, Verb.REVERT} <= {one.entry.verb for one in found}
    assert [] == [replayed_json(one) for one in found if not one.identical]


def test_a_whole_rollout_and_its_rollback_come_out_again(store: Store) -> None:
    """From start to completion through every approval, and back to the old stable."""
    now = finished(store, NAME, FLAG)
    assert step.rollback(store, FLAG, "pm", "second thoughts", now).accepted
    found = replayed(store, NAME)
    assert {Verb.ADVANCE, Verb.COMPLETE, Verb.ROLLBACK} < {one.entry.verb for one in found}
    assert all(one.identical for one in found)


def test_a_changed_journal_is_found_out(eventful: Store) -> None:
    """Evidence that was altered behind the triggers no longer gives the revert that stands beside it."""
    (revert,) = [one.entry for one in replayed(eventful, NAME) if one.entry.verb is Verb.REVERT]
    with eventful.engine.begin() as tx:
        _unsealed(tx)
        tx.execute(
            text(
                "UPDATE journal SET evidence = REPLACE(evidence, '\"breach\"', '\"pass\"') WHERE revision = :revision"
            ),
            {"revision": revert.revision},
        )
    (wrong,) = [one for one in replayed(eventful, NAME) if not one.identical]
    assert revert.revision == wrong.entry.revision
    assert "transition" in {difference.what for difference in wrong.differences}


def test_a_line_that_does_not_follow_from_the_one_before_is_found_out(store: Store) -> None:
    """The state before a decision must be what the decision before it left."""
    started(store)
    (line,) = store.journal(NAME)
    later = replace(line.before, exposure=5_000)
    with store.engine.begin() as tx:
        _unsealed(tx)
        tx.execute(text("UPDATE journal SET before = :before"), {"before": state_json(later)})
    (found,) = replayed(store, NAME)
    assert ["before.exposure"] == [one.what for one in found.differences]
    assert (5_000, 0) == (found.differences[0].stored, found.differences[0].derived)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"verb": Verb.HOLD}, "transition"),
        ({"cause": Cause.PERSON}, "cause"),
        ({"by": "somebody"}, "by"),
        ({"reason": "another"}, "reason"),
    ],
)
def test_every_part_of_a_decision_is_compared(store: Store, change: dict[str, object], what: str) -> None:
    """Verb, cause, author and words are as stored, or named with both values."""
    plan = started(store)
    (line,) = store.journal(NAME)
    again = derived(plan, line, ())
    assert [] == list(compared(line, again, ()))
    assert [what] == [one.what for one in compared(replace(line, **change), again, ())]  # type: ignore[arg-type]


def test_the_state_it_leaves_is_compared_field_by_field(store: Store) -> None:
    """A phase that was longer than it should be is one difference, with the words of both."""
    plan = started(store)
    (line,) = store.journal(NAME)
    altered = replace(line, after=replace(line.after, extension=Duration.parse("2d")))
    found = Replayed(altered, tuple(compared(altered, derived(plan, line, ()), ())))
    told = replayed_json(found)
    assert not told["identical"]
    assert [{"what": "after.extension", "stored": "2d", "derived": "0s"}] == told["differences"]


def _unsealed(tx: Connection) -> None:
    """Let a line be changed, as only somebody who owns the database can."""
    if tx.dialect.name == "sqlite":
        tx.execute(text("DROP TRIGGER journal_no_update"))
    else:
        tx.execute(text("SET LOCAL session_replication_role = replica"))


def _look(store: Store, verdict: Verdict) -> step.Judged:
    rollout = store.rollout(NAME)
    return judged(rollout, rollout.plan, rollout.state.since, verdict)
