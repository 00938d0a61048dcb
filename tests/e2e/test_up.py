"""`sluice up`: everything in one process tree, and nothing after it."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from state.database import connect, migrate, open_folder, sqlite_url
from tests.e2e.walk import follow
from tests.servers import free_port
from tests.waiting import until

READY = 240.0
ENDED = 60.0


class Up:
    """A running `sluice up` on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "up.log"
        self.port, self.prefect_port = free_port(), free_port()
        self.process = self.start()

    @property
    def url(self) -> str:
        """The flag server's address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, with its output in the log."""
        command = [sys.executable, "-m", "sluice", "up", "--data", str(self.data)]
        ports = ["--port", str(self.port), "--prefect-port", str(self.prefect_port)]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "PREFECT_"))
        }
        with self.log.open("wb") as log:
            return subprocess.Popen([*command, *ports], cwd=self.data.parent, env=environment, stdout=log, stderr=log)

    def said(self) -> list[str]:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8").splitlines()

    def ready(self) -> None:
        """Wait until it says so."""
        until(lambda: "ready" in self.said() or self.process.poll() is not None, "`up` is ready", seconds=READY)
        assert self.process.poll() is None, self.said()

    def left(self) -> list[str]:
        """Command lines of everything that still runs on its data folder."""
        found = (_command(process, str(self.data)) for process in Path("/proc").glob("[0-9]*"))
        return [command for command in found if command]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = Up(tmp_path_factory.mktemp("up"))
    try:
        running.ready()
        yield running
    finally:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(ENDED)


def test_it_says_where_everything_is_and_that_it_is_ready(up: Up) -> None:
    """One address a line, `ready` last, and both addresses answer."""
    flags, prefect, data, logs, ready = up.said()[:5]
    assert flags.startswith("flag server")
    assert up.url in flags
    assert prefect.split() == ["prefect", "UI", f"http://127.0.0.1:{up.prefect_port}"]
    assert str(up.data) in data
    assert str(up.data / "logs") in logs
    assert ready == "ready"
    assert httpx.get(f"{up.url}/healthz", trust_env=False).status_code == 200


def test_the_readme_can_be_followed(up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the README ends with 0, in its order, and its application is served by what it submitted."""
    monkeypatch.chdir(up.data.parent)
    monkeypatch.setenv("SLUICE_DATA", str(up.data))
    follow(up.data.parent, up.url)


def test_prefects_page_talks_to_the_server_beside_it(up: Up) -> None:
    """The address in the UI's settings is this server's, whatever the user's own profile says."""
    settings = httpx.get(f"http://127.0.0.1:{up.prefect_port}/ui-settings", trust_env=False).json()
    assert settings["api_url"] == f"http://127.0.0.1:{up.prefect_port}/api"


def test_the_data_folder_is_its_owners_alone(up: Up) -> None:
    """Mode 0700, whatever the umask."""
    assert stat.S_IMODE(up.data.stat().st_mode) == 0o700


def test_a_second_one_on_the_same_folder_is_refused(up: Up) -> None:
    """Two of them would end each other's processes."""
    second = _up("--data", str(up.data), "--port", str(free_port()), "--prefect-port", str(free_port()))
    assert (second.returncode, second.stdout) == (1, "")
    assert "already runs on this data folder" in second.stderr


def test_a_process_that_is_killed_comes_back(up: Up) -> None:
    """The flag server, killed, answers again, and `up` says what happened."""
    (server,) = [process for process in Path("/proc").glob("[0-9]*") if "-m serving" in _command(process, str(up.data))]
    os.kill(int(server.name), signal.SIGKILL)
    until(lambda: any("flag server ended with -9" in line for line in up.said()), "the death is told")
    until(lambda: _answers(f"{up.url}/healthz"), "the flag server is back", seconds=60)


def test_a_killed_one_leaves_nothing_to_the_next(up: Up) -> None:
    """`up` killed hard leaves its processes running; the next `up` ends them and starts."""
    up.process.kill()
    up.process.wait(ENDED)
    assert up.left()
    up.process = up.start()
    up.ready()
    assert sum("prefect server start" in command for command in up.left()) == 1


def test_sigterm_ends_all_of_it(up: Up) -> None:
    """Exit code 0 and no process left that names the data folder."""
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(ENDED) == 0
    assert up.left() == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(up.url, trust_env=False)


def test_a_port_that_is_taken_exits_3_naming_it(tmp_path: Path) -> None:
    """The port, and which option changes it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        refused = _up("--data", str(tmp_path / "data"), "--port", str(free_port()), "--prefect-port", str(taken))
    assert refused.returncode == 3
    assert f"port {taken} on 127.0.0.1 is taken" in refused.stderr
    assert "--prefect-port N" in refused.stderr


def test_tables_of_a_later_version_are_told_before_anything_starts(tmp_path: Path) -> None:
    """One line with the remedy, instead of parts that die one after another."""
    engine = connect(sqlite_url(open_folder(tmp_path / "data")))
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    refused = _up("--data", str(tmp_path / "data"), "--port", str(free_port()), "--prefect-port", str(free_port()))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "its tables are of revision '9999'" in refused.stderr
    assert "restore the copy from before the upgrade" in refused.stderr


def _up(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sluice", "up", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=ENDED)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _command(process: Path, folder: str) -> str:
    """A process's command line where it works on a data folder, else nothing."""
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        environment = (process / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    return command if folder in command or f"SLUICE_DATA={folder}" in environment else ""
