"""Sluice in a data folder or database of this machine: straight to the store, whether or not anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gates.judge import settle
from gates.sources.opening import usable
from serving.desk import Desk
from sluice.settings import Settings
from state.clock import Clock
from state.database import connect, migrate, sqlite_url
from state.store import Store

PROCESS = "cli"
GUARD = "guard"
GUARD_LATE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Local(Desk):
    """The desk of a store on this machine."""

    @classmethod
    def open(cls, settings: Settings) -> Local:
        """The store that the settings name, its tables brought up to date."""
        engine = connect(settings.database_url or sqlite_url(settings.data))
        migrate(engine)
        store = Store(engine, PROCESS, settle)
        return cls(
            store=store,
            clock=Clock(store),
            environment=settings.environment,
            prefect=settings.prefect_url,
            known=usable(settings.data).known(),
        )

    def supervised(self) -> bool:
        """Whether the guard has swept lately."""
        beat = self.store.beats().get(GUARD)
        return beat is not None and self.clock.real() - beat.at < GUARD_LATE

    def close(self) -> None:
        """Give back connections."""
        self.store.engine.dispose()
