"""The stage that the tests of one file after another share, whichever folder they are in."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.flows.stage import RUNNER, SERVER, SUPERVISOR, Stage

_open: list[Stage] = []


@pytest.fixture(scope="session")
def closed_at_the_end() -> Iterator[None]:
    """Whatever stage is open when the session ends is closed, even where its last test was interrupted."""
    yield
    close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, closed_at_the_end: None) -> Stage:
    """The open stage with everything on it; a new one where none is open."""
    if not _open:
        _open.append(Stage(tmp_path_factory.mktemp("flows")))
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
