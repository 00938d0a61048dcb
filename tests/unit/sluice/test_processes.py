"""Child processes: kept running, and ended with everything they have started."""

import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sluice.processes import FIRST_WAIT, LONGEST_WAIT, SETTLED, Child, Command, group_alive, last_lines, stop
from tests.waiting import until

FOREVER = "import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {FOREVER}"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {FOREVER!r}])"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "child.log"


@pytest.fixture
def children() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    stop(made, grace=0.0)


def _child(code: str, log: Path, children: list[Child]) -> Child:
    children.append(Child(Command("child", (sys.executable, "-c", code), {}, log)))
    return children[-1]


def test_a_dead_child_is_started_again_with_growing_pauses(log: Path, children: list[Child]) -> None:
    """Half a second, one, two … thirty; a child that had run well starts over at half a second."""
    child = _child("raise SystemExit(7)", log, children)
    now = 0.0
    assert child.tend(now) is None
    for death in range(1, 9):
        assert until(partial(child.tend, now), "the child ends") == 7
        pause = min(FIRST_WAIT * 2 ** (death - 1), LONGEST_WAIT)
        assert _started_after(child, now + pause - 0.01) is False
        assert _started_after(child, now + pause)
        now += pause
    assert until(partial(child.tend, now + SETTLED + 1), "the child ends") == 7
    assert child.deaths == 1


def test_stopping_ends_what_a_child_has_started_too(log: Path, children: list[Child]) -> None:
    """The whole process group goes, not only its leader."""
    child = _child(PARENT, log, children)
    child.tend(time.monotonic())
    group = child.group
    assert group is not None
    until(lambda: len(_members(group)) == 2, "the grandchild runs")
    stop(children)
    until(lambda: not group_alive(group), "the group is gone")


def test_a_child_that_ignores_sigterm_is_killed(log: Path, children: list[Child]) -> None:
    """SIGKILL follows once the grace is over."""
    child = _child(STUBBORN, log, children)
    child.tend(time.monotonic())
    until(lambda: list(last_lines(log)) == ["deaf"], "the child ignores SIGTERM")
    stop(children, grace=0.2)
    assert child.gone()


def test_a_grandchild_does_not_outlive_a_child_that_died(log: Path, children: list[Child]) -> None:
    """What a crashed child leaves running is ended before the child is started again."""
    leaving = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {FOREVER!r}])"
    child = _child(leaving, log, children)
    child.tend(0.0)
    group = child.group
    assert group is not None
    assert until(lambda: child.tend(0.0) == 0, "the child ends")
    until(lambda: not group_alive(group), "the group is gone")


def _started_after(child: Child, now: float) -> bool:
    child.tend(now)
    return child.group is not None or child._process is not None


def _members(group: int) -> list[str]:
    stats = (stat.read_text().rpartition(")")[2].split() for stat in Path("/proc").glob("[0-9]*/stat") if stat.exists())
    return [fields[2] for fields in stats if fields[2] == str(group)]
