"""What a process of this room works with, opened once from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from uuid import UUID

from flows import pace as paces
from flows.collect import Collect, from_events, from_sources
from flows.pace import Pace
from gates.judge import settle
from gates.sources.opening import open_sources, usable
from plans.channels import from_folder
from plans.load import Known
from state.clock import Clock
from state.database import DATA_FOLDER, connect, migrate, url_from_environment
from state.events import Events
from state.keyfile import secrets_from_environment
from state.store import Store


class Deleted(StrEnum):
    """What a rollout's run that somebody deleted in Prefect's UI means."""

    RECREATE = "recreate"
    ABORT = "abort"


@dataclass(slots=True)
class Notes:
    """What a process remembers between two looks; all of it may be lost.

    `waiting_since` is when a step was first left to its own run, by rollout and revision; `attended` what a comparison
    was hurried for; `newest` the latest rollout compared; `shown` the version of the evidence that an open form shows;
    `published` the revision and verdicts that a run's pages tell of, `pages` how many runs were brought up to date in
    this turn; `told` the rollouts of which there was news since the last comparison; `agenda` what the last agenda was
    made from, and what it said; `quiet` the guard's last run that found nothing to do.
    """

    waiting_since: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    attended: set[tuple[str, int]] = field(default_factory=set)
    newest: int = 0
    shown: dict[str, int] = field(default_factory=dict)
    published: dict[str, str] = field(default_factory=dict)
    pages: int = 0
    told: set[str] = field(default_factory=set)
    agenda: tuple[str, str] = ("", "")
    quiet: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Store, clock and sources, with the pace of all loops; `process` is who the journal says did it.

    `board` is the address of the flag server, whose pages show what Prefect's cannot; `public` is where people reach it
    instead.
    """

    store: Store
    clock: Clock
    collect: Collect
    process: str
    folder: Path
    pace: Pace
    deleted: Deleted = Deleted.RECREATE
    known: Known = field(default_factory=Known)
    notes: Notes = field(default_factory=Notes)
    board: str | None = None
    public: str | None = None

    @property
    def front(self) -> str | None:
        """Where people find the board; None where no board is known."""
        return self.public or self.board

    def page(self, name: str) -> str | None:
        """The address of a rollout's page on the board; None where no board is known."""
        return f"{self.front}/rollouts/{name}" if self.front else None

    def late(self, name: str, revision: int) -> bool:
        """Whether a step of the schedule has waited too long for its own run; the first call starts the wait."""
        known = self.notes.waiting_since.get(name)
        if known is None or known[0] != revision:
            known = self.notes.waiting_since[name] = (revision, self.clock.real())
        return (self.clock.real() - known[1]).total_seconds() >= self.pace.late


@cache
def open_house(process: str) -> House:
    """The house of `SLUICE_DATA` and `SLUICE_DATABASE_URL`, one for each process and name.

    Raises ValueError for a pace or a policy that is not known.
    """
    folder = Path(os.environ.get("SLUICE_DATA", DATA_FOLDER))
    sources = usable(folder)
    engine = connect(url_from_environment())
    migrate(engine)
    store = Store(engine, process, settle, secrets_from_environment())
    clock = Clock(store)
    return House(
        store=store,
        clock=clock,
        collect=from_sources(from_events(Events(store, clock)), store, open_sources(sources)),
        process=process,
        folder=folder,
        pace=paces.from_environment(),
        deleted=Deleted(os.environ.get("SLUICE_DELETED_RUN", Deleted.RECREATE)),
        known=from_folder(folder).added(sources.known()),
        board=os.environ.get("SLUICE_BOARD"),
        public=os.environ.get("SLUICE_PUBLIC_URL", "").rstrip("/") or None,
    )
