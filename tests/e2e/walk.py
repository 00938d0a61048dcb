"""The README's walk from a plan to a served flag, typed as it is printed, against a real `sluice up`."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from sluice.cli import app
from tests.markdown import ROOT, blocks
from tests.waiting import until

README = ROOT / "README.md"


def follow(folder: Path, address: str) -> None:
    """Type every command of the README in `folder`, in its order; its application is served by what it submitted."""
    (folder / "search.yaml").write_text(next(blocks("yaml", README)).text, encoding="utf-8")
    first, people = [block for block in blocks("console", README) if "sluice" in block.text and len(block.commands) > 1]
    for command in first.commands:
        _run(command)
    until(lambda: _status() == "running", "the rollout has started")
    assert "answering with v" in _application(folder, address)
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


def _application(folder: Path, address: str) -> str:
    (example,) = blocks("python", README)
    program = example.text.replace("http://127.0.0.1:8800", address)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
