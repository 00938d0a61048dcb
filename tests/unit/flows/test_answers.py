"""What an answer typed in Prefect comes to: it counts once, for the question its form showed, by an approver."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from flows import approvals
from flows.advance import advance
from flows.answers import carried_out
from flows.appearance import ended
from flows.approvals import Answer, Unreadable
from flows.guard import sweep, worth
from flows.reminders import remind
from plans.channels import Reminders
from plans.expressions import Duration
from rollout.model import RolloutState, Status, Verb
from state.codes import code, step_at
from state.credentials import Scope
from state.step import command, submit
from tests.unit.flows.world import PLAN, World

NAME = "asked"
APPROVAL = ", approval: {required: true, expires: 3d, then: abort}"
STRICT = PLAN.format(name=NAME, approval=APPROVAL) + (
    "approvers: [ana@x, bo@x, cy@x]\napprovals: 2\nrequester_may_approve: false\n"
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A rollout that bo submitted, waiting for two approvals."""
    world = World(tmp_path)
    submit(world.house.store, STRICT, "bo", world.at, person="bo@x")
    for _ in range(2):
        advance(world.house.store, world.house.clock, NAME, world.counts)
        world.pass_time(timedelta(hours=1))
    assert Status.AWAITING_APPROVAL is state(world).status
    return world


def state(world: World) -> RolloutState:
    """The rollout's state now."""
    return world.rollout(NAME).state


def form(world: World, refused: str | None = None) -> str:
    """The text of the form, without the escapes of Markdown."""
    rollout = world.rollout(NAME)
    text = approvals.question_text(rollout.plan, rollout.state, rollout.evidence, refused=refused)
    return text.replace("\\", "")


def device(world: World, person: str) -> str:
    """The code that the device of a new key's person shows."""
    store = world.house.store
    key, _ = store.create_key(person, person, [Scope.ROLLOUTS_APPROVE], "test", world.at)
    return code(base64.b32decode(store.enrol(key)), step_at(world.house.clock.real()))


def test_the_form_says_who_may_approve_how_many_have_and_when_it_lapses(world: World) -> None:
    """Before and after the first of two."""
    assert "- it takes 2 of ana@x, bo@x, cy@x, but not whoever asks for it" in form(world)
    assert "- 0 of 2 approvals; ana@x or cy@x may approve" in form(world)
    assert "- the question lapses Fri 4 Dec 10:00 UTC, then abort" in form(world)
    assert carried_out(world.house, state(world), Answer(decision="approve", approver="ana@x")).accepted
    assert "- 1 of 2 approvals (ana@x); cy@x may approve" in form(world)


def test_without_keys_the_typed_name_is_taken_at_its_word(world: World) -> None:
    """Who is not named, is not an approver or has approved is told so on the form; the question stays open."""
    for typed, words in (("", "nobody vouches"), ("eve@x", "not one of"), ("bo@x", "may not approve it")):
        refused = carried_out(world.house, state(world), Answer(decision="approve", approver=typed))
        assert not refused.accepted
        assert words in form(world, refused.why)
    assert Status.AWAITING_APPROVAL is state(world).status
    for typed in ("ana@x", "cy@x"):
        assert carried_out(world.house, state(world), Answer(decision="approve", approver=typed)).accepted
    assert state(world).approved


def test_with_keys_a_code_says_who_approves(world: World) -> None:
    """Somebody else's name with one's own code is refused, and so is a right code of no approver."""
    ana, eve = device(world, "ana@x"), device(world, "eve@x")
    wrong = carried_out(world.house, state(world), Answer(decision="approve", approver="cy@x", code=ana))
    assert "no such approval code" in str(wrong.why)
    other = carried_out(world.house, state(world), Answer(decision="approve", approver="eve@x", code=eve))
    assert "eve@x is not one of the approvers; ana@x or cy@x may approve" == other.why
    assert carried_out(world.house, state(world), Answer(decision="approve", approver="ana@x", code=ana)).accepted
    assert ("ana@x",) == state(world).approved_by


@pytest.mark.parametrize("decision", ["abort", "hold"])
def test_stopping_asks_nobody_who_they_are(world: World, decision: str) -> None:
    """No name, no code, no approver: the answer counts, from an old form too."""
    device(world, "ana@x")
    answer = Answer.model_validate({"decision": decision, "question": -(10**20)})
    assert carried_out(world.house, state(world), answer).accepted
    assert state(world).status in {Status.HELD, Status.REVERTED}


def test_a_form_that_was_left_open_approves_no_later_question(world: World) -> None:
    """Its number travels with the answer; the form of the new question says that it did not count."""
    assert 1 == approvals.form(approvals.Codes.NONE, 1)["properties"]["question"]["default"]
    store, now = world.house.store, world.at
    assert command(store, NAME, Verb.EXTEND, "pm", "", now, args={"duration": "1s"}).accepted
    world.pass_time(timedelta(minutes=1))
    advance(store, world.house.clock, NAME, world.counts)
    assert 2 == state(world).question
    stale = carried_out(world.house, state(world), Answer(decision="approve", approver="ana@x", question=1))
    assert "stale: your answer is to question 1, asked now asks question 2" == stale.why
    assert "**The last answer did not count: stale" in form(world, stale.why)
    assert () == state(world).approved_by
    assert carried_out(world.house, state(world), Answer(decision="approve", approver="ana@x", question=2)).accepted


@pytest.mark.parametrize("given", [{}, {"decision": "perhaps"}, {"reason": "x"}, {"decision": None}, "approve", [], 7])
def test_a_resume_that_decides_nothing_advances_nothing_and_says_so(world: World, given: object) -> None:
    """However it got past Prefect: the form says that it decided nothing, and what would."""
    answer = approvals.read(given)
    assert isinstance(answer, Unreadable)
    before = state(world)
    outcome = carried_out(world.house, before, answer)
    assert (False, before) == (outcome.accepted, state(world))
    assert "choose approve, abort or hold" in form(world, outcome.why)


def test_a_second_resume_advances_nothing_and_says_so(world: World) -> None:
    """The same answer again, to a rollout that has gone on, is refused with where it stands."""
    asked = state(world)
    for typed in ("ana@x", "cy@x"):
        assert carried_out(world.house, asked, Answer(decision="approve", approver=typed, question=1)).accepted
    again = carried_out(world.house, asked, Answer(decision="approve", approver="cy@x", question=1))
    assert "asked is running; approve is for a rollout that is awaiting_approval" == again.why


def test_the_guard_lets_a_question_lapse_for_its_run_sleeps(world: World) -> None:
    """At the next sweep after its instant, without waiting for a run that only a person can wake; once."""
    world.pass_time(timedelta(days=3) - timedelta(hours=1, seconds=1))
    sweep(world.house)
    assert Status.AWAITING_APPROVAL is state(world).status
    world.pass_time(timedelta(seconds=1))
    assert worth(world.house)
    assert f"moved {NAME} (abort)" in str(sweep(world.house))
    assert "moved" not in str(sweep(world.house))
    journal = world.house.store.journal(NAME)
    badge = ended(state(world), journal)
    assert ("CANCELLED", "Aborted: not approved to leave alpha within 3d, 0 of 2 approvals") == (badge.type, badge.name)


def test_a_reminder_says_whose_approval_is_missing(world: World) -> None:
    """And when the question lapses."""
    assert carried_out(world.house, state(world), Answer(decision="approve", approver="ana@x")).accepted
    world.pass_time(timedelta(days=1))
    assert (NAME,) == remind(world.house, Reminders(after=Duration(days=1), every=Duration(days=1)))
    body = world.house.store.outbox_pending()[-1].body
    assert "1 of 2 approvals (ana@x); cy@x may approve" in body
    assert "the question lapses Fri 4 Dec 10:00 UTC, then abort" in body
