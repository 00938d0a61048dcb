"""Whether everything that moves rollouts is there: store, Prefect server, runner, deployments, a guard that sweeps.

Flags are served whatever this says. Each answer is kept for a second, and no part is waited for longer than that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlalchemy.exc import SQLAlchemyError

from serving.watch import Watch
from state.leases import Beat
from state.sealing import Head
from state.store import Store

GUARD = "guard"
GUARD_STALE = timedelta(minutes=15)
DEADLINE_SECONDS = 1.0
KEPT_SECONDS = 1.0
READY = "READY"


@dataclass(frozen=True, slots=True)
class Report:
    """What `/healthz` says; `missing` names what is not there."""

    missing: tuple[str, ...]
    guard_age: float | None
    details: dict[str, Any]

    @property
    def status(self) -> int:
        """200 where nothing is missing, else 503."""
        return 503 if self.missing else 200

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of it."""
        told = {"ok": not self.missing, "missing": list(self.missing), "guard_age_seconds": self.guard_age}
        return told | self.details


class Health:
    """Asks every part how it is; `prefect` is the Prefect API's address, `real` the wall clock."""

    def __init__(self, store: Store, watch: Watch, prefect: str | None, real: Callable[[], datetime]) -> None:
        self._store = store
        self._watch = watch
        self._prefect = prefect
        self._real = real
        self._asking = asyncio.Lock()
        self._kept: tuple[float, Report] | None = None

    async def report(self) -> Report:
        """The state of everything, at most a second old."""
        async with self._asking:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = (time.monotonic(), await self._ask())
            return self._kept[1]

    async def _ask(self) -> Report:
        (database, age, head), (prefect, runner, deployments) = await asyncio.gather(
            self._database(), self._orchestrator()
        )
        guard = "never swept" if age is None else "ok" if age <= GUARD_STALE.total_seconds() else "late"
        parts = {"database": database, "prefect": prefect, "runner": runner, "deployments": deployments, GUARD: guard}
        missing = tuple(name for name, state in parts.items() if state != "ok")
        return Report(missing, age, parts | {"flags_age_seconds": self._watch.age, "journal_head": head})

    async def _database(self) -> tuple[str, float | None, str | None]:
        """Whether the store can be read, how long ago the guard last swept, and the head of the journals."""
        try:
            beats, head = await asyncio.wait_for(asyncio.to_thread(self._read), DEADLINE_SECONDS)
        except (TimeoutError, SQLAlchemyError):
            return "unreachable", None, None
        beat = beats.get(GUARD)
        return "ok", None if beat is None else max(0.0, (self._real() - beat.at).total_seconds()), str(head)

    def _read(self) -> tuple[Mapping[str, Beat], Head]:
        return self._store.beats(), self._store.head()

    async def _orchestrator(self) -> tuple[str, str, str]:
        """Prefect's server, its runner and its deployments; a runner shows by its deployments being polled."""
        if self._prefect is None:
            return "PREFECT_API_URL is not set", "unknown", "unknown"
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), httpx.AsyncClient(trust_env=False) as client:
                (await client.get(f"{self._prefect}/health")).raise_for_status()
                answer = await client.post(f"{self._prefect}/deployments/filter", json={"limit": 200})
                found = [one.get("status") for one in answer.raise_for_status().json()]
        except (httpx.HTTPError, TimeoutError, ValueError, AttributeError):
            return "unreachable", "unknown", "unknown"
        return "ok", "ok" if READY in found else "not polling", "ok" if found else "none"
