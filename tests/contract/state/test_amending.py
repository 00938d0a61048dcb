"""Amending the plan of a rollout that is under way: at once or once approved, journaled, and never against evidence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from gates.judge import Memory, compile, settle  # noqa: A004 - the gate's own word
from gates.memory import blank
from plans.load import PlanError, digest, loads
from plans.schema import Then
from rollout.model import Status, Verb, Verdict
from sluice.replay import replayed
from state import step
from state.errors import RefusedError
from state.step import Judged
from state.store import Store
from tests.contract.state.story import BEGIN, DAY, asking, judged, plan, started, submitted, text

LONGER = text().replace("expose: 10%, hold: 7d", "expose: 10%, hold: 9d")
LOOSER = text().replace("expose: 10%, hold: 7d", "expose: 20%, hold: 7d")
TIGHTER = text().replace("> 2x control", "> 1.5x control")
NAME = "search-v2"


def test_a_stricter_plan_is_in_force_at_once(store: Store) -> None:
    """The rollout runs by it, the journal has its digest and every change in words, and the former plan is kept."""
    started(store)
    done = _amend(store, LONGER)
    rollout, entry = store.rollout(NAME), store.journal(NAME)[-1]
    assert (True, LONGER, digest(loads(LONGER))) == (done.accepted, rollout.plan_text, rollout.digest)
    assert (Verb.AMEND, rollout.digest, "pm") == (entry.verb, entry.after.digest, entry.by)
    assert "phases.beta.hold: 7d -> 9d (stricter)" in entry.reason
    assert plan() == store.plan(entry.before.digest)


def test_a_looser_plan_waits_until_somebody_approves_it(store: Store) -> None:
    """Nothing changes before; then the journal says who asked and who approved."""
    started(store)
    assert "waits" in _amend(store, LOOSER).effect
    waiting = store.rollout(NAME)
    assert (plan(), digest(loads(LOOSER))) == (waiting.plan, waiting.state.proposal and waiting.state.proposal.digest)
    done = step.approve_amendment(store, NAME, digest(loads(LOOSER))[:12], "lead", "agreed", BEGIN + DAY)
    rollout = store.rollout(NAME)
    assert (True, loads(LOOSER), None) == (done.accepted, rollout.plan, rollout.state.proposal)
    verbs = [(entry.verb, entry.by) for entry in store.journal(NAME)]
    assert [(Verb.PROPOSE, "pm"), (Verb.AMEND, "lead")] == verbs[-2:]


def test_a_stricter_plan_waits_where_it_is_told_to(store: Store) -> None:
    """As a checkout proposes it: nothing is amended before somebody approves."""
    started(store)
    args = step.amendment(store, NAME, LONGER, waits=True)
    done = step.command(store, NAME, Verb.AMEND, "pm", "from git", BEGIN, args=args)
    assert (True, plan()) == ("waits" in done.effect, store.rollout(NAME).plan)
    step.approve_amendment(store, NAME, digest(loads(LONGER)), "lead", "agreed", BEGIN + DAY)
    assert loads(LONGER) == store.rollout(NAME).plan


def test_only_the_amendment_that_waits_can_be_approved(store: Store) -> None:
    """None waits, another one waits, or the rollout has gone on into the phase that it changes."""
    now = asking(store)
    with pytest.raises(RefusedError, match="no amendment"):
        step.approve_amendment(store, NAME, "abcdef", "lead", "", now)
    _amend(store, LOOSER)
    with pytest.raises(RefusedError, match="not abcdef"):
        step.approve_amendment(store, NAME, "abcdef", "lead", "", now)
    step.command(store, NAME, Verb.APPROVE, "pm", "fine", now)
    rollout = store.rollout(NAME)
    step.step(store, NAME, now, judged(rollout, rollout.plan, now))
    assert 1 == store.rollout(NAME).state.phase
    late = step.approve_amendment(store, NAME, digest(loads(LOOSER)), "lead", "agreed", now)
    assert "beta has been entered" in str(late.why)


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        (text(), "nothing to amend"),
        (text().replace("alpha, expose: 1%", "alpha, expose: 2%"), "alpha has been entered"),
        (text().replace("salt: search-v2", "salt: other"), "salt cannot be amended"),
        (text(flag="other"), "flag cannot be amended"),
        (text(name="other"), "name cannot be amended"),
    ],
)
def test_what_is_fixed_is_refused_with_the_reason(store: Store, edited: str, words: str) -> None:
    """And nothing is changed."""
    started(store)
    before = store.rollout(NAME)
    assert words in str(_amend(store, edited).why)
    assert before == store.rollout(NAME)


def test_a_bad_plan_and_a_missing_reason_change_nothing(store: Store) -> None:
    """Every problem of the text, or the word that is missing."""
    started(store)
    with pytest.raises(PlanError):
        _amend(store, LONGER.replace("hold: 9d", "hold: soon"))
    assert "give a reason" in str(step.amend(store, NAME, LONGER, "pm", "", BEGIN).why)


def test_a_breached_criterion_cannot_be_amended_away(store: Store) -> None:
    """Neither taken out nor changed, nor its metric; everything else may become stricter."""
    started(store)
    rollout = store.rollout(NAME)
    found = judged(rollout, rollout.plan, BEGIN, Verdict.BREACH, Then.HOLD)
    step.step(store, NAME, BEGIN, replace(found, memory=None))
    assert Status.HELD == store.rollout(NAME).state.status
    for edited in (TIGHTER, text().replace("error_rate > 2x control, ", ""), text().replace("bad: error", "bad: err")):
        assert "cannot be amended away" in str(_amend(store, edited).why)
    assert _amend(store, LONGER).accepted


def test_an_open_question_is_asked_anew_of_the_amended_plan(store: Store) -> None:
    """An answer to the question about the former plan counts for nothing."""
    now = asking(store)
    asked = store.rollout(NAME).state.question
    step.amend(store, NAME, LONGER, "pm", "slower", now)
    state = store.rollout(NAME).state
    assert (Status.AWAITING_APPROVAL, asked + 1) == (state.status, state.question)


def test_every_decision_before_and_after_an_amendment_is_derived_anew(store: Store) -> None:
    """By the plan that was in force when it was made."""
    asking(store)
    _amend(store, LONGER)
    _amend(store, TIGHTER.replace("expose: 10%, hold: 7d", "expose: 10%, hold: 9d"))
    step.command(store, NAME, Verb.HOLD, "pm", "look", BEGIN + 4 * DAY)
    found = replayed(store, NAME)
    assert [] == [one.differences for one in found if not one.identical]
    digests = [one.entry.after.digest for one in found]
    assert 3 == len(set(digests))
    assert all(b.before.digest == a.after.digest for a, b in pairwise(store.journal(NAME)))


def test_a_committed_amendment_leaves_the_gates_memory_for_the_new_plan(store: Store) -> None:
    """The criterion that is changed begins afresh on its unspent share, the other goes on."""
    judging = Store(store.engine, "test", settle)
    made = started(judging)
    known = judged(judging.rollout(NAME), made, BEGIN, Verdict.BREACH, Then.HOLD)
    found = replace(
        known.evidence, findings=tuple(one._replace(verdict=Verdict.INSUFFICIENT) for one in known.evidence.findings)
    )
    judging.add_command(NAME, Verb.HOLD, "pm", "look", BEGIN)
    step.step(judging, NAME, BEGIN, Judged(found, blank(compile(made)).to_json(), known.version))
    _amend(judging, TIGHTER)
    memory = judging.rollout(NAME).memory
    assert memory is not None
    assert 2 == len(Memory.from_json(memory).records)


def test_submitting_the_edited_file_names_the_way(store: Store) -> None:
    """A rollout's plan is changed by amending it; the amended text submitted again is the rollout itself."""
    submitted(store)
    with pytest.raises(RefusedError, match="sluice amend"):
        step.submit(store, LONGER, "pm", BEGIN)
    _amend(store, LONGER)
    assert not step.submit(store, LONGER, "pm", BEGIN).created


def _amend(store: Store, edited: str) -> step.Outcome:
    return step.amend(store, NAME, edited, "pm", "because", BEGIN + DAY)
