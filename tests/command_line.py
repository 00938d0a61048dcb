"""The command line as tests call it: in this process, with nothing set but what the test sets."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sluice.cli import app

Sluice = Callable[..., Result]
"""Words of a command line to how it ended; `code` is the exit code that is expected, `env` what else is set."""

FOREIGN = ("SLUICE_", "GIT_")


def command_line(monkeypatch: pytest.MonkeyPatch, data: Path | None = None) -> Sluice:
    """The command line on a data folder, or without one in the folder that the test is in."""
    for variable in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(variable)
    if data is not None:
        monkeypatch.setenv("SLUICE_DATA", str(data))
    return call


def call(*words: str, code: int = 0, **env: str | None) -> Result:
    """Call a command; raises AssertionError with its output where it ends otherwise than expected."""
    result = CliRunner().invoke(app, list(words), env=env)
    assert code == result.exit_code, result.output
    assert code != 0 or result.exception is None
    return result
