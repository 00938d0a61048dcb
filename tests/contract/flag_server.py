"""A real flag server over a data folder of its own, and a rollout in it, for the tests of real clients."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from state import step
from state.clock import Clock
from state.database import connect, sqlite_url
from state.store import Store
from tests.servers import free_port
from tests.waiting import until

PLAN = """\
sluice: 1
name: case-law-v24
flag: case-law-ai
stable: {model: v2.3, min_confidence: 1.0, top_k: 3}
candidate: {model: v2.4, min_confidence: 0.8, top_k: 5}
audience:
  size: 20000
  allow: [{email: "*@example.com"}]
  block: [{tier: vip}]
phases:
  - {name: beta, expose: 30%, hold: 7d}
  - {name: ga, expose: 100%, hold: 7d}
metrics:
  error_rate: {source: events, bad: error, of: request}
stop:
  criteria: [error_rate > 2x control]
"""


@dataclass(frozen=True)
class FlagServer:
    """Where the server answers, and the store that it reads."""

    url: str
    store: Store
    http: httpx.Client

    def post(self, path: str, body: object) -> Any:
        """A control request that must succeed."""
        return self.http.post(path, json=body).raise_for_status().json()

    def evaluate(self, key: str, **context: object) -> dict[str, Any]:
        """One evaluation without any client between."""
        answer: dict[str, Any] = self.http.post(f"/ofrep/v1/evaluate/flags/{key}", json={"context": context}).json()
        return answer


@contextmanager
def flag_server(data: Path) -> Iterator[FlagServer]:
    """`python -m serving` in its own process until the block ends; it must end by itself on SIGTERM."""
    port = free_port()
    command = [sys.executable, "-m", "serving", "--data", str(data), "--port", str(port)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        try:
            until(lambda: process.poll() is not None or _answers(http), "the flag server answers", seconds=120)
            engine = connect(sqlite_url(data))
            yield FlagServer(str(http.base_url).rstrip("/"), Store(engine, "test"), http)
            engine.dispose()
        finally:
            process.terminate()
            _, said = process.communicate(timeout=30)
    assert (0, "") == (process.returncode, said.decode())


@contextmanager
def started_rollout(data: Path) -> Iterator[FlagServer]:
    """A flag server with the plan above submitted over HTTP and started, and the start already served."""
    with flag_server(data) as server:
        headers = {"content-type": "application/yaml"}
        server.http.post("/v1/rollouts", content=PLAN, headers=headers).raise_for_status()
        step.step(server.store, "case-law-v24", Clock(server.store).now())
        until(lambda: server.evaluate("case-law-ai", targetingKey="x").get("reason") == "SPLIT", "the start is served")
        yield server


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/v1/clock").status_code in {httpx.codes.OK, httpx.codes.UNAUTHORIZED}
    except httpx.TransportError:
        return False
