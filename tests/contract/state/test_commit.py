"""One transition, one transaction: who wins, what is written, what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, StatementError

from rollout.model import Status, Verb, Verdict
from state import step
from state.errors import StaleStateError
from state.store import Store
from tests.contract.state.story import (
    BEGIN,
    DAY,
    asking,
    commit,
    judged,
    next_transition,
    started,
    submitted,
)

ROOT = Path(__file__).parents[3]


def test_two_threads_commit_the_same_step_and_one_wins(engine: Engine) -> None:
    """Of transitions decided on the same revision one is committed; the others learn that they are stale."""
    submitted(Store(engine, "test"))
    gate = threading.Barrier(4)
    results = _together(4, lambda number: _try_start(Store(engine, f"thread {number}"), gate))
    store = Store(engine)
    assert ["stale", "stale", "stale", "won"] == sorted(results)
    assert [1] == [entry.revision for entry in store.journal("search-v2")]
    assert 2 == store.flags()[0].version


def test_two_processes_step_the_same_rollout_and_each_step_is_made_once(url: str, store: Store) -> None:
    """Processes that pass at the same instant make every transition once between them."""
    submitted(store)
    code = (
        "import sys; from datetime import datetime; from state import step; from state.database import connect;"
        "from state.store import Store;"
        "made = step.step(Store(connect(sys.argv[1])), 'search-v2', datetime.fromisoformat(sys.argv[2]));"
        "print(' '.join(t.verb for t in made))"
    )
    when = (BEGIN + 3 * DAY).isoformat()
    running = [_process(code, url, when) for _ in range(2)]
    said = " ".join(process.communicate(timeout=60)[0] for process in running).split()
    assert [0, 0] == [process.returncode for process in running]
    assert ["start"] == said
    assert [Verb.START] == [entry.verb for entry in store.journal("search-v2")]


def test_a_process_killed_inside_a_commit_leaves_nothing_half(url: str, store: Store) -> None:
    """Killed after the flag and before its journals, a commit has not happened, and the next pass makes it."""
    submitted(store)
    code = (
        "import os, signal, sys; from datetime import datetime; from state import step, transitions;"
        "from state.database import connect; from state.store import Store;"
        "transitions.append = lambda *a: os.kill(os.getpid(), signal.SIGKILL);"
        "step.step(Store(connect(sys.argv[1])), 'search-v2', datetime.fromisoformat(sys.argv[2]))"
    )
    process = _process(code, url, BEGIN.isoformat())
    process.communicate(timeout=60)
    assert -signal.SIGKILL == process.returncode
    state = store.rollout("search-v2").state
    assert (Status.SCHEDULED, 0) == (state.status, state.revision)
    assert ((), ()) == (store.journal("search-v2"), store.outbox_pending())
    assert [Verb.START] == [made.verb for made in step.step(store, "search-v2", BEGIN)]


def test_a_transition_and_all_it_brings_are_true_together(store: Store) -> None:
    """State, journal with evidence, flag, memory and notice come with one commit."""
    plan = started(store)
    now = BEGIN + DAY
    (made,) = step.step(store, "search-v2", now, judged(store.rollout("search-v2"), plan, now, Verdict.BREACH))
    rollout, entry = store.rollout("search-v2"), store.journal("search-v2")[-1]
    assert made.after == rollout.state == entry.after
    assert (Verb.REVERT, "test", rollout.evidence) == (entry.verb, entry.process, entry.evidence)
    assert "error_rate > 2x control" == (entry.finding.criterion if entry.finding else None)
    assert ('["memory"]', now) == (rollout.memory, rollout.looked_at)
    flag = store.flag("search")
    assert flag is not None
    assert (0, 2, 3) == (flag.exposure, flag.revision, flag.version)
    assert ["started", "reverted"] == [notice.event for notice in store.outbox_pending()]


def test_a_delivered_notice_does_not_come_back(store: Store) -> None:
    """Once delivered, a notice is no longer pending."""
    started(store)
    (notice,) = store.outbox_pending()
    store.delivered(notice.id)
    assert () == store.outbox_pending()


@pytest.mark.parametrize("changed", ["evidence", "switch"])
def test_what_changed_since_it_was_read_makes_a_transition_stale(store: Store, changed: str) -> None:
    """Newer evidence or a turned switch refuse a transition that was decided without them, and nothing is written."""
    submitted(store)
    rollout = store.rollout("search-v2")
    transition = next_transition(store, "search-v2", BEGIN)
    if changed == "switch":
        store.kill("search", "oncall", "smoke", BEGIN)
        version = rollout.evidence_version
    else:
        version = rollout.evidence_version + 1
    journal = store.journal("search-v2")
    with pytest.raises(StaleStateError, match="search-v2"):
        store.commit(transition, rollout.evidence, None, version)
    assert journal == store.journal("search-v2")


def test_a_command_is_carried_out_once(store: Store) -> None:
    """A transition that consumes an answered command is stale."""
    asking(store)
    asked = store.add_command("search-v2", Verb.APPROVE, "pm", "fine", BEGIN + 3 * DAY)
    transition = next_transition(store, "search-v2", BEGIN + 3 * DAY)
    store.refuse(asked.id, "answered elsewhere")
    with pytest.raises(StaleStateError):
        commit(store, "search-v2", transition)


def test_a_naive_instant_is_refused(store: Store) -> None:
    """An instant without a zone never reaches the database."""
    submitted(store)
    transition = next_transition(store, "search-v2", BEGIN)
    with pytest.raises(StatementError, match="has no time zone"):
        commit(store, "search-v2", replace(transition, at=BEGIN.replace(tzinfo=None)))
    assert () == store.journal("search-v2")


@pytest.mark.parametrize("table", ["journal", "flag_journal"])
@pytest.mark.parametrize("change", ["UPDATE {} SET reason = 'nothing happened'", "DELETE FROM {}"])
def test_a_journal_cannot_be_edited(engine: Engine, store: Store, table: str, change: str) -> None:
    """The database itself refuses to change or delete a line of a journal."""
    started(store)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(change.format(table)))
    assert 1 == len(store.journal("search-v2"))


def test_a_flag_is_never_served_from_half_a_row(store: Store) -> None:
    """What a flag serves is what its rollout's state says, version for version."""
    started(store)
    served = [(entry.version, entry.verb, entry.flag.exposure) for entry in store.flag_journal("search")]
    assert [(1, None, 0), (2, Verb.START, 1_000)] == served


def _try_start(store: Store, gate: threading.Barrier) -> str:
    transition = next_transition(store, "search-v2", BEGIN)
    rollout = store.rollout("search-v2")
    gate.wait(30)
    try:
        store.commit(transition, rollout.evidence, None, rollout.evidence_version)
    except StaleStateError:
        return "stale"
    return "won"


def _together(count: int, work: Callable[[int], str]) -> list[str]:
    results: list[str] = []
    threads = [threading.Thread(target=lambda number=number: results.append(work(number))) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def _process(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
