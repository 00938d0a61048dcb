"""The README's walk from a plan to a served flag, typed as it is printed, against a real `sluice up`."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluice.cli import app
from tests.markdown import ROOT, blocks
from tests.waiting import until

README = ROOT / "README.md"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str], str]]:
    """`sluice up` in a folder that holds the README's plan: the folder, the environment for commands, the address."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "search.yaml").write_text(next(blocks("yaml", README)).text, encoding="utf-8")
    port, prefect_port = _free_port(), _free_port()
    environment = os.environ | {"SLUICE_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT)}
    log = folder / "up.log"
    command = [sys.executable, "-m", "sluice", "up", "--port", str(port), "--prefect-port", str(prefect_port)]
    with log.open("wb") as out:
        up = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        until(lambda: "ready" in log.read_text(encoding="utf-8").split(), "`sluice up` says ready", seconds=300)
        yield folder, environment, f"http://127.0.0.1:{port}"
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(timeout=60)


def test_readme_can_be_followed(house: tuple[Path, dict[str, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the README ends with 0, in its order, and its application is served by the flag it submitted."""
    folder, environment, address = house
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SLUICE_DATA", environment["SLUICE_DATA"])
    first, people = [block for block in blocks("console", README) if "sluice" in block.text and len(block.commands) > 1]
    for command in first.commands:
        _run(command)
    until(lambda: _status() == "running", "the rollout has started")
    assert "answering with v" in _application(folder, environment, address)
    for command in people.commands:
        _run(command)
    assert _status() == "reverted"


def _run(command: str) -> str:
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, f"{command}\n{result.output}"
    return result.output


def _status() -> str:
    status: str = json.loads(_run("sluice status search-v2 --json"))["status"]
    return status


def _application(folder: Path, environment: dict[str, str], address: str) -> str:
    (example,) = blocks("python", README)
    program = example.text.replace("http://127.0.0.1:8800", address)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
