"""Counts from Prometheus: an instant query for each variant and window, at the window's end.

`increase` extrapolates to the ends of its window, so what it gives is rounded to whole numbers.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from math import isfinite
from typing import Any

import httpx

from gates.sources import Reading, Request, SourceError, UnreachableError, Window
from gates.sources.asking import read, whole
from gates.sources.placeholders import VARIANT, WINDOW, filled
from gates.sources.placeholders import misfit as unfilled
from gates.sources.web import Answer, Session, Web
from rollout.exposure import Variant

QUERY = "/api/v1/query"
WORDS = frozenset({VARIANT, WINDOW})
ROUNDED = 1
AGREE = 0.001


class Prometheus:
    """One Prometheus server, or anything that speaks its HTTP API."""

    def __init__(self, web: Web, delay: timedelta, seconds: float) -> None:
        self._web = web
        self._delay = delay
        self._seconds = seconds

    @property
    def delay(self) -> timedelta:
        """How long the last scrape of a window may take to be there."""
        return self._delay

    async def counts(self, request: Request) -> Reading:
        """The counts of both cohorts; a window without series is a problem, not a zero."""
        async with self._web.session() as session:
            return await read(request, partial(_count, session), self._seconds, ROUNDED)


def misfit(query: str) -> str | None:
    """Why a plan's query cannot be asked here; None where it can, as far as can be told without asking."""
    return unfilled(query, WORDS, WORDS)


async def _count(session: Session, query: str, variant: Variant, window: Window) -> int:
    at = window.end.timestamp()
    answer = await session.post(QUERY, {"query": filled(query, variant, window), "time": f"{at:.3f}"})
    return _rounded(_value(_data(answer), at), query)


def _data(answer: Answer) -> dict[str, Any]:
    """The part of an answer that holds the result; raises SourceError where it tells of an error instead."""
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.status >= httpx.codes.INTERNAL_SERVER_ERROR or answer.status == httpx.codes.TOO_MANY_REQUESTS:
        raise UnreachableError(f"answered {answer.status}: {body.get('error', 'no reason given')}")
    if answer.status != httpx.codes.OK or body.get("status") != "success":
        raise SourceError(f"refused the query ({answer.status}): {body.get('error', 'no reason given')}")
    data = body.get("data")
    if not isinstance(data, dict):
        raise SourceError("sent an answer without data")
    return data


def _value(data: dict[str, Any], at: float) -> str:
    """The one number of a result, as the text that Prometheus writes."""
    kind, result = data.get("resultType"), data.get("result")
    if kind not in {"vector", "scalar"} or not isinstance(result, list):
        raise SourceError(f"gave a {kind}, not one number; write an aggregation such as sum(increase(…[$window]))")
    if kind == "vector":
        result = _only(result)
    match result:
        case [int() | float() as when, str(text)]:
            if abs(when - at) > AGREE:
                raise SourceError(f"gave a stale value, {at - when:g} s older than the end of the window")
            return text
    raise SourceError("sent a result of another shape than [time, value]")


def _only(series: list[Any]) -> Any:
    if not series:
        raise SourceError("has no such series; write `… or vector(0)` behind the query if that means none")
    if len(series) > 1:
        raise SourceError(f"gave {len(series)} series, not one number; wrap the query in sum(…)")
    return series[0].get("value") if isinstance(series[0], dict) else None


def _rounded(text: str, query: str) -> int:
    try:
        value = float(text)
    except ValueError:
        raise SourceError(f"gave {text!r}, which is no number") from None
    if not isfinite(value):
        raise SourceError(f"gave {text} for `{query}`; count with sum(increase(…)), and do not divide")
    return whole(round(value))
