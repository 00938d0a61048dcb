"""Who clicked in Prefect's UI: nobody is taken at their word where there are keys, and nobody is kept from aborting."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from flows import approvals
from flows.advance import advance
from flows.answers import carried_out
from flows.approvals import Answer, Codes
from flows.identity import clicked, codes, named
from rollout.model import RolloutState, Status, Verb
from state.author import Author
from state.codes import code, step_at
from state.credentials import LOWERS, Scope
from state.errors import RefusedError
from tests.unit.flows.world import World

ANA = "ana@example.com"
ASKED = sorted(set(Verb) - LOWERS)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A rollout that waits for an approval."""
    world = World(tmp_path)
    world.submit("asked", approval=True)
    return world


def enrolled(world: World, scope: Scope = Scope.ROLLOUTS_APPROVE) -> str:
    """The code that the device of a new key's person shows now."""
    store = world.house.store
    secret = store.enrol(store.create_key("ana", ANA, [scope], "pm", world.at)[0])
    return code(base64.b32decode(secret), step_at(world.house.clock.real()))


def waiting(world: World) -> RolloutState:
    """The rollout once its question is asked."""
    advance(world.house.store, world.house.clock, "asked", world.counts)
    world.pass_time(timedelta(hours=1))
    advance(world.house.store, world.house.clock, "asked", world.counts)
    state = world.rollout("asked").state
    assert Status.AWAITING_APPROVAL is state.status
    return state


def test_without_keys_a_name_is_a_claim(world: World) -> None:
    """Forms ask for no code, and whatever is typed there changes nothing."""
    assert (Codes.NONE, "ana (as claimed)") == (
        codes(world.house),
        clicked(world.house, Verb.APPROVE, "ana", "123456").by,
    )
    assert "code" not in approvals.form(Codes.NONE, 1)["properties"]


@pytest.mark.parametrize("verb", ASKED)
def test_with_keys_only_a_right_code_lets_a_rollout_go_on(world: World, verb: Verb) -> None:
    """A wrong code, no code, and no name are refused."""
    right = enrolled(world)
    for claimed, typed in ((ANA, ""), (ANA, "000000"), ("", right), ("bo@example.com", right)):
        with pytest.raises(RefusedError, match="no such approval code"):
            clicked(world.house, verb, claimed, typed)
    assert (ANA, ANA) == _said(clicked(world.house, verb, ANA, right))


@pytest.mark.parametrize("verb", sorted(LOWERS))
@pytest.mark.parametrize("typed", ["", "000000", "no code"])
def test_taking_exposure_back_is_never_kept_from_anybody(world: World, verb: Verb, typed: str) -> None:
    """Abort, hold, back, kill and rollback count without a code and with a wrong one; a right one names its person."""
    right = enrolled(world)
    assert (f"{ANA} (as claimed)", None) == _said(clicked(world.house, verb, ANA, typed))
    assert (ANA, ANA) == _said(clicked(world.house, verb, ANA, right))


def test_a_plan_is_submitted_by_somebody_who_is_known(world: World) -> None:
    """Submitting exposes people, so it takes a code of a key that may submit."""
    right = enrolled(world)
    with pytest.raises(RefusedError, match="it needs rollouts:submit"):
        named(world.house, Scope.ROLLOUTS_SUBMIT, ANA, right)


def test_an_answer_without_a_right_code_approves_nothing_and_says_so(world: World) -> None:
    """The question stays open, and the form says why; the right code then approves as its person."""
    state, store = waiting(world), world.house.store
    right = enrolled(world)
    refused = carried_out(world.house, state, Answer(decision="approve", approver=ANA, code="1"))
    assert (False, Status.AWAITING_APPROVAL) == (refused.accepted, store.rollout("asked").state.status)
    rollout = store.rollout("asked")
    text = approvals.question_text(rollout.plan, rollout.state, rollout.evidence, refused=refused.why)
    assert "The last answer did not count: no such approval code" in text
    assert "code" in approvals.form(Codes.ASKED, 1)["properties"]
    assert carried_out(world.house, state, Answer(decision="approve", approver=ANA, code=right)).accepted
    assert [ANA] == [entry.by for entry in store.journal("asked") if entry.verb is Verb.APPROVE]


def test_an_answer_that_aborts_needs_no_code(world: World) -> None:
    """Less right than approving."""
    enrolled(world)
    assert carried_out(world.house, waiting(world), Answer(decision="abort")).accepted
    assert Status.REVERTED is world.house.store.rollout("asked").state.status


def _said(author: Author) -> tuple[str, str | None]:
    """What the journal says, and whom they are known to be."""
    return author.by, author.person
