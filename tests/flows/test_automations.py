"""Prefect's own automations on our events, with a real server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rollout.model import Verb
from state import step
from tests.flows.stage import RUNNER, SERVER, SUPERVISOR, Stage
from tests.waiting import until


def test_an_automation_fires_on_a_rollouts_event(house: Stage) -> None:
    """A trigger as docs/operating.md shows it, on the events of one rollout alone, fires when that is aborted."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    automation = house.post("/automations/", _automation("watched"))
    for name in ("watched", "other"):
        house.submit(name, "alpha 10% 1h", "ga 100% 1h")
        house.await_verb(name, "start")
        step.command(house.store, name, Verb.ABORT, "ana", "enough seen", datetime.now(UTC))
    fired = until(lambda: _triggered(house, automation["id"]), "the automation fired", seconds=90, every=1)
    assert [one["resource"]["prefect.resource.id"] for one in fired] == [f"prefect.automation.{automation['id']}"]
    told = _events(house, "sluice.rollout.aborted", "sluice.rollout.watched")
    assert [one["payload"]["revision"] for one in told] == [house.store.rollout("watched").state.revision]
    assert any(one["prefect.resource.role"] == "flow-run" for one in told[0]["related"])


def _automation(rollout: str) -> dict[str, object]:
    trigger = {
        "type": "event",
        "posture": "Reactive",
        "match": {"prefect.resource.id": f"sluice.rollout.{rollout}"},
        "expect": ["sluice.rollout.aborted"],
        "threshold": 1,
        "within": 0,
    }
    return {"name": f"after an abort of {rollout}", "trigger": trigger, "actions": [{"type": "do-nothing"}]}


def _triggered(house: Stage, automation: str) -> list[dict[str, Any]]:
    return _events(house, "prefect.automation.triggered", f"prefect.automation.{automation}")


def _events(house: Stage, name: str, resource: str) -> list[dict[str, Any]]:
    wanted = {"filter": {"event": {"name": [name]}, "resource": {"id": [resource]}}, "limit": 50}
    return list(house.post("/events/filter", wanted)["events"])
