"""Prefect's server, the runner and the supervisor killed (-9) at the worst moments: no step lost, none done twice."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from state.database import FILE
from tests.flows.stage import POLITE, RUNNER, SERVER, SUPERVISOR, Stage
from tests.waiting import until

WITHIN = 5.0
SLEEPING = {"35", "230", "101", "115"}
"""nanosleep and clock_nanosleep, as x86-64 and ARM number them."""


def test_killed_before_the_commit_and_after_it(house: Stage) -> None:
    """A run killed before its commit did nothing; killed after it, before it could reschedule, it did it once."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    house.submit("mid", "alpha 1% 25s", "ga 100% 1h")
    house.await_badge("mid", "SCHEDULED Alpha · 1 %")
    house.kill(SUPERVISOR)
    with _no_commits(house):
        until(lambda: house.children("mid"), "the run wakes for its due step", seconds=180, every=POLITE)
        until(lambda: _waits(house, "mid"), "the run is at its commit", seconds=180, every=POLITE)
        _kill_children(house, "mid")
    assert house.verbs("mid") == ["start"]
    house.start(SUPERVISOR)
    with _no_commits(house):
        until(lambda: house.children("mid"), "the run is woken again", seconds=180, every=POLITE)
        house.kill(SUPERVISOR)
        until(lambda: _waits(house, "mid"), "the run is at its commit", seconds=180, every=POLITE)
        os.killpg(house.processes[SERVER].pid, signal.SIGSTOP)
    house.await_verb("mid", "advance")
    _kill_children(house, "mid")
    house.kill(RUNNER, SERVER)
    house.start(SERVER, RUNNER, SUPERVISOR)
    house.await_badge("mid", "SCHEDULED General availability · 100 %")
    assert house.verbs("mid") == ["start", "advance"]


def test_killed_while_suspended(house: Stage) -> None:
    """Server, runner and supervisor killed while a person thinks: the form is there afterwards, and counts once."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    house.submit("thinking", "alpha 1% 1s approval", "ga 100% 1h")
    house.await_badge("thinking", "PAUSED Waiting for approval")
    house.kill(SERVER, RUNNER, SUPERVISOR)
    house.start(SERVER, RUNNER, SUPERVISOR)
    house.await_badge("thinking", "PAUSED Waiting for approval")
    assert house.click_resume("thinking", decision="approve", approver="Ana") == "ACCEPT"
    house.await_badge("thinking", "SCHEDULED General availability · 100 %")
    assert house.verbs("thinking") == ["start", "await_approval", "approve", "advance"]


def test_killed_between_the_click_and_its_event(house: Stage) -> None:
    """A cancel that nobody heard, because server and supervisor died with it, reverts when they are back."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    house.submit("unheard", "alpha 1% 1h", "ga 100% 1h")
    house.await_badge("unheard", "SCHEDULED Alpha · 1 %")
    house.kill(SUPERVISOR)
    house.click_cancel("unheard")
    house.kill(SERVER)
    house.start(SERVER)
    assert house.rollout("unheard").state.exposure == 1_000
    house.start(SUPERVISOR)
    house.await_verb("unheard", "abort", seconds=WITHIN)
    house.await_badge("unheard", "CANCELLED Aborted by Prefect UI (unidentified)")
    assert house.verbs("unheard") == ["start", "abort"]


def test_a_run_left_running_by_a_dead_runner_is_put_back_to_sleep(house: Stage) -> None:
    """Runner and child killed together: the run says Running to nobody's work, and goes back to Scheduled."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    house.submit("ghost", "alpha 1% 1h", "ga 100% 1h")
    house.await_badge("ghost", "SCHEDULED Alpha · 1 %")
    house.kill(RUNNER)
    run = house.run("ghost")
    assert run is not None
    house.post(f"/flow_runs/{run['id']}/set_state", {"state": {"type": "RUNNING", "name": "Running"}, "force": True})
    assert house.badge("ghost") == "RUNNING Running"
    house.await_badge("ghost", "SCHEDULED Alpha · 1 %")
    house.start(RUNNER)


@contextmanager
def _no_commits(house: Stage) -> Iterator[None]:
    """Hold SQLite's write lock, so that whoever wants to commit waits at exactly that point."""
    with closing(sqlite3.connect(house.folder / FILE, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def _waits(house: Stage, name: str) -> bool:
    """Whether the run's process has the store open and sleeps: that is how SQLite waits for the write lock."""
    store = str(house.folder / FILE)
    return any(store in _open_files(child) and _sleeps(child) for child in house.children(name))


def _sleeps(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/syscall").read_text().partition(" ")[0] in SLEEPING
    except OSError:
        return False


def _open_files(process: int) -> set[str]:
    try:
        return {str(file.readlink()) for file in Path(f"/proc/{process}/fd").iterdir()}
    except OSError:
        return set()


def _kill_children(house: Stage, name: str) -> None:
    for child in house.children(name):
        os.kill(child, signal.SIGKILL)
