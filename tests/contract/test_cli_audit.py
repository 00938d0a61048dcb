"""`replay` and `audit` as scripts rely on them: shapes, exit codes, refusals."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import Engine

from flows.outbox import FILE, LogChannel
from rollout.model import Verb
from state import step
from state.database import connect, migrate, sqlite_url
from state.keyfile import secrets_from_environment
from state.sealing import Head
from state.store import Store
from tests.command_line import Sluice, command_line
from tests.contract.state.story import BEGIN, asking

NAME = "search-v2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a rollout that waits for its first approval."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    secrets = secrets_from_environment({"SLUICE_DATA": str(tmp_path)})
    asking(Store(engine, "test", secrets=secrets))
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
    return command_line(monkeypatch, folder)


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


def test_the_audit_key_is_its_owners_alone(folder: Path) -> None:
    """Made on first use, readable by nobody else, and the same for whoever comes next."""
    file = folder / "audit.key"
    assert 0o600 == file.stat().st_mode & 0o777
    assert secrets_from_environment({"SLUICE_AUDIT_KEY": str(file)}) == secrets_from_environment(
        {"SLUICE_DATA": str(folder)}
    )
    assert [file] == [one for one in folder.iterdir() if "audit" in one.name]


def test_audit_says_that_every_line_is_as_written(sluice: Sluice) -> None:
    """In words, as JSON, and with the head to keep elsewhere."""
    assert "5 lines: every one as it was written" in sluice("audit", "verify").stdout
    told = json.loads(sluice("audit", "verify", "--json").stdout)
    assert {"ok": True, "published": None, "broken": 0, "findings": []}.items() <= told.items()
    assert told["head"] == json.loads(sluice("audit", "head", "--json").stdout)["head"]


def test_audit_names_the_line_that_was_altered_and_exits_1(sluice: Sluice, folder: Path) -> None:
    """Rollout, revision, and what is wrong."""
    _behind_the_triggers(folder, "UPDATE journal SET reason = 'all was well' WHERE revision = 2")
    assert "line 4: search-v2 revision 2: not as it was written" in sluice("audit", "verify", code=1).stdout
    (one,) = json.loads(sluice("audit", "verify", "--json", code=1).stdout)["findings"]
    assert ("altered", "journal", NAME, 2) == (one["wrong"], one["journal"], one["name"], one["revision"])


def test_audit_holds_the_journals_against_what_was_published(sluice: Sluice, folder: Path, engine: Engine) -> None:
    """Every notice publishes the head; a tail that is cut later shows, although the store knows nothing of it."""
    store = Store(engine, "test", secrets=secrets_from_environment({"SLUICE_DATA": str(folder)}))
    notices = store.outbox_pending()
    for notice in notices:
        LogChannel(folder / FILE, StringIO()).tell(notice)
    published = str(store.head())
    assert {published} == {notice.head for notice in notices}
    assert all(f"journal head {published}" in notice.body for notice in notices)
    assert published == json.loads(sluice("audit", "verify", "--json").stdout)["published"]
    _cut(folder, 3)
    assert "2 lines cut off at the end, after this one" in sluice("audit", "verify", code=1).stdout
    assert "every one as it was written" in sluice("audit", "verify", "--head", str(Head(3, _mac(folder, 3)))).stdout
    assert "COUNT:MAC" in sluice("audit", "verify", "--head", "yesterday's", code=1).stderr


def test_a_missing_key_is_told_by_name(sluice: Sluice, folder: Path) -> None:
    """A key that was removed is made anew; what the old one sealed cannot be checked and is not called whole."""
    (folder / "audit.key").unlink()
    assert "which is not here" in sluice("audit", "verify", code=1).stdout
    (folder / "audit.key").write_text("", encoding="utf-8")
    assert "is empty" in sluice("audit", "verify", code=1).stderr


def _behind_the_triggers(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "sluice.db") as database:
        for table in ("journal", "flag_journal"):
            for verb in ("update", "delete"):
                database.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
        database.execute(statement)
    database.close()


def _cut(folder: Path, kept: int) -> None:
    """Delete the last lines and set the store's own head back."""
    mac = _mac(folder, kept)
    for table in ("journal", "flag_journal"):
        _behind_the_triggers(folder, f"DELETE FROM {table} WHERE link > {kept}")
    _behind_the_triggers(folder, f"UPDATE journal_head SET lines = {kept}, mac = '{mac}'")


def _mac(folder: Path, link: int) -> str:
    with sqlite3.connect(folder / "sluice.db") as database:
        both = "SELECT link, mac FROM journal UNION SELECT link, mac FROM flag_journal"
        (mac,) = database.execute(f"SELECT mac FROM ({both}) WHERE link = {link}").fetchone()
    database.close()
    return str(mac)
