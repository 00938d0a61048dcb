"""The runner outlives what ends Prefect's own, and ends for everything else."""

import pytest
from prefect.exceptions import Pause

from flows import deploy


def test_a_run_that_is_suspended_while_it_is_picked_up_does_not_end_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves again, so that the next form or wake-up is not waited for in vain."""
    ends: list[BaseException | None] = [
        BaseExceptionGroup("in the runner's tasks", [Pause("from PAUSED to PENDING")]),
        None,
    ]
    _ends(monkeypatch, ends)
    deploy.serve_on()
    assert [] == ends


def test_any_other_fault_ends_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches the process starts a new one, and the fault is in the log."""
    both = BaseExceptionGroup("in the runner's tasks", [Pause("from PAUSED to PENDING"), OSError("disk full")])
    _ends(monkeypatch, [both])
    with pytest.raises(BaseExceptionGroup, match="tasks"):
        deploy.serve_on()


def _ends(monkeypatch: pytest.MonkeyPatch, ends: list[BaseException | None]) -> None:
    """Serving ends like this, time after time."""

    def serve(*_: object, **__: object) -> None:
        if (end := ends.pop(0)) is not None:
            raise end

    monkeypatch.setattr(deploy, "serve", serve)
