"""`sluice new`: a copy to edit, from a rollout or from a plan that comes along, never over a file."""

import json
from pathlib import Path

import pytest

from plans.load import load
from state.database import connect, migrate, sqlite_url
from tests.command_line import Sluice, command_line

MINIMAL = Path(__file__).parents[2] / "plans" / "examples" / "minimal.yaml"


@pytest.fixture
def sluice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch)


@pytest.mark.usefixtures("data")
def test_a_rollout_is_copied_under_the_files_name(sluice: Sluice, tmp_path: Path) -> None:
    """Its own text, as it was handed in, with the new name."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(MINIMAL.read_text(encoding="utf-8") + "# a word of mine\n", encoding="utf-8")
    sluice("submit", "mine.yaml")
    told = json.loads(sluice("new", "search-v3.yaml", "--from", "search-v2", "--json").stdout)
    assert ("search-v3.yaml", "search-v3", "search-v2") == (told["file"], told["name"], told["from"])
    assert "search-v3" == load("search-v3.yaml").name
    assert "# a word of mine" in Path("search-v3.yaml").read_text(encoding="utf-8")


def test_a_plan_that_comes_along_needs_no_sluice(sluice: Sluice) -> None:
    """Without a data folder the examples are there to begin with."""
    shown = sluice("new", "first.yaml", "--from", "minimal", "--name", "reader").stdout
    assert "reader" == load("first.yaml").name
    assert "salt" in shown


def test_a_file_is_never_overwritten(sluice: Sluice) -> None:
    """Exit 1, and the file is as it was."""
    Path("mine.yaml").write_text("precious", encoding="utf-8")
    assert "nothing was written" in sluice("new", "mine.yaml", "--from", "minimal", code=1).stderr
    assert "precious" == Path("mine.yaml").read_text(encoding="utf-8")


def test_what_is_unknown_is_refused_with_what_there_is(sluice: Sluice) -> None:
    """The message lists the plans that come along, and nothing is written."""
    assert "case-law" in sluice("new", "mine.yaml", "--from", "nothing", code=1).stderr
    assert "cannot be written" in sluice("new", "no/folder/mine.yaml", "--from", "minimal", code=1).stderr
    assert "name" in sluice("new", "Mine Own.yaml", "--from", "minimal", code=1).stderr
    assert not list(Path().glob("*.yaml"))


@pytest.fixture
def data(tmp_path: Path) -> None:
    folder = tmp_path / ".sluice"
    folder.mkdir(mode=0o700)
    engine = connect(sqlite_url(folder))
    migrate(engine)
    engine.dispose()
