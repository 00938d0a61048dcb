"""The stage that all tests of a process share, whichever folder they are in; it runs only while tests need it."""

from __future__ import annotations

import pytest

from tests.flows.stage import RUNNER, SERVER, SUPERVISOR, Stage

FIXTURE = "house"

_made: list[Stage] = []


def shared(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The one stage of this process, made by whoever asks first, with everything on it running."""
    if not _made:
        _made.append(Stage(tmp_path_factory.mktemp("flows")))
    stage = _made[0]
    stage.start(SERVER, RUNNER, SUPERVISOR)
    return stage


def rest(nextitem: pytest.Item | None) -> None:
    """End the stage's processes where the next test does not need them: idle, they take a third of a core."""
    wanted = nextitem is not None and FIXTURE in getattr(nextitem, "fixturenames", ())
    for stage in () if wanted else _made:
        stage.kill(*list(stage.processes))
