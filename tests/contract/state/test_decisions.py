"""Trees and tests in the store: what they have to remember is committed with what they decide, on every database."""

from __future__ import annotations

from datetime import datetime, timedelta

from rollout.model import Status, Verb, Verdict
from serving.shapes import journal_json
from state import step
from state.store import Rollout, Store
from tests.unit.rollout.trees import BEGIN, DAY, PLAN, TEXT, look

NAME = PLAN.name
RAISED = BEGIN + DAY
JUDGED = RAISED + DAY


def test_a_raise_is_observed_from_its_row(store: Store) -> None:
    """The observation is part of the state that is swapped, and the row is due when the raise is judged."""
    _raised(store)
    rollout, entry = store.rollout(NAME), store.journal(NAME)[-1]
    flag = store.flag(PLAN.flag)

    assert entry.after == rollout.state
    assert RAISED == (rollout.state.observation and rollout.state.observation.since)
    assert JUDGED == rollout.due_at
    assert flag is not None
    assert 0.8 == flag.candidate["min_confidence"]
    assert "tuned" == store.outbox_pending()[-1].event


def test_a_kept_raise_leaves_nothing_to_observe(store: Store) -> None:
    """And a note that was given is given once, whoever passes next."""
    _raised(store)
    assert [Verb.KEEP] == _pass(store, JUDGED, tune_keep=Verdict.BREACH)

    state = store.rollout(NAME).state
    assert (None, (0,)) == (state.observation, state.noted)
    assert [] == _pass(store, JUDGED, tune_note=Verdict.BREACH)


def test_a_kill_pauses_the_observation_and_a_restore_begins_it_anew(store: Store) -> None:
    """Both are written by the flag's own door, and the row knows when the raise is judged now."""
    _raised(store)
    store.kill(PLAN.flag, "oncall", "bad answers", RAISED + timedelta(hours=1))
    assert [] == _pass(store, JUDGED, tune_when=Verdict.BREACH)
    store.restore(PLAN.flag, "oncall", "false alarm", JUDGED)

    rollout = store.rollout(NAME)
    assert JUDGED == (rollout.state.observation and rollout.state.observation.since)
    assert JUDGED + DAY == rollout.due_at
    assert [Verb.REVERT] == _pass(store, JUDGED + DAY, tune_when=Verdict.BREACH)


def test_a_resume_takes_up_the_revert_of_a_tree(store: Store) -> None:
    """With a reason, not above the phase it fell from, with the old setting, evidence afresh, and linked to it."""
    _raised(store)
    _pass(store, JUDGED, tune_when=Verdict.BREACH)
    fallen = store.rollout(NAME).state
    bare = step.command(store, NAME, Verb.RESUME, "ana", "", JUDGED)
    above = step.command(store, NAME, Verb.RESUME, "ana", "fixed", JUDGED, args={"phase": "all"})
    taken = step.command(store, NAME, Verb.RESUME, "ana", "labels were wrong", JUDGED)
    state, entry = store.rollout(NAME).state, store.journal(NAME)[-1]

    assert (False, False, True) == (bare.accepted, above.accepted, taken.accepted)
    assert (Status.RUNNING, 0, 0.7) == (state.status, state.phase, state.settings["min_confidence"])
    assert (state.revision, state.revision) == (state.promise, state.settings_epoch)
    assert fallen.revision == journal_json(entry)["takes_up"]
    assert [None, None, None] == [journal_json(line)["takes_up"] for line in store.journal(NAME)[:3]]


def test_a_decision_is_remembered_until_its_phase_is_left(store: Store) -> None:
    """What shipped while a criterion still waited for its data goes on when that is there."""
    _raised(store)
    _pass(store, JUDGED, tune_keep=Verdict.BREACH)
    asked = BEGIN + 3 * DAY
    assert [Verb.AWAIT_APPROVAL] == _pass(store, asked)
    step.command(store, NAME, Verb.APPROVE, "ana", "", asked)
    assert Verb.ADVANCE is store.journal(NAME)[-1].verb
    end = asked + 14 * DAY
    assert [Verb.DECIDE] == _pass(store, end, ship=Verdict.BREACH, error_rate=Verdict.NO_DATA)

    assert store.rollout(NAME).state.decided
    assert [Verb.ADVANCE] == _pass(store, end + timedelta(minutes=5))
    assert not store.rollout(NAME).state.decided


def _raised(store: Store) -> None:
    store.submit(PLAN, TEXT, "pm", BEGIN)
    assert [Verb.START] == [made.verb for made in step.step(store, NAME, BEGIN)]
    assert [Verb.TUNE] == _pass(store, RAISED, tune_when=Verdict.BREACH)


def _pass(store: Store, now: datetime, **verdicts: Verdict) -> list[Verb]:
    """What one pass makes on fresh evidence of this instant."""
    rollout = store.rollout(NAME)
    return [made.verb for made in step.step(store, NAME, now, _judged(rollout, now, **verdicts))]


def _judged(rollout: Rollout, now: datetime, **verdicts: Verdict) -> step.Judged:
    return step.Judged(look(rollout.state, now, PLAN, **verdicts), rollout.memory, rollout.evidence_version)
