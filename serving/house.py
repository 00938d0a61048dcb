"""The flag server put together over one store: flags in memory, a thread that keeps them fresh, and every endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from gates.judge import settle
from gates.sources.opening import usable
from plans.channels import from_folder
from serving import control, refusals, system
from serving.app import beside, routed, with_lifespan
from serving.asgi import App
from serving.board import pages
from serving.board.pulse import Pulse
from serving.desk import Desk
from serving.flags import FlagSet
from serving.gate import gated
from serving.guard import Guard
from serving.health import Health
from serving.keyring import Keyring, Lock, Uses, expect_keys
from serving.metrics import Serving
from serving.ofrep import Tally, ofrep_app
from serving.stream import Streams
from serving.track import Intake, track_app
from serving.watch import Watch
from state.clock import Clock
from state.database import DATA_FOLDER, connect, migrate
from state.events import Events
from state.keyfile import secrets_from_environment
from state.store import Store

PROCESS = "flag server"


@dataclass(frozen=True, slots=True)
class House:
    """One flag server: the ASGI application and the streams that must end before it can."""

    app: App
    streams: Sequence[Streams]
    api: FastAPI

    def close(self) -> None:
        """End every open stream."""
        for streams in self.streams:
            streams.close()

    @classmethod
    def open(cls, url: str, environment: Mapping[str, str], lock: Lock = Lock.WITH_KEYS) -> House:
        """A flag server over the database at `url`; Prefect is looked at where PREFECT_API_URL says.

        Raises KeylessError where keys are always asked for and there is none.
        """
        engine = connect(url)
        migrate(engine)
        store = Store(engine, PROCESS, settle, secrets_from_environment(environment))
        if lock is Lock.ALWAYS:
            expect_keys(store)
        folder = Path(environment.get("SLUICE_DATA", DATA_FOLDER))
        desk = Desk(
            store=store,
            clock=Clock(store),
            environment=environment.get("SLUICE_ENVIRONMENT", "default"),
            prefect=environment.get("PREFECT_API_URL"),
            known=from_folder(folder).added(usable(folder).known()),
        )
        return furnished(desk, Keyring(lock))


def furnished(desk: Desk, keyring: Keyring | None = None) -> House:
    """A flag server over what the control endpoints work with."""
    flags, tally, keyring = FlagSet(), Tally(), keyring or Keyring()
    keyring.update(desk.store.live_keys())
    streams, watch, uses = Streams(flags), Watch(desk.store, flags, keyring), Uses(desk.store, keyring)
    health = Health(desk.store, watch, desk.prefect, desk.clock.real)
    pulse = Pulse(desk.store)
    changes = Streams(pulse)
    api = FastAPI(title="Sluice", description="Staged rollouts of AI features.")
    refusals.register(api)
    api.include_router(control.routes(desk))
    api.include_router(system.routes(desk, health, Serving(flags, tally, streams)))
    track = track_app(Intake(Events(desk.store, desk.clock)), tally.outcomes)
    api.include_router(pages.routes(desk, keyring))
    guard = Guard(any_host=lambda: keyring.required)
    ofrep = ofrep_app(flags, streams, tally, keyring)
    app = gated(keyring, routed(guard, ofrep, track, beside(pages.CHANGES, changes, api)))

    def start() -> None:
        watch.start()
        uses.start()
        pulse.start(lambda: changes.open > 0)

    def stop() -> None:
        watch.stop()
        uses.stop()
        pulse.stop()

    return House(with_lifespan(app, start, stop), (streams, changes), api)
