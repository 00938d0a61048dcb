"""`replay` as scripts rely on it: shapes, exit codes, refusals."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from rollout.model import Verb
from sluice.cli import app
from state import step
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.contract.state.story import BEGIN, asking

NAME = "search-v2"
Sluice = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a rollout that waits for its first approval."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    asking(Store(engine, "test"))
    engine.dispose()
    return tmp_path


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    engine = connect(sqlite_url(folder))
    yield engine
    engine.dispose()


@pytest.fixture
def sluice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line on that folder; `code` is the exit code that is expected."""
    for variable in [name for name in os.environ if name.startswith("SLUICE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("SLUICE_DATA", str(folder))

    def call(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words))
        assert code == result.exit_code, result.output
        return result

    return call


def test_replay_says_identical(sluice: Sluice) -> None:
    """Every decision with its revision, in words and as JSON."""
    assert "2 decisions derived anew: identical" in sluice("replay", NAME).stdout
    told = json.loads(sluice("replay", NAME, "--json").stdout)
    assert {"name", "identical", "decisions"} == set(told)
    assert [(1, "start", True), (2, "await_approval", True)] == [
        (one["revision"], one["transition"], one["identical"]) for one in told["decisions"]
    ]
    (one,) = json.loads(sluice("replay", NAME, "--revision", "2", "--json").stdout)["decisions"]
    assert (2, []) == (one["revision"], one["differences"])


def test_replay_shows_what_differs_and_exits_1(sluice: Sluice, folder: Path) -> None:
    """A journal whose author was altered, with what stands there and what should."""
    with sqlite3.connect(folder / "sluice.db") as database:
        database.execute("DROP TRIGGER journal_no_update")
        database.execute("UPDATE journal SET by = 'mallory' WHERE revision = 2")
    database.close()
    result = sluice("replay", NAME, code=1)
    assert "1 not identical" in result.stdout
    assert "by: mallory stored, sluice derived" in " ".join(result.stdout.split())
    assert json.loads(sluice("replay", NAME, "--revision", "1", "--json").stdout)["identical"]


def test_replay_of_what_is_not_there_is_refused(sluice: Sluice, tmp_path: Path) -> None:
    """Unknown names and revisions exit 1 with the remedy; no data folder exits 3."""
    assert "sluice history" in sluice("replay", NAME, "--revision", "9", code=1).stderr
    assert "search-v2" in sluice("replay", "search-v3", code=1).stderr
    assert "no data folder" in sluice("replay", NAME, "--data", str(tmp_path / "none"), code=3).stderr


def test_replay_reads_commands_with_their_words(sluice: Sluice, engine: Engine) -> None:
    """A hold made longer by a person is derived from what they asked for."""
    store = Store(engine, "test")
    step.command(store, NAME, Verb.EXTEND, "pm", "", BEGIN + timedelta(days=4), args={"duration": "36h"})
    assert "3 decisions derived anew: identical" in sluice("replay", NAME).stdout
