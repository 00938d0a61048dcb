"""Child processes that are kept running: each in its own process group, started again with back-off, ended whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
SETTLED = 60.0
"""Seconds after which a child counts as running well, so that its next death is a first one again."""
GRACE = 5.0
"""Seconds that processes get between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, under which name, with which environment; its output goes to `log`."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class Child:
    """One command that is to be running; instants are `time.monotonic()` seconds."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.deaths = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []
        self._started = 0.0
        self._next_start = 0.0

    @property
    def name(self) -> str:
        """What the child is called in messages."""
        return self.command.name

    @property
    def group(self) -> int | None:
        """The process group of the present process, None while none runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def tend(self, now: float) -> int | None:
        """Start what should run and does not; the exit code where the child has died since last time."""
        died = self._bury(now)
        if self._process is None and now >= self._next_start:
            self._start(now)
        return died

    def _bury(self, now: float) -> int | None:
        if self._process is None or (code := self._process.poll()) is None:
            return None
        signal_group(self._process.pid, signal.SIGKILL)  # what the dead one has left running
        self._process = None
        self.deaths = 1 if now - self._started > SETTLED else self.deaths + 1
        self._next_start = now + min(FIRST_WAIT * 2 ** (self.deaths - 1), LONGEST_WAIT)
        return code

    def _start(self, now: float) -> None:
        with self.command.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                self.command.argv,
                env=dict(self.command.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started = now

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child and everything it has started."""
        if self._process is not None:
            signal_group(self._process.pid, number)

    def gone(self) -> bool:
        """Whether the child and everything it has started have ended."""
        if self._process is None:
            return True
        self._process.poll()
        return not group_alive(self._process.pid)


def stop(children: Sequence[Child], grace: float = GRACE) -> None:
    """End children with all they have started: SIGTERM, and SIGKILL for what is left after `grace` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for child in children:
            child.signal(number)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and not all(child.gone() for child in children):
            time.sleep(0.05)


def signal_group(group: int, number: signal.Signals) -> None:
    """Signal a process group; one that has ended is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of zombies
        return False
    return True


def last_lines(log: Path, count: int = 5) -> Iterator[str]:
    """The end of a log, for a message about a child that will not start."""
    if log.is_file():
        yield from log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
