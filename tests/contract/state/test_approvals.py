"""Approvals in the store: counted by person, one journal line each, lapsed once whoever looks first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plans.load import digest, loads
from rollout.model import Cause, Status, Verb
from sluice.replay import replayed
from state import step
from state.errors import RefusedError, StaleStateError
from state.store import Store
from tests.contract.state.story import BEGIN, DAY, commit, next_transition, text

NAME = "search-v2"
ASKED = BEGIN + 3 * DAY
RULES = """\
approvers: [ana@x, bo@x, cy@x]
approvals: 2
requester_may_approve: false
"""


def strict(then: str = "hold") -> str:
    """The story's plan, approved by two of three within three days."""
    expires = f"{{required: true, expires: 3d, then: {then}}}"
    return text().replace("hold: 3d, approval: required", f"hold: 3d, approval: {expires}") + RULES


def asking(store: Store, then: str = "hold", person: str | None = "bo@x") -> None:
    """A rollout of that plan, waiting for its first approval."""
    step.submit(store, strict(then), "Bo's laptop", BEGIN, person=person)
    step.step(store, NAME, BEGIN)
    step.step(store, NAME, ASKED)
    assert Status.AWAITING_APPROVAL is store.rollout(NAME).state.status


def approve(store: Store, person: str | None, by: str = "somebody") -> step.Outcome:
    """What became of an approval."""
    return step.command(store, NAME, Verb.APPROVE, by, "fine", ASKED, person=person)


def test_two_people_approve_and_each_is_a_line_of_the_journal(store: Store) -> None:
    """Refusals leave no trace there; every line is derived anew from what is stored."""
    asking(store)
    refused = [approve(store, person).why for person in (None, "eve@x", "BO@x")]
    words = ("nobody vouches", "not one of", "may not approve")
    assert all(word in str(why) for word, why in zip(words, refused, strict=True))
    first = approve(store, "ana@x", "ana@x")
    assert (True, "1 of 2 approvals (ana@x); cy@x may approve") == (first.accepted, first.effect)
    assert "already" in str(approve(store, "ana@x").why)
    assert approve(store, "cy@x", "cy@x").accepted
    lines = [(entry.verb, entry.by, entry.after.approved_by) for entry in store.journal(NAME)]
    assert [(Verb.APPROVE, "ana@x", ("ana@x",)), (Verb.APPROVE, "cy@x", ("ana@x", "cy@x"))] == lines[-2:]
    assert [("ana@x", "cy@x"), True] == [
        getattr(store.rollout(NAME).state, name) for name in ("approved_by", "approved")
    ]
    assert all(one.identical for one in replayed(store, NAME))


def test_who_asked_is_stored_with_a_command_and_a_submission(store: Store) -> None:
    """Whom they are known to be, beside what they call themselves; a name that nobody vouches for stays a name."""
    asking(store)
    asked = store.add_command(NAME, Verb.HOLD, "Ana's phone", "", ASKED, person="ana@x")
    assert ("ana@x", "Ana's phone") == (store.asked(asked.id).command.person, store.asked(asked.id).command.by)
    rollout = store.rollout(NAME)
    assert ("bo@x", "Bo's laptop") == (rollout.state.requester, rollout.submitted_by)
    plain = text("other", "other")
    step.submit(store, plain, "ci", BEGIN)
    assert "ci" == store.rollout("other").state.requester


def test_a_plan_that_only_its_requester_could_approve_is_refused(store: Store) -> None:
    """The approver who is left out would be one too few; somebody else may submit the same file."""
    one = strict().replace("approvals: 2", "approvals: 3")
    with pytest.raises(RefusedError, match="let somebody else submit it"):
        step.submit(store, one, "bo", BEGIN, person="Bo@x")
    with pytest.raises(RefusedError, match="let somebody else submit it"):
        store.admits(loads(one), "bo@x")
    assert step.submit(store, one, "pm", BEGIN, person="pm@x").created


@pytest.mark.parametrize(("then", "verb", "status"), [("hold", Verb.HOLD, "held"), ("abort", Verb.ABORT, "reverted")])
def test_a_question_lapses_once_whoever_looks_first(store: Store, then: str, verb: Verb, status: str) -> None:
    """Two processes decide the same; one commits, the other finds it done. The store knows when to look."""
    asking(store, then)
    ends = ASKED + 3 * DAY
    assert ends == store.rollout(NAME).due_at
    both = [next_transition(store, NAME, ends) for _ in range(2)]
    commit(store, NAME, both[0])
    with pytest.raises(StaleStateError):
        commit(store, NAME, both[1])
    assert () == step.step(store, NAME, ends + DAY)
    (line,) = [entry for entry in store.journal(NAME) if entry.verb is verb]
    assert (Cause.SCHEDULE, "sluice", status) == (line.cause, line.by, str(line.after.status))
    assert line.after.exposure <= line.before.exposure
    assert all(one.identical for one in replayed(store, NAME))


def test_an_answer_in_time_counts_even_where_nobody_was_there_to_carry_it_out(store: Store) -> None:
    """The second yes was written down a minute before the question lapsed, and is found a day later."""
    asking(store)
    assert approve(store, "ana@x").accepted
    store.add_command(NAME, Verb.APPROVE, "cy", "", ASKED + 3 * DAY - timedelta(minutes=1), person="cy@x")
    made = step.step(store, NAME, ASKED + 4 * DAY)
    assert [Verb.APPROVE] == [transition.verb for transition in made]
    assert store.rollout(NAME).state.approved


def test_an_amendment_needs_the_same_people(store: Store) -> None:
    """The yes of one is a line of the journal and puts nothing in force; that of the second does."""
    asking(store)
    looser = strict().replace("expose: 10%", "expose: 20%")
    args = step.amendment(store, NAME, looser)
    assert step.command(store, NAME, Verb.AMEND, "ana", "more", ASKED, args=args, person="ana@x").accepted
    wanted, found = digest(loads(looser)), []
    for person in (None, "ana@x", "bo@x", "bo@x", "cy@x"):
        done = step.approve_amendment(store, NAME, wanted, str(person), "", ASKED, person=person)
        found.append((done.accepted, store.rollout(NAME).digest == wanted))
    assert [(False, False), (False, False), (True, False), (False, False), (True, True)] == found

    verbs = [(entry.verb, entry.by) for entry in store.journal(NAME)]
    assert (Verb.APPROVE, "bo@x") in verbs
    assert (Verb.AMEND, "cy@x") in verbs
    assert all(one.identical for one in replayed(store, NAME))


def test_stopping_asks_nobody_who_they_are(store: Store) -> None:
    """Kill, restore, hold and abort by nobody who is known, while the question waits for two known people."""
    asking(store)
    assert store.kill("search", "whoever", "smoke", ASKED)["enabled"] is False
    store.restore("search", "whoever", "no fire", ASKED)
    for verb, status in ((Verb.HOLD, Status.HELD), (Verb.ABORT, Status.REVERTED)):
        assert step.command(store, NAME, verb, "whoever", "", ASKED).accepted
        assert status is store.rollout(NAME).state.status
