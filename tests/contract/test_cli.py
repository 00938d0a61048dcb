"""The command line as scripts rely on it: exit codes, JSON shapes, and what every refusal says."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rollout.describe import served_exposure
from sluice.cli import COMMANDS, app
from state.clock import Clock
from state.database import connect, migrate, sqlite_url
from state.step import step
from state.store import Store
from tests.command_line import Sluice, command_line

EXAMPLES = Path(__file__).parents[2] / "plans" / "examples"
CASE_LAW = EXAMPLES / "case-law.yaml"
BAD = EXAMPLES / "case-law-bad.yaml"
DAY_BEFORE = datetime(2026, 11, 30, 14, tzinfo=UTC)
STARTED = DAY_BEFORE + timedelta(days=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose clock stands at the day before the example plan starts."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    with _store(folder) as (store, clock):
        clock.accelerate(DAY_BEFORE, 1.0)
        clock.report(DAY_BEFORE)
        assert store.names() == ()
    return folder


@pytest.fixture
def sluice(data: Path, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line on that folder; `code` is the exit code that is expected."""
    return command_line(monkeypatch, data)


@pytest.fixture
def submitted(sluice: Sluice) -> Any:
    """The example plan, handed in."""
    return _json(sluice("submit", str(CASE_LAW), "--by", "pm", "--json"))


@pytest.fixture
def started(submitted: Any, data: Path) -> None:
    """The example rollout in its first phase."""
    with _store(data) as (store, clock):
        clock.report(STARTED)
        store.accelerate(STARTED, 1.0, clock.real())
        store.reported(STARTED)
        assert step(store, submitted["name"], STARTED)


def test_validate_tells_every_problem_of_every_file_and_exits_1(sluice: Sluice, tmp_path: Path) -> None:
    """One entry a file, each problem with its line, place, message and severity."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(CASE_LAW.read_text().replace("approval: required", "aproval: required"))
    found = _json(sluice("validate", str(CASE_LAW), str(wrong), "--json", code=1))
    assert [True, False] == [entry["ok"] for entry in found]
    assert found[0]["file"] == str(CASE_LAW)
    (problem,) = [p for p in found[1]["problems"] if p["severity"] == "error"]
    assert {"line", "place", "message", "severity"} == set(problem)
    assert problem["place"] == "phases[0].aproval"
    assert "approval" in problem["message"]


def test_validate_without_json_prints_problems_on_stderr_and_ok_on_stdout(sluice: Sluice, tmp_path: Path) -> None:
    """A file that is fine says so; one that cannot be read is a problem like another."""
    result = sluice("validate", str(CASE_LAW), str(tmp_path / "none.yaml"), code=1)
    assert f"{CASE_LAW}: ok" in result.stdout
    assert "cannot be read" in result.stderr


def test_preview_gives_the_documented_dates(sluice: Sluice) -> None:
    """Alpha, its approval, beta, the adjustment, majority, general availability and the end, in UTC."""
    told = _json(sluice("preview", str(CASE_LAW), "--json"))
    steps = [(step["what"], step["phase"], step["at"]) for step in told["steps"]]
    assert [
        ("phase", "alpha", "2026-12-01T14:00:00Z"),
        ("approval", "alpha", "2026-12-04T14:00:00Z"),
        ("phase", "beta", "2026-12-07T14:00:00Z"),
        ("adjust", "beta", "2026-12-09T14:00:00Z"),
        ("phase", "majority", "2026-12-14T14:00:00Z"),
        ("phase", "ga", "2027-01-05T14:00:00Z"),
        ("complete", "ga", "2027-01-12T14:00:00Z"),
    ] == steps
    assert told["name"] == "case-law-v24"
    assert isinstance(told["warnings"], list)
    assert {"at", "local", "what", "phase", "exposure", "settings"} <= set(told["steps"][0])
    assert (told["steps"][2]["exposure"], told["steps"][3]["settings"]["min_confidence"]) == (10, 0.8)


def test_preview_from_another_start_reads_the_plans_own_zone(sluice: Sluice) -> None:
    """09:00 without an offset is 09:00 in New York."""
    told = _json(sluice("preview", str(CASE_LAW), "--start", "2026-06-01 09:00", "--json"))
    assert told["steps"][0]["at"] == "2026-06-01T13:00:00Z"


@pytest.mark.parametrize("command", ["preview", "submit"])
def test_a_bad_plan_is_refused_with_all_its_problems(sluice: Sluice, tmp_path: Path, command: str) -> None:
    """Exit 1, every problem on stderr, nothing stored."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(BAD.read_text().replace("hold: 14d", "hold: 14 days").replace("owner:", "ownr:"))
    result = sluice(command, str(wrong), code=1)
    assert "ownr" in result.stderr
    assert "14 days" in result.stderr
    assert _json(sluice("list", "--json")) == []


def test_submit_gives_the_documented_shape_and_twice_is_once(sluice: Sluice, submitted: Any) -> None:
    """The same plan again is the same rollout, and says that it was there."""
    assert {"name", "digest", "created", "prefect_run", "url", "effect"} <= set(submitted)
    assert (submitted["name"], submitted["created"], submitted["prefect_run"]) == ("case-law-v24", True, None)
    again = _json(sluice("submit", str(CASE_LAW), "--json"))
    assert (again["digest"], again["created"]) == (submitted["digest"], False)


def test_submit_check_stores_nothing(sluice: Sluice) -> None:
    """The digest and the effect, and no rollout."""
    told = _json(sluice("submit", str(CASE_LAW), "--check", "--json"))
    assert (told["created"], told["prefect_run"]) == (False, None)
    assert "alpha begins Tue 1 Dec 09:00" in told["effect"]
    assert _json(sluice("list", "--json")) == []


def test_a_changed_plan_under_a_used_name_is_refused(sluice: Sluice, submitted: Any, tmp_path: Path) -> None:
    """A plan is immutable; the message says what to do."""
    changed = tmp_path / "changed.yaml"
    changed.write_text(CASE_LAW.read_text().replace("hold: 3d", "hold: 4d"))
    assert "new name" in sluice("submit", str(changed), code=1).stderr


def test_a_second_live_rollout_on_a_flag_is_refused_naming_the_first(
    sluice: Sluice, submitted: Any, tmp_path: Path
) -> None:
    """A flag belongs to one live rollout."""
    other = tmp_path / "other.yaml"
    other.write_text(CASE_LAW.read_text().replace("name: case-law-v24", "name: another"))
    assert "held by the live rollout case-law-v24" in sluice("submit", str(other), code=1).stderr


def test_list_and_status_share_a_shape(sluice: Sluice, started: None) -> None:
    """A list is statuses, and a status has every documented key."""
    status = _json(sluice("status", "case-law-v24", "--json"))
    assert [status] == _json(sluice("list", "--json"))
    assert {
        "name",
        "flag",
        "status",
        "phase",
        "exposure",
        "settings",
        "revision",
        "since",
        "next",
        "blocked_by",
        "environment",
        "criteria",
        "prefect_url",
    } <= set(status)
    assert ("running", "alpha", 1.0) == (status["status"], status["phase"], status["exposure"])
    assert {"what": "await_approval", "at": "2026-12-04T14:00:00Z"} == status["next"]


def test_history_has_one_entry_a_transition(sluice: Sluice, started: None) -> None:
    """Every documented key, oldest first."""
    sluice("hold", "case-law-v24", "--by", "ann", "--reason", "lunch")
    entries = _json(sluice("history", "case-law-v24", "--json"))
    assert [("start", 1), ("hold", 2)] == [(entry["transition"], entry["revision"]) for entry in entries]
    assert {"revision", "at", "transition", "cause", "by", "reason", "from", "to", "evidence"} <= set(entries[0])
    assert ("person", "ann", "lunch") == (entries[1]["cause"], entries[1]["by"], entries[1]["reason"])


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("abort", "case-law-v24"), "reverted"),
        (("hold", "case-law-v24"), "held"),
        (("set", "case-law-v24", "min_confidence=0.9"), "running"),
        (("extend", "case-law-v24", "3d"), "running"),
        (("advance", "case-law-v24"), "awaiting_approval"),
    ],
)
def test_a_command_is_carried_out_and_says_its_effect(
    sluice: Sluice, started: None, words: tuple[str, ...], status: str
) -> None:
    """`accepted`, the new revision and the consequence in words."""
    told = _json(sluice(*words, "--by", "ann", "--reason", "a test", "--json"))
    assert (told["name"], told["accepted"], told["revision"]) == ("case-law-v24", True, 2)
    assert told["effect"]
    assert status == _json(sluice("status", "case-law-v24", "--json"))["status"]


def test_check_says_the_effect_and_does_nothing(sluice: Sluice, started: None) -> None:
    """The consequence in numbers, before it is one."""
    told = _json(sluice("abort", "case-law-v24", "--check", "--json"))
    assert told["effect"] == "would: 200 users go back to v2.3"
    assert _json(sluice("status", "case-law-v24", "--json"))["revision"] == 1


def test_an_approval_advances_only_the_question_it_answers(sluice: Sluice, started: None) -> None:
    """Approved once, the second approval has nothing to approve and says so."""
    sluice("advance", "case-law-v24")
    sluice("approve", "case-law-v24", "--by", "ann")
    assert "approve is for a rollout that is awaiting_approval" in sluice("approve", "case-law-v24", code=1).stderr


def test_a_held_rollout_resumes(sluice: Sluice, started: None) -> None:
    """Where it was."""
    sluice("hold", "case-law-v24")
    sluice("resume", "case-law-v24")
    assert _json(sluice("status", "case-law-v24", "--json"))["status"] == "running"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("status", "case-law-v25"), "did you mean 'case-law-v24'?"),
        (("history", "nothing"), "unknown rollout 'nothing'"),
        (("approve", "case-law-v24"), "approve is for a rollout that is awaiting_approval"),
        (("hold", "case-law-v24", "--revision", "0"), "stale: you saw revision 0"),
        (("set", "case-law-v24", "temperature=1"), "temperature: is no setting"),
        (("set", "case-law-v24", "min_confidence=2"), "a number from 0 to 1"),
        (("extend", "case-law-v24", "soon"), "'soon'"),
        (("back", "case-law-v24", "ga"), "back only lowers exposure"),
        (("back", "case-law-v24", "gamma"), "unknown phase 'gamma'"),
        (("resume", "case-law-v24"), "resume is for a rollout that is"),
        (("kill", "case-law", "--reason", "x"), "did you mean 'case-law-ai'?"),
        (("restore", "nothing"), "unknown flag 'nothing'"),
        (("rollback", "case-law-ai"), "rollback is for a rollout that is completed"),
        (("rollback", "nothing"), "unknown flag 'nothing'"),
        (("who", "nothing", "u-1"), "unknown flag 'nothing'"),
    ],
)
def test_a_refusal_exits_1_with_the_reason_on_stderr(
    sluice: Sluice, started: None, words: tuple[str, ...], message: str
) -> None:
    """The rule and the remedy, and never a traceback."""
    result = sluice(*words, code=1)
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("status",),
        ("kill", "case-law-ai"),
        ("set", "case-law-v24", "min_confidence"),
        ("who", "case-law-ai", "u-1", "--attr", "tier"),
        ("who", "case-law-ai", "u-1", "--at", "yesterday"),
        ("preview", "no-such-file.yaml"),
        ("submit", "no-such-file.yaml"),
        ("up", "--host", "0.0.0.0"),  # noqa: S104 - refused
        ("up", "--port", "1", "--prefect-port", "1"),
    ],
)
def test_wrong_usage_exits_2(sluice: Sluice, started: None, words: tuple[str, ...]) -> None:
    """A command that is written wrongly, and says how."""
    assert sluice(*words, code=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("list", "--data", "/nowhere/at/all"), "no data folder at /nowhere/at/all"),
        (("list", "--server", "http://127.0.0.1:1"), "http://127.0.0.1:1 does not answer"),
        (("kill", "f", "--reason", "r", "--server", "http://127.0.0.1:1"), "does not answer"),
    ],
)
def test_what_cannot_be_reached_exits_3(sluice: Sluice, words: tuple[str, ...], message: str) -> None:
    """Naming what is not there."""
    assert message in sluice(*words, code=3).stderr


def test_a_database_that_is_down_exits_3(sluice: Sluice, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL that refuses connections is out of reach, not a crash."""
    monkeypatch.setenv("SLUICE_DATABASE_URL", "postgresql://sluice@127.0.0.1:1/sluice?connect_timeout=1")
    assert "Traceback" not in sluice("list", code=3).stderr


def test_kill_needs_nothing_but_the_store(sluice: Sluice, data: Path, started: None) -> None:
    """With no process running, the flag is off the moment the command returns."""
    told = _json(sluice("kill", "case-law-ai", "--by", "ann", "--reason", "it is wrong", "--json"))
    assert {"flag", "enabled", "version", "effect"} == set(told)
    assert (told["flag"], told["enabled"]) == ("case-law-ai", False)
    with _store(data) as (store, _):
        flag = store.flag("case-law-ai")
        assert flag is not None
        assert not flag.enabled
        assert served_exposure(store.rollout("case-law-v24").state) == 0
    told = _json(sluice("restore", "case-law-ai", "--by", "ann", "--json"))
    assert (told["enabled"], told["effect"] != "") == (True, True)


def test_who_tells_the_past_the_present_and_the_future(sluice: Sluice, started: None) -> None:
    """u-191 is in the first percent, u-17 on the allow list, a VIP never joins before the end."""
    attributes = ("--attr", "tier=standard", "--attr", "email=x@y.test", "--json")
    now = _json(sluice("who", "case-law-ai", "u-191", *attributes))
    assert {"variant", "bucket", "exposure", "why", "since", "joins"} == set(now)
    assert ("candidate", 1.0, "2026-12-01T14:00:00Z", None) == tuple(
        now[key] for key in ("variant", "exposure", "since", "joins")
    )
    before = _json(sluice("who", "case-law-ai", "u-191", "--at", "2026-12-01T13:00:00Z", *attributes))
    assert (before["variant"], before["why"]) == ("stable", "no rollout is under way")
    assert _json(sluice("who", "case-law-ai", "u-17", *attributes))["why"] == "on the allow list"
    vip = _json(sluice("who", "case-law-ai", "u-191", "--attr", "tier=vip", "--json"))
    assert (vip["variant"], vip["why"], vip["joins"]) == ("stable", "on the block list", None)


def test_a_plan_is_amended_after_its_difference_was_shown(sluice: Sluice, started: None, tmp_path: Path) -> None:
    """`--check` changes nothing, a stricter plan is in force at once, a looser one waits for --approve."""
    edited = tmp_path / "edited.yaml"
    edited.write_text(CASE_LAW.read_text().replace("expose: 50%", "expose: 40%"))
    words = ("amend", "case-law-v24", str(edited), "--reason", "slower", "--by", "ann")
    assert "stricter" in sluice(*words, "--check").stdout
    assert 1 == _json(sluice("status", "case-law-v24", "--json"))["revision"]
    done = _json(sluice(*words, "--json"))
    assert ("50% -> 40%", "stricter") == (done["changes"][0]["change"], done["changes"][0]["effect"])
    edited.write_text(CASE_LAW.read_text())
    waits = sluice(*words).stdout
    assert "--approve" in waits
    digest = _json(sluice("status", "case-law-v24", "--json"))["proposal"]["digest"]
    sluice("amend", "case-law-v24", "--approve", digest[:12], "--by", "lead", "--reason", "agreed")
    assert digest == _json(sluice("status", "case-law-v24", "--json"))["digest"]
    assert ["propose", "amend"] == [e["transition"] for e in _json(sluice("history", "case-law-v24", "--json"))][-2:]
    sluice("amend", "case-law-v24", code=2)


def test_prefect_is_where_the_supervisor_found_it(submitted: Any, sluice: Sluice, data: Path) -> None:
    """`sluice up --prefect-port` is not said again to look at a rollout."""
    with _store(data) as (store, clock):
        store.beat("guard", clock.real(), "http://127.0.0.1:4299/api")
        store.set_run(submitted["name"], "run-1")
    told = _json(sluice("status", submitted["name"], "--json"))
    assert "http://127.0.0.1:4299/runs/flow-run/run-1" == told["prefect_url"]


def test_a_unit_is_put_on_a_list_by_hand(sluice: Sluice, started: None) -> None:
    """Allowed, then blocked, then served by its bucket again, and `who` says by whom and why."""
    attributes = ("--attr", "tier=standard", "--attr", "email=x@y.test", "--json")
    why = ("--by", "ann", "--reason", "asked for it")
    told = _json(sluice("allow", "case-law-ai", "u-1", *why, "--json"))
    assert {"flag", "unit", "accepted", "revision", "effect"} == set(told)
    seen = _json(sluice("who", "case-law-ai", "u-1", *attributes))
    assert ("candidate", "on the allow list, put there by ann: asked for it") == (seen["variant"], seen["why"])
    assert "u-1" in sluice("block", "case-law-ai", "u-1", *why).stdout
    assert "stable" == _json(sluice("who", "case-law-ai", "u-1", *attributes))["variant"]
    sluice("unlist", "case-law-ai", "u-1")
    assert "bucket" in _json(sluice("who", "case-law-ai", "u-1", *attributes))["why"]
    assert "give a reason" in sluice("allow", "case-law-ai", "u-1", code=1).stderr


def test_who_foretells_when_a_user_joins(sluice: Sluice, started: None) -> None:
    """A user beyond 50 % joins with general availability, and is told so for a later day too."""
    attributes = ("--attr", "tier=standard", "--attr", "email=x@y.test", "--json")
    places = {unit: _json(sluice("who", "case-law-ai", unit, *attributes)) for unit in ("u-1", "u-2", "u-3", "u-4")}
    unit, told = max(places.items(), key=lambda item: item[1]["bucket"])
    assert told["bucket"] >= 50_000
    assert (told["variant"], told["joins"]) == ("stable", "2027-01-05T14:00:00Z")
    later = _json(sluice("who", "case-law-ai", unit, "--at", "2027-01-06", *attributes))
    assert (later["variant"], later["exposure"], later["since"]) == ("candidate", 100.0, "2027-01-05T14:00:00Z")


def test_a_slip_in_the_settings_file_exits_2(sluice: Sluice, data: Path) -> None:
    """With the file, the key and what was meant."""
    (data / "sluice.toml").write_text("prot = 1\n")
    assert "sluice.toml: prot: unknown key; did you mean 'port'?" in sluice("list", code=2).stderr


def test_plan_text_cannot_draw_on_the_terminal(sluice: Sluice, started: None) -> None:
    """A reason that looks like Rich's markup is shown as it was typed."""
    sluice("hold", "case-law-v24", "--reason", "[red]stop[/red]")
    assert "[red]stop[/red]" in sluice("status", "case-law-v24").stdout


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself_at_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Help fits a plain terminal, and says what each option is for."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("words", [("list",), ("status", "case-law-v24"), ("history", "case-law-v24")])
def test_what_people_read_fits_80_columns(sluice: Sluice, started: None, words: tuple[str, ...]) -> None:
    """Tables and trees fold, they are not cut."""
    shown = sluice(*words).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown


def test_the_installed_command_answers(tmp_path: Path) -> None:
    """`python -m sluice` as a shell runs it: JSON on stdout, exit codes of the process."""
    result = _shell("validate", str(CASE_LAW), "--json", cwd=tmp_path)
    assert result.returncode == 0
    assert json.loads(result.stdout)[0]["ok"]
    result = _shell("list", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    assert "no data folder at .sluice" in result.stderr


def _shell(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    command = [sys.executable, "-m", "sluice", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def _json(result: Result) -> Any:
    return json.loads(result.stdout)


class _store:  # noqa: N801 - reads as a function
    """The store of a data folder with its clock, closed at the end."""

    def __init__(self, data: Path) -> None:
        self.engine = connect(sqlite_url(data))
        migrate(self.engine)

    def __enter__(self) -> tuple[Store, Clock]:
        store = Store(self.engine, "test")
        return store, Clock(store)

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()
