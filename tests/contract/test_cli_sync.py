"""`sluice sync`: plan files of a checkout become rollouts; changed ones wait, removed ones are told, twice is once."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from state import step
from state.clock import Clock
from state.database import connect, sqlite_url
from state.store import Store
from tests.command_line import Sluice, command_line
from tests.contract.flag_server import flag_server

AT_ONCE = (Path(__file__).parents[2] / "plans" / "examples" / "minimal.yaml").read_text(encoding="utf-8")
MINIMAL = AT_ONCE + "schedule: {start: 2126-12-02 09:00, timezone: UTC}\n"
SLOWER = MINIMAL.replace("{name: all, expose: 100%, hold: 7d}", "{name: all, expose: 100%, hold: 9d}")
OTHER = MINIMAL.replace("search-v2", "reader-v2").replace("search-ai", "reader-ai")
BAD = OTHER.replace("hold: 7d", "hold: soon").replace("reader-v2", "broken")
AUTHOR = ("-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")


@pytest.fixture
def sluice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line beside a folder `plans` with one plan and one file that is none; `code` is the expected end."""
    monkeypatch.chdir(tmp_path)
    Path(".sluice").mkdir(mode=0o700)
    write("search.yaml", MINIMAL)
    write("compose.yml", "services:\n  sluice: {image: sluice}\n")
    write(".hidden/old.yaml", OTHER)
    return command_line(monkeypatch)


def write(name: str, text: str) -> Path:
    """A file below `plans`."""
    file = Path("plans", name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def synced(sluice: Sluice, *words: str, code: int = 0) -> Any:
    """What a sync says as JSON."""
    return json.loads(sluice("sync", "plans", "--json", *words, code=code).stdout)


def did(told: Any) -> dict[str, str]:
    """What became of each file."""
    return {Path(entry["file"]).name: entry["did"] for entry in told["files"]}


def test_a_new_file_is_a_rollout_and_the_same_file_again_is_nothing_to_do(sluice: Sluice) -> None:
    """Below hidden folders nothing is looked for, and YAML that is no plan is named and left."""
    told = synced(sluice, "--by", "ann", "--reason", "first of May")
    assert {"search.yaml": "submitted"} == did(told)
    assert ["plans/compose.yml"] == told["no_plans"]
    again = sluice("sync", "plans").stdout
    assert "nothing to do" in again
    assert "1 unchanged" in again
    assert ["search-v2"] == [rollout["name"] for rollout in json.loads(sluice("list", "--json").stdout)]
    with store() as found:
        assert [("ann", "submitted search-v2: first of May")] == [
            (line.by, line.reason) for line in found.flag_journal("search-ai")
        ]


def test_a_changed_file_waits_even_where_it_is_stricter(sluice: Sluice) -> None:
    """The difference is shown, nothing is amended before somebody approves it, and a second run proposes nothing."""
    sluice("sync", "plans")
    write("search.yaml", SLOWER)
    before = status(sluice)
    shown = " ".join(sluice("sync", "plans").stdout.split())
    assert "stricter phases.all.hold: 7d -> 9d" in shown
    waiting = status(sluice)
    assert (before["digest"], before["revision"] + 1) == (waiting["digest"], waiting["revision"])
    assert f"to agree sluice amend search-v2 --approve {waiting['proposal']['digest'][:12]}" in shown
    again = synced(sluice)
    assert ({"search.yaml": "waiting"}, waiting) == (did(again), status(sluice))
    assert "phases.all.hold" == again["files"][0]["changes"][0]["place"]
    sluice("amend", "search-v2", "--approve", waiting["proposal"]["digest"][:12], "--by", "lead")
    assert (waiting["proposal"]["digest"], None) == tuple(status(sluice)[key] for key in ("digest", "proposal"))
    assert {"search.yaml": "unchanged"} == did(synced(sluice))


def test_an_entered_phase_may_not_change(sluice: Sluice) -> None:
    """The file is refused with the remedy, and the rollout stays as it is."""
    write("search.yaml", AT_ONCE)
    sluice("sync", "plans")
    with store() as found:
        assert step.step(found, "search-v2", Clock(found).now())
    write("search.yaml", AT_ONCE.replace("expose: 10%", "expose: 5%"))
    before = status(sluice)
    refused = sluice("sync", "plans", code=1)
    assert "plans/search.yaml: some has been entered and cannot be amended" in refused.stderr
    assert "nothing done" in refused.stdout
    assert before == status(sluice)


def test_a_bad_file_is_told_as_validate_tells_it_and_keeps_no_other_back(sluice: Sluice) -> None:
    """Every problem with its line, exit 1, and the plan after it is submitted."""
    write("a-bad.yaml", BAD)
    write("b-nonsense.yaml", "sluice: 1\nname: nonsense\nphases: [{\n")
    told = sluice("sync", "plans", code=1)
    assert sluice("validate", "plans/a-bad.yaml", "plans/b-nonsense.yaml", code=1).stderr == told.stderr
    assert {"a-bad.yaml": "refused", "b-nonsense.yaml": "refused", "search.yaml": "unchanged"} == did(
        synced(sluice, code=1)
    )


def test_a_removed_file_aborts_nothing(sluice: Sluice) -> None:
    """It is told while the rollout lives; one with a bad file is not missing one."""
    write("reader.yaml", OTHER)
    sluice("sync", "plans")
    write("search.yaml", MINIMAL + "nonsense: 1\n")
    Path("plans/reader.yaml").unlink()
    told = synced(sluice, code=1)
    assert [("reader-v2", "scheduled")] == [(one["name"], one["status"]) for one in told["without_file"]]
    write("search.yaml", MINIMAL)
    shown = sluice("sync", "plans").stdout
    assert "nothing was aborted" in shown
    assert "nothing to do" in shown
    assert "scheduled" == status(sluice, "reader-v2")["status"]
    sluice("abort", "reader-v2", "--reason", "over")
    assert [] == synced(sluice)["without_file"]


def test_the_file_of_a_rollout_that_is_over_is_left_unless_it_says_something_else(sluice: Sluice) -> None:
    """Unchanged it is nothing to do; changed it needs a new name."""
    sluice("sync", "plans")
    sluice("abort", "search-v2", "--reason", "over")
    assert {"search.yaml": "unchanged"} == did(synced(sluice))
    write("search.yaml", SLOWER)
    assert "search-v2 is reverted; amend is for a rollout that is" in sluice("sync", "plans", code=1).stderr


def test_a_dry_run_does_nothing(sluice: Sluice) -> None:
    """A new file and a changed one are shown, and the store is as it was."""
    assert "would be submitted" in sluice("sync", "plans", "--dry-run").stdout
    assert "[]" == sluice("list", "--json").stdout.strip()
    sluice("sync", "plans")
    write("search.yaml", SLOWER)
    before = status(sluice)
    told = synced(sluice, "--dry-run")
    assert ({"search.yaml": "proposed"}, True) == (did(told), told["dry_run"])
    assert before == status(sluice)


def test_two_files_with_one_name_are_both_refused(sluice: Sluice) -> None:
    """Nobody can tell which one is meant."""
    write("copy.yaml", SLOWER)
    told = synced(sluice, code=1)
    assert {"copy.yaml": "refused", "search.yaml": "refused"} == did(told)
    assert "plans/copy.yaml, plans/search.yaml" in told["files"][0]["problems"][0]["message"]


def test_another_amendment_that_waits_is_told(sluice: Sluice) -> None:
    """The file says what the rollout runs by; somebody else wants something else."""
    sluice("sync", "plans")
    write("search.yaml", SLOWER)
    sluice("sync", "plans", "--by", "ann", "--reason", "slower")
    write("search.yaml", MINIMAL)
    told = synced(sluice)
    assert "another amendment of it waits, by ann: slower" == told["files"][0]["effect"]


@pytest.mark.parametrize("words", [("nowhere",), ("plans/search.yaml",)])
def test_a_folder_that_is_none_is_wrong_usage(sluice: Sluice, words: tuple[str, ...]) -> None:
    """Exit 2, with its name."""
    assert words[0] in sluice("sync", *words, code=2).stderr.replace("\n", "").replace("│", "")


def test_the_reason_names_the_commit(sluice: Sluice) -> None:
    """And says so where files in the folder are not what was committed; outside of git it names the folder."""
    assert (None, "sync of plans") == tuple(synced(sluice)[key] for key in ("commit", "reason"))
    for words in (("init", "--quiet"), ("add", "plans"), (*AUTHOR, "commit", "--quiet", "--message", "plans")):
        subprocess.run(["git", *words], check=True)
    git = ("git", "rev-parse", "--short=12", "HEAD")
    head = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    assert f"plans at commit {head}" == synced(sluice)["reason"]
    write("search.yaml", SLOWER)
    sluice("sync", "plans")
    assert f"plans at commit {head} with uncommitted changes" == status(sluice)["proposal"]["reason"]


def test_it_is_the_same_through_a_server(sluice: Sluice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New, changed, bad and removed over HTTP, with the name of the key that asks."""
    write("a-bad.yaml", BAD)
    with flag_server(tmp_path / "other") as server:
        where = ("--server", server.url)
        told = sluice("sync", "plans", *where, code=1)
        assert sluice("validate", "plans/a-bad.yaml", code=1).stderr == told.stderr
        write("search.yaml", SLOWER)
        Path("plans/a-bad.yaml").unlink()
        made = sluice("keys", "create", "ci", "--scope", "admin", "--data", str(tmp_path / "other"), "--json")
        monkeypatch.setenv("SLUICE_KEY", json.loads(made.stdout)["secret"])
        assert {"search.yaml": "proposed"} == did(synced(sluice, *where))
        waiting = json.loads(sluice("status", "search-v2", *where, "--json").stdout)["proposal"]
        assert "ci" in waiting["by"]
        assert {"search.yaml": "waiting"} == did(synced(sluice, *where))
        sluice("amend", "search-v2", "--approve", waiting["digest"], *where)
        Path("plans/search.yaml").unlink()
        assert ["search-v2"] == [one["name"] for one in synced(sluice, *where)["without_file"]]


@contextmanager
def store() -> Iterator[Store]:
    engine = connect(sqlite_url(Path(".sluice")))
    yield Store(engine, "test")
    engine.dispose()


def status(sluice: Sluice, name: str = "search-v2") -> Any:
    return json.loads(sluice("status", name, "--json").stdout)
