"""One `sluice up` a data folder, and what a killed one left behind.

The lock belongs to the process that holds it open, so it ends with that process however it ends; the file beside it
names the process groups that were running.
"""

from __future__ import annotations

import fcntl
import json
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import RefusedError
from sluice.processes import group_alive, signal_group

LOCK = "up.lock"
GROUPS = "up.json"
PATIENCE = 5.0


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the data folder for this process, after ending what an earlier holder that was killed left running.

    Raises RefusedError while another process holds it.
    """
    with (data / LOCK).open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(f"{data}: `sluice up` already runs on this data folder; stop it first") from None
        _end(tuple(_recorded(data / GROUPS)))
        yield
        (data / GROUPS).unlink(missing_ok=True)


def record(data: Path, groups: Iterable[int]) -> None:
    """Write down which process groups run, each with the start time that tells it from a later one of its id."""
    alive = {group: started for group in groups if (started := _started(group))}
    (data / GROUPS).write_text(json.dumps(alive), encoding="utf-8")


def _end(groups: tuple[int, ...]) -> None:
    """Kill process groups and wait until they, and the ports they held, are gone."""
    for group in groups:
        signal_group(group, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(group_alive(group) for group in groups):
        time.sleep(0.05)


def _recorded(file: Path) -> Iterator[int]:
    if file.is_file():
        for group, started in json.loads(file.read_text(encoding="utf-8") or "{}").items():
            if _started(int(group)) == started:
                yield int(group)


def _started(process: int) -> str | None:
    """When a process began, in clock ticks since boot (proc(5), field 22); None where it or /proc is not there."""
    stat = Path(f"/proc/{process}/stat")
    try:
        return stat.read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return None
