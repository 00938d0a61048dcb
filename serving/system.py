"""What operators look at: health, metrics, the clock, and one page that lists the rollouts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

from serving.desk import Desk, Json
from serving.health import Health
from serving.metrics import CONTENT_TYPE, Serving, text
from serving.refusals import StrictRoute
from serving.shapes import in_utc
from state.clock import Clock
from state.errors import RefusedError
from state.tables import ClockKind

SAFE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "X-Content-Type-Options": "nosniff"}
COLUMNS = ("name", "flag", "status", "phase", "exposure", "summary")
STYLE = "body{font:16px sans-serif;margin:2em}td,th{padding:.3em 1em;text-align:left}"


class Reported(BaseModel):
    """How far an application has reported its outcomes."""

    model_config = ConfigDict(extra="forbid")

    reported_until: Annotated[AwareDatetime, AfterValidator(in_utc)]


def routes(desk: Desk, health: Health, serving: Serving) -> APIRouter:
    """Every endpoint for operators."""
    router = APIRouter(route_class=StrictRoute, tags=["operators"])

    @router.get("/healthz")
    async def healthz() -> Response:
        """200 where store, Prefect, runner, deployments and a first sweep are there, else 503 naming what is not."""
        report = await health.report()
        return JSONResponse(report.body, report.status)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text."""
        report = await health.report()
        return Response(text(serving, report.guard_age), media_type=CONTENT_TYPE)

    @router.get("/v1/clock")
    def clock() -> Json:
        """The time in force; an accelerated clock passes `until` only after somebody has acted."""
        return _clock(desk.clock)

    @router.post("/v1/clock")
    def report(reported: Reported) -> Json:
        """Let an accelerated clock run on: all outcomes before that instant have been sent."""
        if desk.clock.kind is not ClockKind.ACCELERATED:
            raise RefusedError("this store's clock is real; there is nothing to report to it")
        desk.clock.report(reported.reported_until)
        return _clock(desk.clock)

    @router.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        """The rollouts as a page."""
        found = desk.rollouts()
        return HTMLResponse(_page(reversed(found)), headers=SAFE)

    return router


def _clock(clock: Clock) -> Json:
    return {"now": _iso(clock.now()), "kind": str(clock.kind), "until": _iso(clock.until())}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _page(rollouts: Iterable[Json]) -> str:
    head = "".join(f"<th>{column}</th>" for column in COLUMNS)
    body = "".join(map(_line, rollouts)) or f'<tr><td colspan="{len(COLUMNS)}">no rollouts yet</td></tr>'
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Sluice</title><style>{STYLE}</style>'
        f'<h1>Rollouts</h1><table><tr>{head}</tr>{body}</table><p><a href="/docs">API</a></p></html>'
    )


def _line(rollout: Json) -> str:
    cells = {column: escape(_word(rollout[column])) for column in COLUMNS}
    name = quote(str(rollout["name"]), safe="")
    cells["name"] = (
        f'<a href="/v1/rollouts/{name}">{cells["name"]}</a> <a href="/v1/rollouts/{name}/journal">journal</a>'
    )
    if rollout["prefect_url"]:
        cells["name"] += f' <a href="{escape(str(rollout["prefect_url"]))}">run</a>'
    cells["exposure"] += " %"
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells.values())}</tr>"


def _word(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
