"""The kill switch belongs to the flag and always wins."""

from __future__ import annotations

import threading

from sqlalchemy import Engine

from plans.schema import Then
from rollout.model import Status, Verb, Verdict
from state import step
from state.errors import StaleStateError
from state.store import Store
from tests.contract.state.story import BEGIN, DAY, finished, judged, next_transition, started, submitted


def test_a_kill_is_in_both_journals(store: Store) -> None:
    """Killing turns the flag off, and flag and rollout both say who did it and why."""
    started(store)
    done = store.kill("search", "oncall", "smoke", BEGIN + DAY)
    assert (False, 3) == (done["enabled"], done["version"])
    assert "200 users had v2" in done["effect"]
    assert (Verb.KILL, "oncall", "smoke") == _last(store)
    entry = store.flag_journal("search")[-1]
    assert (Verb.KILL, "oncall", False, 2) == (entry.verb, entry.by, entry.flag.enabled, entry.revision)


def test_restore_lifts_the_switch_only(store: Store) -> None:
    """After a restore the rollout goes on where it is."""
    started(store)
    before = store.rollout("search-v2").state
    store.kill("search", "oncall", "smoke", BEGIN + DAY)
    assert store.restore("search", "pm", "false alarm", BEGIN + DAY)["enabled"]
    after = store.rollout("search-v2").state
    assert (before.phase, before.exposure, False) == (after.phase, after.exposure, after.killed)


def test_a_second_kill_changes_nothing(store: Store) -> None:
    """Two alarms for one fault make one kill."""
    started(store)
    first = store.kill("search", "oncall", "smoke", BEGIN + DAY)
    second = store.kill("search", "pager", "smoke too", BEGIN + DAY)
    assert first["version"] == second["version"]
    assert 2 == len(store.journal("search-v2"))


def test_a_flag_without_a_live_rollout_can_be_killed(store: Store) -> None:
    """The switch works for any known flag, long after its rollout."""
    now = finished(store, "search-v2", "search")
    assert not store.kill("search", "oncall", "smoke", now)["enabled"]
    assert Status.COMPLETED == store.rollout("search-v2").state.status


def test_a_switch_without_a_live_rollout_is_told_to_those_who_heard_of_the_last(store: Store) -> None:
    """A kill long after a rollout, and its end, reach the log and the channels of that plan; nothing is told twice."""
    now = finished(store, "search-v2", "search")
    for notice in store.outbox_pending():
        store.delivered(notice.id)
    store.kill("search", "oncall", "smoke", now)
    store.kill("search", "oncall", "smoke", now)
    store.restore("search", "oncall", "", now)
    killed, restored = store.outbox_pending()
    assert ("killed", "search-v2", "search") == (killed.event, killed.rollout, killed.flag)
    assert killed.title.startswith("Look: search is off for everyone since ")
    assert killed.title.endswith("; its last rollout, search-v2, is completed")
    assert "smoke\nby oncall at " in killed.body
    assert ("restored", True) == (restored.event, restored.title.startswith("Nothing to do: search is on again since "))


def test_a_killed_flag_stays_off_under_a_new_rollout(store: Store) -> None:
    """A submit does not lift a switch."""
    now = finished(store, "search-v2", "search")
    store.kill("search", "oncall", "smoke", now)
    submitted(store, "search-v3", stable="current")
    flag = store.flag("search")
    assert flag is not None
    assert (False, "search-v3") == (flag.enabled, flag.rollout)


def test_a_disabled_rollout_keeps_the_flag_off_after_restore(store: Store) -> None:
    """Served is the switch and the rollout together, and the effect says which one is missing."""
    plan = started(store)
    found = judged(store.rollout("search-v2"), plan, BEGIN, Verdict.BREACH, Then.DISABLE)
    step.step(store, "search-v2", BEGIN, found)
    store.kill("search", "oncall", "smoke", BEGIN)
    restored = store.restore("search", "pm", "fine", BEGIN)
    assert (False, "search stays off: search-v2 disabled it; resume that") == (restored["enabled"], restored["effect"])


def test_kill_wins_over_a_commit_at_the_same_instant(engine: Engine) -> None:
    """Whichever comes first, after both the flag is off and no revision is lost."""
    store = Store(engine, "test")
    for number in range(8):
        name, flag = f"search-{number}", f"flag-{number}"
        submitted(store, name, flag)
        gate = threading.Barrier(2)
        commit = threading.Thread(target=_start, args=(Store(engine, "run"), name, gate))
        commit.start()
        gate.wait(30)
        store.kill(flag, "oncall", "smoke", BEGIN)
        commit.join(60)
        served, journal = store.flag(flag), store.journal(name)
        assert served is not None
        assert not served.enabled
        assert store.rollout(name).state.killed
        assert list(range(1, len(journal) + 1)) == [entry.revision for entry in journal]


def test_only_changed_flags_are_read_again(store: Store) -> None:
    """A reader that knows versions gets what is newer, and one number says whether anything is."""
    started(store)
    submitted(store, "other", "other")
    known = {flag.key: flag.version for flag in store.flags()}
    version = store.flags_version()
    assert () == store.flags(known)
    store.kill("search", "oncall", "smoke", BEGIN)
    assert ["search"] == [flag.key for flag in store.flags(known)]
    assert version < store.flags_version()


def _start(store: Store, name: str, gate: threading.Barrier) -> None:
    transition = next_transition(store, name, BEGIN)
    rollout = store.rollout(name)
    gate.wait(30)
    try:
        store.commit(transition, rollout.evidence, None, rollout.evidence_version)
    except StaleStateError:
        step.step(store, name, BEGIN)


def _last(store: Store) -> tuple[Verb, str, str]:
    entry = store.journal("search-v2")[-1]
    return entry.verb, entry.by, entry.reason
