"""Counts from any web service that answers with JSON: one document for each variant and window.

It is asked with `variant`, `since` and `until`; what a plan names are JSON pointers to the numbers in it (RFC 6901).
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from gates.sources import Reading, Request, SourceError, UnreachableError, Window
from gates.sources.asking import read, whole
from gates.sources.web import Session, Web
from rollout.exposure import Variant

POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


class Http:
    """One address that tells counts; `complete` points to the instant up to which a document knows everything."""

    def __init__(self, web: Web, delay: timedelta, seconds: float, complete: str | None = None) -> None:
        self._web = web
        self._delay = delay
        self._seconds = seconds
        self._complete = complete

    @property
    def delay(self) -> timedelta:
        """How long after a window's end the service may still count."""
        return self._delay

    async def counts(self, request: Request) -> Reading:
        """The counts of both cohorts, all metrics of one variant and window from one document."""
        async with self._web.session() as session:
            return await read(request, _Documents(session, self._complete).count, self._seconds)


class _Documents:
    """The documents of one request, each fetched once."""

    def __init__(self, session: Session, complete: str | None) -> None:
        self._session = session
        self._complete = complete
        self._asked: dict[tuple[Variant, Window], asyncio.Task[Any]] = {}

    async def count(self, query: str, variant: Variant, window: Window) -> int:
        """The number that a pointer names."""
        key = (variant, window)
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(self._fetch(variant, window))
        document = await self._asked[key]
        return _number(pointed(document, query), query)

    async def _fetch(self, variant: Variant, window: Window) -> Any:
        asked = {"variant": str(variant), "since": _iso(window.start), "until": _iso(window.end)}
        status, document = await self._session.get("", asked)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
            raise UnreachableError(f"answered {status}")
        if status != httpx.codes.OK:
            raise SourceError(f"answered {status}, not 200")
        if self._complete is not None:
            _demand_complete(pointed(document, self._complete), window.end)
        return document


def misfit(query: str) -> str | None:
    """Why a plan's query is no pointer; None where it is one."""
    if POINTER.fullmatch(query):
        return None
    return f"{query!r} is no JSON pointer; write the way to the number, such as /counts/errors"


def pointed(document: Any, pointer: str) -> Any:
    """What a JSON pointer names (RFC 6901, section 4); raises SourceError where there is nothing."""
    found = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and INDEX.fullmatch(name) and int(name) < len(found):
            found = found[int(name)]
        else:
            raise SourceError(f"has nothing at {pointer}: no {name!r}")
    return found


def _number(value: Any, pointer: str) -> int:
    try:
        return whole(value)
    except SourceError as error:
        raise SourceError(f"{error} (at {pointer})") from error


def _demand_complete(told: Any, end: datetime) -> None:
    try:
        until = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        raise SourceError(f"says {told!r} where the instant should be up to which it is complete") from None
    if until.tzinfo is None:
        raise SourceError(f"says that it is complete until {told}, without a time zone")
    if until < end:
        raise SourceError(f"is stale: complete until {told} only, asked until {_iso(end)}")


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
