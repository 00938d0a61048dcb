"""A real Prefect server, runner and supervisor for tests, each killed and started again as a test wants it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from flows.approvals import keyset
from state.clock import Clock
from state.database import connect, migrate, sqlite_url
from state.rows import Rollout
from state.step import submit
from state.store import Store
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PACE = "late=4 lease=6 pending=30"
PATIENCE = 180.0
POLITE = 0.5
"""Seconds between two questions to Prefect's API: twenty times a second would keep its server from its work."""

SERVER = "server"
RUNNER = "runner"
SUPERVISOR = "supervisor"
WORKER = "worker"
POOL = "sluice"

PLAN = """\
sluice: 1
name: {name}
flag: {name}
stable: {{model: v1}}
candidate: {{model: v2}}
audience: {{size: 1000}}
phases:
{phases}
metrics:
  error_rate: {{source: events, bad: error, of: request}}
stop:
  check_every: 10s
  criteria:
    - {{when: error_rate > 2x control, on_no_data: ignore}}
"""


def plan(name: str, *phases: str) -> str:
    """A plan of short phases, `alpha 1% 5s approval`; silence is ignored, because these tests send no outcomes."""
    return PLAN.format(name=name, phases="\n".join(map(_phase, phases)))


def _phase(words: str) -> str:
    name, expose, hold, *rest = words.split()
    approval = ", approval: required" if rest else ""
    return f"  - {{name: {name}, expose: {expose}, hold: {hold}{approval}}}"


class _Patient(httpx.HTTPTransport):
    """Asks a server that is busy (503) again, as every client of Prefect has to."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        def answered() -> httpx.Response | None:
            answer = super(_Patient, self).handle_request(request)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer
            answer.close()
            return None

        return until(answered, f"{request.url.path} answers", seconds=PATIENCE, every=POLITE)


class Stage:
    """One data folder with its processes; `store` is the test's own door to what is true."""

    def __init__(self, folder: Path, migrated: Path) -> None:
        self.folder = folder
        (folder / "prefect").mkdir()
        shutil.copy(migrated, folder / "prefect")
        self.port = _free_port()
        self.environment = os.environ | {
            "SLUICE_DATA": str(folder),
            "SLUICE_PACE": PACE,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "DO_NOT_TRACK": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.store = Store(connect(sqlite_url(folder)), "test")
        migrate(self.store.engine)
        self.clock = Clock(self.store)
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api", timeout=60, transport=_Patient())

    def start(self, *names: str) -> None:
        """Start processes that do not run; returns once they work."""
        for name in names:
            if name not in self.processes:
                self.processes[name] = self._spawn(name)
            if name == SERVER:
                until(self._healthy, "the Prefect server answers", seconds=PATIENCE, every=POLITE)
            if name in {RUNNER, WORKER}:
                until(self._served, f"the {name} asks for runs", seconds=PATIENCE, every=POLITE)
            if name == SUPERVISOR:
                self._await_supervisor()

    def kill(self, *names: str) -> None:
        """End processes and all their children at once, without a word (-9)."""
        for name in names:
            process = self.processes.pop(name, None)
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a process in its tracks, and let it go on."""
        group = self.processes[name].pid
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    def close(self) -> None:
        """End everything that runs."""
        self.kill(*list(self.processes))
        self.api.close()
        self.store.engine.dispose()

    def submit(self, name: str, *phases: str) -> None:
        """Submit a plan of short phases under a name that no other test uses."""
        self.submit_text(plan(name, *phases))

    def submit_text(self, text: str) -> None:
        """Submit a plan as it is written."""
        submit(self.store, text, "test", self.clock.now())

    def rollout(self, name: str) -> Rollout:
        """The rollout as the store has it."""
        return self.store.rollout(name)

    def verbs(self, name: str) -> list[str]:
        """What happened to a rollout so far."""
        return [str(entry.verb) for entry in self.store.journal(name)]

    def run(self, name: str) -> dict[str, Any] | None:
        """The Prefect run that the store names for a rollout, as the public API shows it."""
        run_id = self.store.rollout(name).run_id
        answer = self.api.get(f"/flow_runs/{run_id}") if run_id else None
        if answer is None or answer.status_code == httpx.codes.NOT_FOUND:
            return None
        run: dict[str, Any] = answer.raise_for_status().json()
        return run

    def badge(self, name: str) -> str:
        """Type and name of the state of a rollout's run: what the UI shows."""
        run = self.run(name)
        return f"{run['state']['type']} {run['state']['name']}" if run else "no run"

    def await_badge(self, name: str, words: str, seconds: float = PATIENCE) -> None:
        """Wait until the run of a rollout shows these words."""
        try:
            until(lambda: words in self.badge(name), f"{name} shows {words!r}", seconds=seconds, every=POLITE)
        except AssertionError as late:
            raise AssertionError(f"{late}; it shows {self.badge(name)!r}") from None

    def await_verb(self, name: str, verb: str, seconds: float = PATIENCE) -> None:
        """Wait until a transition is in the journal."""
        until(lambda: verb in self.verbs(name), f"{name} has {verb}", seconds=seconds)

    def click_cancel(self, name: str) -> None:
        """What the Cancel button does."""
        run = self.run(name)
        assert run is not None
        state = {"type": "CANCELLING", "name": "Cancelling"}
        self.post(f"/flow_runs/{run['id']}/set_state", {"state": state})

    def click_resume(self, name: str, **answer: str) -> str:
        """What the Resume form does; gives Prefect's word for it."""
        run = self.run(name)
        assert run is not None
        return str(self.post(f"/flow_runs/{run['id']}/resume", {"run_input": answer})["status"])

    def question(self, name: str) -> str:
        """The text of the Resume form of a rollout's open question, as it is read; "" while it is written anew."""
        run, state = self.run(name), self.rollout(name).state
        assert run is not None
        answer = self.api.get(f"/flow_runs/{run['id']}/input/{keyset(name, state.question)['description']}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ""
        return str(answer.raise_for_status().json()).replace("\\", "")

    def use_form(self, form: str, **fields: str) -> dict[str, Any]:
        """Fill in a form of the UI and wait for its run to end; gives the run."""
        deployment = self.api.get(f"/deployments/name/{form}/{form}").raise_for_status().json()
        run_id = self.post(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": fields})["id"]

        def ended() -> dict[str, Any] | None:
            run: dict[str, Any] = self.api.get(f"/flow_runs/{run_id}").json()
            return run if run["state"]["type"] in {"COMPLETED", "FAILED", "CRASHED"} else None

        return until(ended, f"the form {form} was dealt with", seconds=PATIENCE, every=POLITE)

    def pages(self, run: dict[str, Any] | None) -> list[dict[str, Any]]:
        """Every version of every artifact on a run, the newest first."""
        assert run is not None
        wanted = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "CREATED_DESC"}
        pages: list[dict[str, Any]] = self.post("/artifacts/filter", wanted)
        return pages

    def page(self, run: dict[str, Any]) -> str:
        """The text of the latest artifact of a run."""
        return str(self.pages(run)[0]["data"])

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Call the public API."""
        return self.api.post(path, json=body).raise_for_status().json()

    def deploy_to_pool(self) -> None:
        """Register everything to a process work pool, as an operator would."""
        subprocess.run([sys.executable, "-m", "flows.deploy", POOL], env=self.environment, cwd=self.folder, check=True)

    def children(self, name: str) -> list[int]:
        """The processes that work on a rollout's run now."""
        run_id = str(self.store.rollout(name).run_id).encode()
        return [
            int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _works_on(entry, run_id)
        ]

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *self._command(name)],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _command(self, name: str) -> list[str]:
        return {
            SERVER: ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)],
            RUNNER: ["flows.deploy"],
            WORKER: ["prefect", "worker", "start", "--pool", POOL],
            SUPERVISOR: ["flows.supervise"],
        }[name]

    def _healthy(self) -> bool:
        try:
            return self.api.get("/health").is_success
        except httpx.HTTPError:
            return False

    def _await_supervisor(self) -> None:
        began = self.clock.real()
        until(lambda: self._beaten(began), "the supervisor compares", seconds=PATIENCE)

    def _served(self) -> bool:
        answer = self.api.get("/deployments/name/rollout/rollout")
        return answer.is_success and answer.json()["status"] == "READY"

    def _beaten(self, began: datetime) -> bool:
        beat = self.store.beats().get("prefect")
        return beat is not None and beat.at > began


def _works_on(entry: Path, run_id: bytes) -> bool:
    try:
        return b"FLOW_RUN_ID=" + run_id in (entry / "environ").read_bytes()
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
