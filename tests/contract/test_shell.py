"""The command line before any command: what it imports, what it shows, what a shell completes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from plans.load import loads
from sluice.cli import COMMANDS, app
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.contract.flag_server import PLAN, flag_server
from tests.unit.rollout.story import BEGIN

HEAVY = ("prefect", "fastapi", "sqlalchemy", "sqlmodel", "pydantic", "httpx", "uvicorn", "yaml", "icalendar")
Complete = Callable[..., list[str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one rollout."""
    folder = tmp_path_factory.mktemp("shell")
    engine = connect(sqlite_url(folder))
    migrate(engine)
    Store(engine, "test").submit(loads(PLAN), PLAN, "ana", BEGIN)
    engine.dispose()
    return folder


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> Complete:
    """What bash is offered for a line that ends in its last word, asked as bash's own completion function does."""
    for variable in [name for name in os.environ if name.startswith("SLUICE_")]:
        monkeypatch.delenv(variable)

    def ask(*words: str, **environment: str) -> list[str]:
        line = {"COMP_WORDS": " ".join(("sluice", *words)), "COMP_CWORD": str(len(words))}
        asked = {"_SLUICE_COMPLETE": "complete_bash", **line, **environment}
        done = CliRunner().invoke(app, [], prog_name="sluice", env=asked)
        assert "" == done.stderr
        return done.stdout.split()

    return ask


def test_starting_imports_nothing_heavy() -> None:
    """The table of commands, and the overview it gives, need none of the libraries that commands are made of."""
    code = "import sys; from typer.testing import CliRunner; from sluice.cli import app; "
    code += "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    """The line in the table is the first one of the command's own help, and so is the panel."""
    group = typer.main.get_command(app)
    command = group.commands[name]  # type: ignore[attr-defined]
    assert COMMANDS[name].line == " ".join((command.help or "").split("\n\n")[0].split())
    assert name == command.name


def test_a_shell_completes_commands_and_options(complete: Complete) -> None:
    """Without any store: a command from its first letters, an option of that command."""
    assert ["replay", "report", "restore", "resume"] == sorted(complete("re"))
    assert "--reason" in complete("kill", "x", "--r")


def test_a_shell_completes_rollouts_and_flags_from_the_store(complete: Complete, data: Path) -> None:
    """Names come from the folder that the line itself or the environment leads to."""
    assert ["case-law-v24"] == complete("status", "case", SLUICE_DATA=str(data))
    assert ["case-law-ai"] == complete("kill", "", SLUICE_DATA=str(data))
    assert ["case-law-v24"] == complete("status", "--data", str(data), "c")
    assert [] == complete("status", "zebra", SLUICE_DATA=str(data))


def test_bash_itself_completes(data: Path, tmp_path: Path) -> None:
    """The script that `--show-completion bash` prints, read by a bash, offers the names."""
    sluice = tmp_path / "sluice"
    sluice.write_text(f"#!{sys.executable}\nfrom sluice.cli import main\nmain()\n", encoding="utf-8")
    sluice.chmod(0o700)
    script = """source <(sluice --show-completion bash)
        COMP_WORDS=(sluice status ca); COMP_CWORD=2
        _sluice_completion sluice; echo ${COMPREPLY[*]}"""
    paths = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])}
    asked = {"SLUICE_DATA": str(data), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(["bash", "-c", script], env=paths | asked, capture_output=True, text=True, check=True)
    assert ("case-law-v24\n", "") == (done.stdout, done.stderr)


def test_a_shell_completes_from_a_server(complete: Complete, data: Path) -> None:
    """Names come from the flag server where one is named."""
    with flag_server(data) as server:
        assert ["case-law-v24"] == complete("status", "", SLUICE_SERVER=server.url)


def test_what_cannot_be_reached_completes_nothing_silently(complete: Complete, tmp_path: Path) -> None:
    """No folder, a folder with something else in it, a server that is not there: no names, no words."""
    (tmp_path / "sluice.db").write_text("not a database, but long enough to be looked at " * 20)
    assert [] == complete("status", "", SLUICE_DATA=str(tmp_path / "nowhere"))
    assert [] == complete("status", "", SLUICE_DATA=str(tmp_path))
    assert [] == complete("status", "", SLUICE_SERVER="http://127.0.0.1:9")
    assert [] == complete("status", "", SLUICE_PORT="many")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--show-completion` prints what belongs into a shell's own start file."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    shown = CliRunner().invoke(app, ["--show-completion", shell], prog_name="sluice")
    assert (0, True) == (shown.exit_code, "_SLUICE_COMPLETE" in shown.stdout)
