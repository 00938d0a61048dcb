"""Taking plans in: names, flags and what a flag serves."""

from __future__ import annotations

import pytest

from plans.load import loads
from rollout.model import Status, Verb
from state import step
from state.store import RefusedError, Store, UnknownError
from tests.contract.state.story import BEGIN, DAY, STABLE, asking, finish, finished, plan, started, submitted, text

CANDIDATE = "{model: v2, min_confidence: 0.7}"


def test_the_same_plan_twice_is_the_same_rollout(store: Store) -> None:
    """A second submit of the same plan creates nothing, in whatever state the rollout is."""
    first = store.submit(plan(), text(), "pm", BEGIN)
    step.step(store, "search-v2", BEGIN)
    again = store.submit(plan(), "# a comment\n" + text(), "pm", BEGIN + DAY)
    assert (True, False, first.digest) == (first.created, again.created, again.digest)
    assert ("search-v2",) == store.names()
    assert Status.RUNNING == store.rollout("search-v2").state.status


def test_a_changed_plan_needs_a_new_name(store: Store) -> None:
    """A name stands for one plan for ever, and the refusal says how to keep the cohort."""
    submitted(store)
    changed = text().replace("10%", "20%")
    with pytest.raises(RefusedError, match=r"another plan, whose rollout is scheduled; .* `salt: search-v2`"):
        step.submit(store, changed, "pm", BEGIN)


def test_a_flag_has_one_live_rollout(store: Store) -> None:
    """A second live rollout on a flag is refused, naming the one that holds it."""
    started(store)
    with pytest.raises(RefusedError, match=r"held by the live rollout search-v2 \(running\)"):
        submitted(store, "search-v3")
    assert ("search-v2",) == store.names()


def test_a_check_refuses_what_a_submit_would(store: Store) -> None:
    """Asked beforehand, the store says the same of a name or a flag that is taken; and it keeps nothing."""
    assert store.admits(plan())
    assert () == store.names()
    started(store)
    assert not store.admits(plan())
    with pytest.raises(RefusedError, match="another plan"):
        store.admits(loads(text().replace("10%", "20%")))
    with pytest.raises(RefusedError, match="held by the live rollout"):
        store.admits(plan("search-v3"))


def test_an_ended_rollout_frees_its_flag(store: Store) -> None:
    """After an abort another plan may take the flag; the first can then no longer resume."""
    started(store)
    step.command(store, "search-v2", Verb.ABORT, "pm", "no", BEGIN + DAY)
    submitted(store, "search-v3")
    assert "search-v3" == store.rollout("search-v2").state.flag_taken_by
    outcome = step.command(store, "search-v2", Verb.RESUME, "pm", "again", BEGIN + DAY)
    assert (False, True) == (outcome.accepted, "search-v3" in (outcome.why or ""))


def test_stable_must_be_what_the_flag_serves(store: Store) -> None:
    """A plan whose stable is not what the flag serves is refused, naming both."""
    finished(store, "search-v2", "search")
    with pytest.raises(RefusedError, match=r'the plan says .*"v1".*the flag serves .*"v2"'):
        submitted(store, "search-v3", stable=STABLE)
    submitted(store, "search-v3", stable=CANDIDATE)


def test_current_stable_is_made_concrete(store: Store) -> None:
    """`stable: current` becomes what the flag serves, under the digest of the plan as written."""
    finished(store, "search-v2", "search")
    declared = submitted(store, "search-v3", stable="current")
    assert {"model": "v2", "min_confidence": 0.7} == store.rollout("search-v3").plan.stable
    assert "current" == declared.stable
    assert not store.submit(declared, text("search-v3", stable="current"), "pm", BEGIN).created


def test_current_stable_of_a_new_flag_is_refused(store: Store) -> None:
    """`stable: current` needs a flag that serves something."""
    with pytest.raises(RefusedError, match="search is new"):
        submitted(store, stable="current")
    assert () == store.flags()


def test_what_cannot_be_judged_is_not_taken(store: Store) -> None:
    """A plan with something that no gate here can judge is refused, saying what."""
    with pytest.raises(RefusedError, match="cannot be judged yet: p95"):
        step.submit(store, text(), "pm", BEGIN, unsupported=lambda _plan: ["p95(latency)"])
    assert () == store.names()


def test_a_misspelt_name_is_told_its_neighbour(store: Store) -> None:
    """An unknown rollout or flag is refused with the nearest known one."""
    submitted(store)
    with pytest.raises(UnknownError, match="did you mean 'search-v2'"):
        store.rollout("serch-v2")
    with pytest.raises(UnknownError, match="did you mean 'search'"):
        store.kill("serach", "oncall", "smoke", BEGIN)


def test_a_completed_candidate_is_the_new_stable_until_it_is_rolled_back(store: Store) -> None:
    """Completion makes the candidate stable; rollback gives the old one back, once."""
    now = finished(store, "search-v2", "search")
    assert {"model": "v2", "min_confidence": 0.7} == store.stable("search")
    assert step.rollback(store, "search", "pm", "slower", now).accepted
    assert {"model": "v1", "min_confidence": 0.7} == store.stable("search")
    assert not step.rollback(store, "search", "pm", "slower", now).accepted


def test_a_successor_that_completed_ends_the_way_back(store: Store) -> None:
    """A rollout whose flag serves something newer cannot be rolled back any more."""
    now = finished(store, "search-v2", "search")
    newer = text("search-v3", stable=CANDIDATE).replace("candidate: {model: v2", "candidate: {model: v3")
    step.submit(store, newer, "pm", now)
    finish(store, "search-v3", now)
    outcome = step.command(store, "search-v2", Verb.ROLLBACK, "pm", "older", now)
    assert (False, True) == (outcome.accepted, "search-v3" in (outcome.why or ""))


def test_a_waiting_rollout_holds_its_flag(store: Store) -> None:
    """Waiting for a person is live."""
    asking(store)
    with pytest.raises(RefusedError, match="awaiting_approval"):
        submitted(store, "search-v3")
