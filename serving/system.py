"""What operators look at: health, metrics and the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError

from serving.desk import Desk, Json
from serving.health import DEADLINE_SECONDS, Health
from serving.metrics import CONTENT_TYPE, Serving, text
from serving.refusals import StrictRoute
from serving.shapes import in_utc
from state.clock import Clock
from state.deliveries import Backlog
from state.errors import RefusedError
from state.tables import ClockKind


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

    async def backlog() -> Sequence[Backlog]:
        """What channels still have to hear; nothing where the store cannot be read: the rest is served all the same."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(desk.store.backlog), DEADLINE_SECONDS)
        except (TimeoutError, SQLAlchemyError):
            return ()

    @router.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text."""
        report = await health.report()
        return Response(text(serving, report.guard_age, await backlog()), media_type=CONTENT_TYPE)

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

    return router


def _clock(clock: Clock) -> Json:
    return {"now": _iso(clock.now()), "kind": str(clock.kind), "until": _iso(clock.until())}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
