"""What `status` says in a terminal of a phase in which nobody is exposed."""

from typing import Any

import pytest

from sluice import render

ROLLOUT: dict[str, Any] = {
    "name": "search-v2",
    "flag": "search",
    "status": "running",
    "phase": "shadow",
    "exposure": 0,
    "since": "2026-12-01T09:00:00Z",
    "settings": {"model": "v2"},
    "next": None,
    "revision": 1,
    "prefect_url": None,
    "blocked_by": [],
    "criteria": [],
}


def shown(**changes: Any) -> str:
    """The tree as plain text."""
    console = render.console()
    with console.capture() as captured:
        console.print(render.status(ROLLOUT | changes))
    return captured.get()


def test_a_phase_that_exposes_nobody_names_the_trial_on_imaginary_cohorts() -> None:
    """It takes seconds to draw a thousand lots, so status says how to ask and does not wait for it."""
    assert "sluice aa search-v2" in shown()


@pytest.mark.parametrize("changes", [{"exposure": 10}, {"status": "reverted"}, {"status": "scheduled", "phase": None}])
def test_elsewhere_status_does_not_speak_of_imaginary_cohorts(changes: dict[str, Any]) -> None:
    """Neither where somebody is exposed, nor before the start or after the end."""
    assert "sluice aa" not in shown(**changes)
