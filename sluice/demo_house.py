"""What the demo starts: `sluice up` on a fresh data folder with an accelerated clock, and the application beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from gates.judge import settle
from sluice.errors import RefusedError, UnreachableError
from sluice.settings import Settings
from sluice.up import Say, prepare
from state.clock import Clock
from state.database import connect, migrate, sqlite_url
from state.keyfile import key_file, read_secrets
from state.store import Store

STOP_PATIENCE = 15.0
RATE = 60_000.0
"""Virtual seconds a real second, at most: the application sets the pace where it needs longer."""


PACE = "sweep=5 compare=5 deliver=1"
"""The supervisor's intervals in real seconds: hours pass in each, and two cores have an application to run as well."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the application: its flag, its visits a day and the events it reports."""

    flag: str
    visits: int
    seed: int
    reported: Sequence[str]


@contextmanager
def data_folder(wanted: Path | None, *, keep: bool) -> Iterator[Path]:
    """A fresh data folder: the one that was asked for, else one that is removed when all went well.

    Raises RefusedError where the folder is in use.
    """
    if wanted is not None:
        if wanted.exists() and any(wanted.iterdir()):
            raise RefusedError(f"{wanted} is not empty; the demo has a clock of its own and needs a new folder")
        yield wanted
        return
    made = Path(tempfile.mkdtemp(prefix="sluice-demo-"))
    try:
        yield made
    except Exception:
        keep = True  # what went wrong is in its logs
        raise
    finally:
        if not keep:
            shutil.rmtree(made, ignore_errors=True)


def store_at(data: Path, start: datetime) -> tuple[Store, Clock]:
    """The folder's store, its clock standing at `start` until an application has reported more."""
    prepare(data)
    engine = connect(sqlite_url(data))
    migrate(engine)
    store = Store(engine, "demo", settle, read_secrets(key_file(data, None)))
    clock = Clock(store)
    store.accelerate(start, RATE, clock.real())
    store.reported(start)
    return store, clock


@contextmanager
def everything_up(settings: Settings, say: Say) -> Iterator[None]:
    """`sluice up` as a process of its own, from `ready` until the end of the block."""
    where = ("--data", str(settings.data), "--host", settings.host)
    ports = ("--port", str(settings.port), "--prefect-port", str(settings.prefect_port))
    with _process((sys.executable, "-m", "sluice", "up", *where, *ports), subprocess.PIPE) as up:
        assert up.stdout is not None  # noqa: S101 - asked for one line above
        for line in up.stdout:
            say(f"  {line.rstrip()}")
            if line.strip() == "ready":
                break
        else:
            raise UnreachableError(f"`sluice up` did not become ready; its logs are in {settings.data / 'logs'}")
        yield


class Application:
    """The running application and, once it has ended, what it saw."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self._process = process
        self._output = output

    def check(self) -> None:
        """Raise UnreachableError where the application has died."""
        if self._process.poll() is not None:
            raise UnreachableError(f"the application ended by itself:\n{self._output.read_text(encoding='utf-8')}")

    def end(self) -> dict[str, Any]:
        """Stop the application and give its own tally."""
        _end(self._process)
        lines = self._output.read_text(encoding="utf-8").splitlines()
        tally: dict[str, Any] = json.loads(lines[-1])
        return tally


@contextmanager
def application(server: str, feature: Feature, output: Path) -> Iterator[Application]:
    """The application in its own process; it is told the server's address and nothing else of Sluice."""
    what = ("--flag", feature.flag, "--visits", str(feature.visits), "--seed", str(feature.seed))
    argv = (sys.executable, "-m", "sluice.demo_app", server, *what, "--report", *feature.reported)
    with output.open("w", encoding="utf-8") as log, _process(argv, log) as process:
        yield Application(process, output)


def free_port(preferred: int) -> int:
    """The preferred port, or any free one where something else has it."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UnreachableError("no free port on 127.0.0.1")


@contextmanager
def _process(argv: Sequence[str], output: int | IO[str]) -> Iterator[subprocess.Popen[str]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")} | {
        "PYTHONUNBUFFERED": "1",
        "SLUICE_PACE": PACE,
    }
    process = subprocess.Popen(  # noqa: S603 - our own commands
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)
        if process.stdout is not None:
            process.stdout.close()


def _end(process: subprocess.Popen[str]) -> None:
    """SIGTERM, and time to stop what it has started; a process that still runs then is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
