"""The demo's stand-in for a person: answers the question on a suspended run through Prefect's public API.

Somebody who looks at the UI may be quicker: then there is nothing left to answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from rollout.model import Status
from state.rows import Rollout

PATIENCE = 4.0
"""Seconds that a person in the UI has before the demo answers."""
AGAIN = 1.0


class Approver:
    """Waits for a question to be asked in the UI at `prefect`, and a little longer, before it says yes."""

    def __init__(self, prefect: str, show: Callable[[Any], None]) -> None:
        self._prefect = prefect
        self._show = show
        self._http = httpx.Client(base_url=f"{prefect}/api", trust_env=False, timeout=30.0)
        self._asked_at: float | None = None
        self._next_try = 0.0

    def look(self, rollout: Rollout) -> None:
        """Answer where the rollout waits and its time is over; cheap otherwise."""
        now = time.monotonic()
        if rollout.state.status is not Status.AWAITING_APPROVAL:
            self._asked_at = None
            return
        if now < self._next_try or rollout.run_id is None or not self._suspended(rollout.run_id):
            return
        if self._asked_at is None:
            self._asked_at = now
            self._show(f"  asked in Prefect's UI: {self._prefect}/runs/flow-run/{rollout.run_id}")
            self._show(f"  (Resume in the run's menu; the demo answers through the same API in {PATIENCE:g} s)")
        elif now - self._asked_at > PATIENCE:
            self._answer(rollout.run_id)

    def _suspended(self, run: str) -> bool:
        self._next_try = time.monotonic() + AGAIN / 4
        try:
            state = self._http.get(f"/flow_runs/{run}").raise_for_status().json()["state"]
        except httpx.HTTPError:
            return False
        return bool(state["type"] == "PAUSED")

    def _answer(self, run: str) -> None:
        """Resume with the form filled in; a server that is busy is asked again."""
        self._next_try = time.monotonic() + AGAIN
        form = {"decision": "approve", "reason": "the team likes it", "approver": "demo"}
        try:
            self._http.post(f"/flow_runs/{run}/resume", json={"run_input": form}).raise_for_status()
        except httpx.HTTPError as error:
            self._show(f"  Prefect did not take the answer yet: {error}")
