"""What people ask for is answered by what is true, never by what they last saw."""

from __future__ import annotations

from datetime import datetime

from rollout.model import Status, Verb
from state import step
from state.seen import Seen
from state.store import Look, Settled, Store
from tests.contract.state.story import BEGIN, DAY, MINUTE, asking, judged, plan, started, submitted


def test_a_late_approval_cannot_approve_the_next_phase(store: Store) -> None:
    """An approval given to alpha's question is refused once beta asks its own."""
    now = asking(store)
    late = store.add_command("search-v2", Verb.APPROVE, "slow", "alpha is fine", now)
    store.refuse(late.id, "set aside")
    assert step.command(store, "search-v2", Verb.APPROVE, "quick", "fine", now).accepted
    step.step(store, "search-v2", now, judged(store.rollout("search-v2"), plan(), now))
    later = now + 7 * DAY
    step.step(store, "search-v2", later)
    state = store.rollout("search-v2").state
    assert (Status.AWAITING_APPROVAL, 1, 2) == (state.status, state.phase, state.question)
    seen = Seen(phase=late.phase, question=late.question)
    outcome = step.command(store, "search-v2", Verb.APPROVE, "slow", "alpha is fine", later, seen=seen)
    assert (False, "stale: your answer is to question 1, search-v2 now asks question 2") == (
        outcome.accepted,
        outcome.why,
    )
    assert 1 == store.rollout("search-v2").state.phase


def test_an_approval_is_bound_to_the_question_that_stands(store: Store) -> None:
    """Somebody who names no question answers the one that was open when they spoke."""
    now = asking(store)
    asked = store.add_command("search-v2", Verb.APPROVE, "pm", "fine", now)
    assert (0, 1) == (asked.phase, asked.question)


def test_a_command_on_an_old_revision_is_refused(store: Store) -> None:
    """What a person saw is compared with what is."""
    started(store)
    outcome = step.command(store, "search-v2", Verb.HOLD, "pm", "", BEGIN, seen=Seen(revision=0))
    assert (False, "stale: you saw revision 0, search-v2 is at 1; look again") == (outcome.accepted, outcome.why)


def test_commands_are_answered_in_their_order(store: Store) -> None:
    """A hold and the resume behind it are both carried out."""
    started(store)
    hold = store.add_command("search-v2", Verb.HOLD, "pm", "wait", BEGIN)
    resume = store.add_command("search-v2", Verb.RESUME, "pm", "go on", BEGIN)
    step.step(store, "search-v2", BEGIN)
    assert [2, 3] == [store.asked(hold.id).revision, store.asked(resume.id).revision]
    assert () == store.pending("search-v2")


def test_an_abort_says_in_numbers_what_it_does(store: Store) -> None:
    """The answer to a command is its effect."""
    started(store)
    outcome = step.command(store, "search-v2", Verb.ABORT, "pm", "no", BEGIN)
    assert (True, 2, "200 users go back to v1") == (outcome.accepted, outcome.revision, outcome.effect)


def test_quiet_looks_are_kept_together(store: Store) -> None:
    """The evidence of many rollouts is written in one transaction, each under the version it was judged from."""
    for name in ("one", "two", "three"):
        started(store, name, name)
    now = BEGIN + DAY
    looks = [
        Look(id=live.id, name=live.name, evidence_version=live.evidence_version, memory="m", evidence=evidence)
        for live in store.live()
        for evidence in [judged(store.rollout(live.name), plan(), now).evidence]
    ]
    step.command(store, "two", Verb.HOLD, "pm", "", now)
    assert ("two",) == store.look(looks)
    assert [now, None, now] == [live.looked_at for live in store.live()]
    assert ["insufficient,insufficient", "", "insufficient,insufficient"] == [live.verdicts for live in store.live()]


def test_a_sweep_sees_what_is_due(store: Store) -> None:
    """A rollout is looked at again when its interval has passed, or when a step of it is due and not settled."""
    started(store)
    assert ["search-v2"] == _due(store, BEGIN)
    _look(store, BEGIN)
    assert [] == _due(store, BEGIN)
    assert ["search-v2"] == _due(store, BEGIN + 5 * MINUTE)
    due = store.rollout("search-v2").due_at
    assert due == BEGIN + 3 * DAY
    _look(store, due)
    assert ["search-v2"] == _due(store, due)
    _look(store, due, Settled(at=due, revision=1, due_at=due))
    assert [] == _due(store, due)


def _look(store: Store, now: datetime, settled: Settled | None = None) -> None:
    (live,) = store.live()
    evidence = judged(store.rollout(live.name), plan(), now).evidence
    version = live.evidence_version
    look = Look(id=live.id, name=live.name, evidence_version=version, evidence=evidence, memory=None, settled=settled)
    assert () == store.look([look])


def _due(store: Store, now: datetime) -> list[str]:
    return [live.name for page in store.due_for_look(now) for live in page]


def test_no_commit_goes_past_the_gate(store: Store) -> None:
    """Whoever asks, the memory is kept as the gate leaves it: entering 100 % by approval freezes control's rate too."""
    settling = Store(store.engine, "test", lambda _plan, transition, memory: f"{memory} {transition.verb}")
    submitted(settling)
    step.step(settling, "search-v2", BEGIN)
    assert step.command(settling, "search-v2", Verb.HOLD, "pm", "", BEGIN).accepted
    assert "None start hold" == settling.rollout("search-v2").memory
