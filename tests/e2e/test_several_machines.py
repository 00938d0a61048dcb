"""Past one machine: two of each process over PostgreSQL, told apart by their data folders, as on two machines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from state.keyfile import FILE as AUDIT_KEY
from tests.flows.stage import PATIENCE, POLITE, ROOT, plan
from tests.servers import free_port, new_database, postgres
from tests.waiting import until

WITHIN = 5.0
POOL = "sluice"
SHORT = ("r1", "r2", "r3", "r4")


class Machine:
    """One machine's processes; the machines share two databases, Prefect's server and the audit key."""

    def __init__(self, folder: Path, shared: dict[str, str]) -> None:
        self.folder = folder
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.port = free_port()
        own = {"SLUICE_DATA": str(folder), "PREFECT_HOME": str(folder / "prefect"), "PYTHONPATH": str(ROOT)}
        pace = {"SLUICE_PACE": "late=30 lease=8 pending=30 compare=1", "PREFECT_WORKER_QUERY_SECONDS": "1"}
        self.environment = os.environ | own | pace | shared
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> None:
        """Start a process under a name, with its output in the folder."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """End a process and its children at once (-9)."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End everything that runs here."""
        for name in list(self.processes):
            self.kill(name)
        self.http.close()

    def serve(self) -> None:
        """Start a flag server; returns once it answers."""
        self.start("flags", "serving", "--data", str(self.folder), "--port", str(self.port))
        until(lambda: _answers(f"{self.http.base_url}/healthz"), "the flag server answers", seconds=PATIENCE)

    def work(self) -> None:
        """Start a supervisor and a worker."""
        self.start("supervisor", "flows.supervise")
        self.start("worker", "prefect", "worker", "start", "--pool", POOL, "--name", self.folder.name)

    def status(self, name: str) -> str:
        """How a rollout stands, as this machine's flag server tells it."""
        return str(self.http.get(f"/v1/rollouts/{name}").raise_for_status().json()["status"])

    def variant(self, flag: str) -> str:
        """What this machine's flag server gives a user."""
        asked = {"context": {"targetingKey": "u-4711"}}
        return str(self.http.post(f"/ofrep/v1/evaluate/flags/{flag}", json=asked).raise_for_status().json()["variant"])


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two machines; the first one also has Prefect's server."""
    with postgres() as server:
        api = f"http://127.0.0.1:{free_port()}"
        prefect = new_database(server, "prefect").replace("+psycopg", "+asyncpg")
        shared = {"SLUICE_DATABASE_URL": new_database(server, "sluice"), "PREFECT_API_URL": f"{api}/api"}
        shared |= {"PREFECT_API_DATABASE_CONNECTION_URL": prefect, "DO_NOT_TRACK": "1"}
        one, two = Machine(tmp_path / "one", shared), Machine(tmp_path / "two", shared)
        try:
            one.start("prefect", "prefect", "server", "start", "--port", api.rpartition(":")[2])
            until(lambda: _answers(f"{api}/api/health"), "Prefect's server answers", seconds=PATIENCE)
            one.serve()
            shutil.copy(one.folder / AUDIT_KEY, two.folder / AUDIT_KEY)
            two.serve()
            subprocess.run([sys.executable, "-m", "flows.deploy", POOL], env=one.environment, cwd=tmp_path, check=True)
            one.work()
            two.work()
            yield one, two
        finally:
            one.close()
            two.close()


@pytest.mark.campaign
def test_two_machines_share_rollouts_and_one_may_fail(machines: tuple[Machine, Machine]) -> None:
    """No step is done twice, a kill on one reaches users of the other, and a Cancel reverts with a supervisor dead."""
    one, two = machines
    for name in SHORT:
        _submit(one, name, "alpha 50% 8s", "ga 100% 8s")
    _submit(one, "long", "alpha 99% 1h", "ga 100% 1h")
    until(lambda: {two.status(name) for name in SHORT} == {"completed"}, "all are through", seconds=PATIENCE, every=1)
    for name in SHORT:
        journal = two.http.get(f"/v1/rollouts/{name}/journal").json()
        assert ["start", "advance", "complete"] == [entry["transition"] for entry in journal]
    assert two.variant("long") == "candidate"
    one.http.post("/v1/flags/long/kill", json={"reason": "a test", "by": "on-call"}).raise_for_status()
    until(lambda: two.variant("long") == "off", "the other machine has heard of it", seconds=WITHIN)
    one.http.post("/v1/flags/long/restore", json={"reason": "over", "by": "on-call"}).raise_for_status()
    two.kill("supervisor")
    _cancel(one, "long")
    until(lambda: two.status("long") == "reverted", "the other supervisor reverts", seconds=WITHIN)
    verified = subprocess.run(
        [sys.executable, "-m", "sluice", "audit", "verify"], env=two.environment, cwd=two.folder, check=False
    )
    assert verified.returncode == 0


def _submit(machine: Machine, name: str, *phases: str) -> None:
    yaml = {"content-type": "application/yaml"}
    machine.http.post("/v1/rollouts", content=plan(name, *phases), headers=yaml).raise_for_status()


def _cancel(machine: Machine, name: str) -> None:
    """What the Cancel button of Prefect's UI does, once the run of the rollout sleeps."""
    with httpx.Client(base_url=machine.environment["PREFECT_API_URL"], trust_env=False, timeout=60) as api:

        def asleep() -> Any:
            found = api.post("/flow_runs/filter", json={"flow_runs": {"name": {"any_": [name]}}}).raise_for_status()
            return next((run for run in found.json() if run["state"]["type"] == "SCHEDULED"), None)

        run = until(asleep, f"the run of {name} sleeps", seconds=PATIENCE, every=POLITE)
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        api.post(f"/flow_runs/{run['id']}/set_state", json=state).raise_for_status()


def _answers(url: str) -> bool:
    """Whether somebody answers there at all: a flag server alone says 503, because the others are missing."""
    try:
        return httpx.get(url, trust_env=False, timeout=10).status_code in {200, 503}
    except httpx.HTTPError:
        return False
