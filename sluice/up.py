"""Everything in one process tree: Prefect's server with its UI, runner, supervisor and flag server."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer

from plans import channels
from serving.guard import loopback
from serving.keyring import KeylessError, expect_keys
from sluice import options
from sluice.errors import UnreachableError, UsageError
from sluice.leftovers import alone, record
from sluice.options import Data, Port, PrefectPort
from sluice.processes import Child, Command, last_lines, stop
from sluice.settings import Settings
from sluice.sources import known
from state.database import connect, migrate, sqlite_url
from state.store import Store

Say = Callable[[str], None]
TICK = 0.25
PATIENCE = 180.0
"""Seconds for everything to be ready; a fresh database on a busy machine takes 20."""
TRIES = 3
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(
    *,
    data: Data = None,
    host: Annotated[
        str | None, typer.Option(help="Where to listen (default: 127.0.0.1); elsewhere needs keys.", show_default=False)
    ] = None,
    port: Port = None,
    prefect_port: PrefectPort = None,
) -> None:
    """Run everything: Prefect server with UI, runner, supervisor, flag server. Ctrl-C stops all of it."""
    run(options.settings(data=data, host=host, port=port, prefect_port=prefect_port), typer.echo)


def run(settings: Settings, say: Say) -> None:
    """Run everything until SIGINT, SIGTERM or SIGHUP, telling the addresses and `ready` by `say`.

    Raises UnreachableError where a port is taken or a part does not start, RefusedError where another `up` runs here,
    UsageError where sources are configured wrongly, or where others can reach the address and there are no keys,
    SchemaError where the tables are not this version's.
    """
    prepare(settings.data)
    known(settings)  # a file of sources that is wrong is told now, not by a process that leaves it aside
    with alone(settings.data), _until_signalled() as told:
        _open_store(settings)
        check_port(settings.host, settings.port, "--port")
        check_port(settings.prefect_host, settings.prefect_port, "--prefect-port")
        House(settings, say).run(told)


class House:
    """The processes of one data folder: `servers` go last, because `workers` need the Prefect server to take leave."""

    def __init__(self, settings: Settings, say: Say) -> None:
        environment = child_environment(settings, os.environ)
        self.settings = settings
        self.say = say
        self.servers = [Child(command) for command in server_commands(settings, environment)]
        self.workers = [Child(command) for command in worker_commands(settings, environment)]
        self._groups: list[int] = []
        self._doorbell = Doorbell(settings)

    def run(self, told: threading.Event) -> None:
        """Start everything, keep it running until told to stop, then leave nothing behind."""
        try:
            if self._start(told):
                self._announce()
            while not told.wait(TICK):
                self._tend()
        finally:
            for children in (self.workers, self.servers):
                stop(children, grace=4.0)

    def _start(self, told: threading.Event) -> bool:
        """Whether all is ready; False where somebody said stop first. Every part waits by itself for what it needs."""
        deadline = time.monotonic() + PATIENCE
        while not told.wait(TICK):
            self._tend()
            if self._doorbell.answers():
                return True
            self._give_up_on_the_hopeless(deadline)
        return False

    def _give_up_on_the_hopeless(self, deadline: float) -> None:
        for child in self._all():
            if child.deaths >= TRIES:
                end = "\n  ".join(last_lines(child.command.log))
                raise UnreachableError(f"{child.name} does not start; {child.command.log} ends with:\n  {end}")
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"not ready after {PATIENCE:g} s: {self._doorbell.complaint()}; see {logs(self.settings.data)}"
            )

    def _all(self) -> list[Child]:
        return [*self.servers, *self.workers]

    def _tend(self) -> None:
        for child in self._all():
            code = child.tend(time.monotonic())
            if code is not None:
                self.say(f"{child.name} ended with {code}; starting it again (log: {child.command.log})")
        groups = [child.group for child in self._all() if child.group is not None]
        if groups != self._groups:
            record(self.settings.data, groups)
            self._groups = groups

    def _announce(self) -> None:
        for problem in channels.from_folder(self.settings.data).problems:
            self.say(f"{problem} (the log and the other channels work all the same)")
        for line in addresses(self.settings):
            self.say(line)
        self.say("ready")


def addresses(settings: Settings) -> Iterator[str]:
    """Where everything is, one line each."""
    yield f"flag server  {settings.url}  (OFREP, outcomes, control; API at {settings.url}/docs)"
    yield f"prefect UI   {settings.prefect_url}"
    yield f"data folder  {settings.data.resolve()}"
    yield f"logs         {logs(settings.data).resolve()}"


def prepare(data: Path) -> None:
    """Make the data folder with its logs, closed to other users of the machine."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    data.chmod(0o700)
    logs(data).mkdir(exist_ok=True)
    passing(data).mkdir(parents=True, exist_ok=True)


def _open_store(settings: Settings) -> None:
    """Bring the tables up to date before any part asks; raise UsageError where others could reach it without keys."""
    engine = connect(settings.database_url or sqlite_url(settings.data))
    try:
        migrate(engine)
        if not loopback(settings.host):
            expect_keys(Store(engine, "up"))
    except KeylessError as error:
        raise UsageError(f"host {settings.host}: {error}") from None
    finally:
        engine.dispose()


def passing(data: Path) -> Path:
    """Where the processes put what nobody needs afterwards: Prefect's runner leaves a folder behind."""
    return data / "prefect" / "tmp"


def logs(data: Path) -> Path:
    """Where the processes of a data folder write what they say."""
    return data / "logs"


def check_port(host: str, port: int, option: str) -> None:
    """Raise UnreachableError where something else listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UnreachableError(
                f"port {port} on {host} is taken ({error.strerror}); stop what listens there, or choose: {option} N"
            ) from error


def child_environment(settings: Settings, inherited: Mapping[str, str]) -> dict[str, str]:
    """What the processes are told; a Prefect profile of the user's own, which may point elsewhere, is left out."""
    kept = {k: v for k, v in inherited.items() if not k.startswith("PREFECT_") or k.startswith("PREFECT_SERVER_")}
    data = settings.data.resolve()
    database = {"SLUICE_DATABASE_URL": settings.database_url} if settings.database_url else {}
    sealed = {"SLUICE_AUDIT_KEY": str(Path(settings.audit_key).resolve())} if settings.audit_key else {}
    public = {"SLUICE_PUBLIC_URL": settings.public_url} if settings.public_url else {}
    return kept | database | sealed | public | {
        "SLUICE_DATA": str(data),
        "SLUICE_ENVIRONMENT": settings.environment,
        "SLUICE_BOARD": settings.url,
        "PREFECT_HOME": str(data / "prefect"),
        "TMPDIR": str(passing(data)),
        "PREFECT_API_URL": f"{settings.prefect_url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def server_commands(settings: Settings, environment: Mapping[str, str]) -> Iterator[Command]:
    """Prefect's server and the flag server."""
    prefect = (
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        settings.prefect_host,
        "--port",
        str(settings.prefect_port),
    )
    flags = ("-m", "serving", "--data", str(settings.data.resolve()), "--host", settings.host)
    yield _python("prefect server", prefect, settings, environment)
    yield _python("flag server", (*flags, "--port", str(settings.port)), settings, environment)


def worker_commands(settings: Settings, environment: Mapping[str, str]) -> Iterator[Command]:
    """The runner, which wakes each rollout's run, and the supervisor, which watches."""
    yield _python("runner", ("-m", "flows.deploy"), settings, environment)
    yield _python("supervisor", ("-m", "flows.supervise"), settings, environment)


def _python(name: str, arguments: tuple[str, ...], settings: Settings, environment: Mapping[str, str]) -> Command:
    log = logs(settings.data) / f"{name.replace(' ', '-')}.log"
    return Command(name, (sys.executable, *arguments), environment, log)


class Doorbell:
    """Asks the flag server, which knows of the others; one client, because making one costs more than the asking."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.url}/healthz"
        self._http = httpx.Client(verify=False, trust_env=False, timeout=2.0)  # noqa: S501 - loopback, plain HTTP

    def answers(self) -> bool:
        """Whether the flag server says that nothing is missing."""
        return self._answer()[0]

    def complaint(self) -> str:
        """What the flag server says is missing."""
        return self._answer()[1]

    def _answer(self) -> tuple[bool, str]:
        try:
            response = self._http.get(self._url)
        except httpx.HTTPError as error:
            return False, f"{self._url}: {error}"
        return response.status_code == httpx.codes.OK, response.text


@contextmanager
def _until_signalled() -> Iterator[threading.Event]:
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in STOP_SIGNALS}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
