"""The stage that the tests of one file after another share, whichever folder they are in."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.flows.stage import RUNNER, SERVER, SUPERVISOR, Stage

_open: list[Stage] = []


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prefect's database as its own migrations leave it, made once for all workers: they take half a minute."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    home, ready = shared / "prefect", shared / "prefect-is-migrated"
    with (shared / "prefect-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            upgrade = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
            environment = os.environ | {"PREFECT_HOME": str(home)}
            subprocess.run(upgrade, env=environment, check=True, capture_output=True)
            ready.touch()
    return home / "prefect.db"


@pytest.fixture(scope="session")
def closed_at_the_end() -> Iterator[None]:
    """Whatever stage is open when the session ends is closed, even where its last test was interrupted."""
    yield
    close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, migrated: Path, closed_at_the_end: None) -> Stage:
    """The open stage with everything on it; a new one where none is open."""
    if not _open:
        _open.append(Stage(tmp_path_factory.mktemp("flows"), migrated))
    _open[0].start(SERVER, RUNNER, SUPERVISOR)
    return _open[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None]:
    """Close the stage before tests that need none: idle servers take a third of a core."""
    yield
    if "house" not in getattr(nextitem, "fixturenames", ()):
        close()


def close() -> None:
    """End everything that runs on the open stage."""
    while _open:
        _open.pop().close()
