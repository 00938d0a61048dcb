"""Sluice in a data folder or database of this machine: straight to the store, whether or not anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gates.judge import settle
from gates.sources.opening import usable
from plans.channels import from_folder
from rollout.model import Verb
from serving.desk import Desk, Json
from sluice.options import login
from sluice.settings import Settings
from state.author import Author, claiming, holding
from state.clock import Clock
from state.credentials import Key, holder
from state.database import connect, migrate, sqlite_url
from state.keyfile import key_file, read_secrets
from state.seen import Seen
from state.store import Store

PROCESS = "cli"
GUARD = "guard"
GUARD_LATE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Local(Desk):
    """The desk of a store on this machine; whoever may open it needs no key, and with one is named by it."""

    key: Key | None = None

    @classmethod
    def open(cls, settings: Settings) -> Local:
        """The store that the settings name, its tables brought up to date."""
        engine = connect(settings.database_url or sqlite_url(settings.data))
        migrate(engine)
        store = Store(engine, PROCESS, settle, read_secrets(key_file(settings.data, settings.audit_key)))
        return cls(
            store=store,
            clock=Clock(store),
            environment=settings.environment,
            prefect=_prefect(store) or settings.prefect_url,
            known=from_folder(settings.data).added(usable(settings.data).known()),
            key=_key(store, settings.key),
        )

    def submit(
        self, text: str, file: str, by: str, reason: str = "", *, check: bool, person: str | None = None
    ) -> Json:
        """Hand in a plan as whoever asks."""
        who = self._who(by, person)
        return Desk.submit(self, text, file, who.by, reason, check=check, person=who.person)

    def command(
        self,
        name: str,
        verb: Verb,
        by: str,
        reason: str,
        seen: Seen,
        args: Mapping[str, Any],
        *,
        check: bool,
        person: str | None = None,
    ) -> Json:
        """Ask something of a rollout as whoever asks."""
        who = self._who(by, person)
        return Desk.command(self, name, verb, who.by, reason, seen, args, check=check, person=who.person)

    def amend(
        self,
        name: str,
        text: str,
        file: str,
        by: str,
        reason: str,
        *,
        check: bool,
        waits: bool = False,
        person: str | None = None,
    ) -> Json:
        """Change the plan of a live rollout as whoever asks."""
        who = self._who(by, person)
        return Desk.amend(self, name, text, file, who.by, reason, check=check, waits=waits, person=who.person)

    def approve_amendment(self, name: str, digest: str, by: str, reason: str, *, person: str | None = None) -> Json:
        """Say yes to the amendment that waits as whoever asks."""
        who = self._who(by, person)
        return Desk.approve_amendment(self, name, digest, who.by, reason, person=who.person)

    def kill(self, flag: str, by: str, reason: str) -> Json:
        """Switch a flag off as whoever asks."""
        return Desk.kill(self, flag, self._named(by), reason)

    def restore(self, flag: str, by: str, reason: str) -> Json:
        """Lift a kill switch as whoever asks."""
        return Desk.restore(self, flag, self._named(by), reason)

    def rollback(self, flag: str, by: str, reason: str) -> Json:
        """Give everyone the old stable as whoever asks."""
        return Desk.rollback(self, flag, self._named(by), reason)

    def start_incident(self, length: str, flags: Sequence[str], by: str, reason: str) -> Json:
        """Declare an incident as whoever asks."""
        return Desk.start_incident(self, length, flags, self._named(by), reason)

    def end_incident(self, number: int | None, by: str, reason: str) -> Json:
        """End an incident as whoever asks."""
        return Desk.end_incident(self, number, self._named(by), reason)

    def supervised(self) -> bool:
        """Whether the guard has swept lately."""
        beat = self.store.beats().get(GUARD)
        return beat is not None and self.clock.real() - beat.at < GUARD_LATE

    def close(self) -> None:
        """Give back connections."""
        self.store.engine.dispose()

    def _named(self, by: str) -> str:
        """Who the journal names: the key's person with what was claimed beside it, else the name, else the login."""
        return self._who(by).by

    def _who(self, by: str, person: str | None = None) -> Author:
        """Who asks, and as which person they count: where there are keys, a name without one is a claim alone."""
        if self.key is not None:
            return holding(self.key, by)
        name = by or login()
        return Author(name, person) if person or self.store.live_keys() else claiming(name)


def _prefect(store: Store) -> str | None:
    """The Prefect server that the supervisor works with, whatever port this command would have taken it to be on."""
    beat = store.beats().get(GUARD)
    return beat.detail if beat else None


def _key(store: Store, secret: str | None) -> Key | None:
    """The live key of a secret; one that is not known here names nobody, and keeps nobody from a kill switch."""
    return None if secret is None else holder({key.prefix: key for key in store.live_keys()}, secret.encode())
