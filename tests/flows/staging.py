"""The stage that all tests of a session share, whichever folder they are in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.stage import RUNNER, SERVER, SUPERVISOR, Stage

_made: list[Stage] = []


def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The one stage of this session, made by whoever asks first; everything on it ends with the session."""
    if not _made:
        _made.append(Stage(tmp_path_factory.mktemp("flows")))
    stage = _made[0]
    try:
        stage.start(SERVER, RUNNER, SUPERVISOR)
        yield stage
    finally:
        stage.close()
