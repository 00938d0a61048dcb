"""Whoever installs without the lock gets the newest of everything that pyproject.toml allows: that must work too."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.waiting import until

ROOT = Path(__file__).parents[2]
PROBE = "tzdata"  # small, without dependencies: whoever can resolve it reaches a package index
FLOW = """
from prefect import flow

@flow
def tick() -> None: ...

if __name__ == "__main__":
    tick.serve(name="tick", interval=2)
"""


@pytest.mark.slow_install
def test_a_fresh_resolve_is_what_this_suite_runs_on_or_schedules_a_run(tmp_path: Path) -> None:
    """The Prefect server of a resolve without the lock boots, and a run on an interval really comes.

    A resolve that gives what is installed here is proven by every other test that starts a server, unless asked anew.
    """
    if "SLUICE_CAMPAIGN" not in os.environ and _installed(_newest()):
        return
    python = _fresh_environment(tmp_path / "venv")
    port = _free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = _prefect_environment(tmp_path / "prefect", api)
    (tmp_path / "tick.py").write_text(FLOW, encoding="utf-8")
    server = [python, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with _running(server, environment, tmp_path / "server.log"), httpx.Client(base_url=api) as client:
        until(lambda: _healthy(client), "the Prefect server answers", seconds=240)
        with _running([python, str(tmp_path / "tick.py")], environment, tmp_path / "tick.log"):
            run = until(lambda: _scheduled_run(client), "a scheduled run has completed", seconds=240, every=0.5)
    assert run["auto_scheduled"] is True


def _newest() -> dict[str, str]:
    """The newest version of everything that pyproject.toml asks for; empty where uv reaches no package index."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    done = subprocess.run([*command, str(ROOT / "pyproject.toml")], text=True, capture_output=True, check=False)
    return dict(line.split()[0].split("==") for line in done.stdout.splitlines())


def _installed(wanted: dict[str, str]) -> bool:
    here = {_canonical(distribution.name): distribution.version for distribution in distributions()}
    return bool(wanted) and wanted.items() <= here.items()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _fresh_environment(folder: Path) -> str:
    """Install what pyproject.toml asks for, whatever its newest versions are, and return the interpreter."""
    python = str(folder / "bin" / "python")
    uv = [sys.executable, "-m", "uv"]
    if _succeeds([*uv, "pip", "compile", "--quiet", "-"], PROBE):
        _demand([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _demand([*uv, "pip", "install", "--quiet", "--python", python, "-r", str(ROOT / "pyproject.toml")])
    elif _succeeds([sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", PROBE], ""):
        _demand([sys.executable, "-m", "venv", str(folder)])
        _demand([python, "-m", "pip", "install", "--quiet", str(ROOT)])
    else:
        pytest.skip("no package index can be reached from here, by uv or by pip")
    return python


def _succeeds(command: list[str], stdin: str) -> bool:
    return subprocess.run(command, input=stdin, text=True, capture_output=True, check=False).returncode == 0


def _demand(command: list[str]) -> None:
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def _prefect_environment(home: Path, api: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PYTHON"))}
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run a command in a process group of its own, all of which is gone afterwards."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=environment, cwd=log.parent, stdout=out, stderr=out, start_new_session=True
        )
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.name}:\n{log.read_text(encoding='utf-8')[-4000:]}") from error
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.TransportError:
        return False


def _scheduled_run(client: httpx.Client) -> dict[str, Any] | None:
    """Return a run that the server's own scheduler made and that has completed."""
    completed = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    runs: list[dict[str, Any]] = client.post("/flow_runs/filter", json=completed).raise_for_status().json()
    return next((run for run in runs if run["auto_scheduled"]), None)
