"""Prefect's own automations: every notice is an event of the rollout, `sluice.rollout.awaiting-approval`."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import httpx
from prefect.settings import PREFECT_API_URL

from flows.channels import Letter, NotSentError, Told
from flows.channels.webhook import tls

SECONDS = 10.0


class Prefect:
    """The server at `PREFECT_API_URL`; an event that is sent again has the same id, and Prefect keeps it once."""

    def send(self, letter: Letter) -> None:
        """Emit one event for each notice."""
        events = [_event(letter, told) for told in letter.told]
        try:
            answer = httpx.post(
                f"{PREFECT_API_URL.value()}/events", json=events, timeout=SECONDS, trust_env=False, verify=tls()
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotSentError(f"could not be reached ({type(error).__name__})") from None
        if not answer.is_success:
            raise NotSentError(f"answered {answer.status_code}")


def event_name(event: str) -> str:
    """The name that automations wait for: `sluice.rollout.awaiting-approval`."""
    return f"sluice.rollout.{event.replace('_', '-')}"


def resource(rollout: str) -> str:
    """The resource that a rollout's events are about: `sluice.rollout.case-law-v24`."""
    return f"sluice.rollout.{rollout}"


def _event(letter: Letter, told: Told) -> dict[str, object]:
    notice = told.notice
    return {
        "id": str(uuid5(NAMESPACE_URL, f"{letter.id}/{notice.id}")),
        "occurred": letter.sent.isoformat(),
        "event": event_name(notice.event),
        "resource": {
            "prefect.resource.id": resource(notice.rollout),
            "prefect.resource.name": notice.rollout,
            "sluice.flag": notice.flag,
        },
        "related": [
            {"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}
            for run in filter(None, [notice.run_id])
        ],
        "payload": {
            "revision": notice.revision,
            "text": told.line,
            "lines": list(told.lines),
            "links": list(told.links),
        },
    }
