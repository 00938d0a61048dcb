"""POST /v1/track: outcomes in, acknowledged once they are durable, many requests in one commit.

One worker writes. Whatever arrives while it commits goes into its next transaction together, so a lone client waits for
one commit and a busy server commits seldom.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from serving.asgi import (
    Answer,
    App,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    header,
    json_answer,
    read_body,
)
from serving.outcomes import BatchError, read, receipt_json
from state.events import Batch, Events
from state.outcomes import Receipt

LINGER_SECONDS = 0.02
GROUP = 10_000
WAITING = 200_000
BATCH_ID = re.compile(rb"[\x21-\x7e]{1,200}")


class BusyError(Exception):
    """More outcomes wait to be written than is sensible; send them again in a second."""


class _Request(NamedTuple):
    batch: Batch
    receipt: asyncio.Future[Receipt]


class Intake:
    """The one writer of outcomes: requests wait here for their receipts."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._queue: list[_Request] = []
        self._waiting = 0
        self._worker: asyncio.Task[None] | None = None

    async def take(self, batch: Batch) -> Receipt:
        """A batch's receipt, once it is committed; raises BusyError, and SQLAlchemyError where the store fails."""
        if self._waiting + len(batch.outcomes) > WAITING:
            raise BusyError
        request = _Request(batch, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        self._waiting += len(batch.outcomes)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await request.receipt

    async def _work(self) -> None:
        """Write groups until nothing waits; after a shared one, give the next a moment to gather."""
        while self._queue:
            group = self._next()
            await self._write(group)
            if len(group) > 1:
                await asyncio.sleep(LINGER_SECONDS)

    def _next(self) -> list[_Request]:
        """The requests of one transaction: as many whole ones as fit, at least one."""
        size, count = 0, 0
        for request in self._queue:
            size += len(request.batch.outcomes)
            if count and size > GROUP:
                break
            count += 1
        group, self._queue = self._queue[:count], self._queue[count:]
        return group

    async def _write(self, group: list[_Request]) -> None:
        try:
            receipts = await asyncio.to_thread(self._events.ingest_all, [request.batch for request in group])
        except SQLAlchemyError as error:
            for request in group:
                _settle(request.receipt, error)
        else:
            for request, receipt in zip(group, receipts, strict=True):
                _settle(request.receipt, receipt)
        finally:
            self._waiting -= sum(len(request.batch.outcomes) for request in group)


def track_app(intake: Intake, outcomes: Counter[str]) -> App:
    """The ASGI application for outcomes; `outcomes` counts what became of them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await json_answer(405, {"error": "outcomes are POST requests"}, [(b"allow", b"POST")])(send)
            return
        try:
            answer = await _answer(intake, outcomes, scope, await read_body(receive))
        except ClientGoneError:
            return
        await answer(send)

    return app


async def _answer(intake: Intake, outcomes: Counter[str], scope: Scope, body: bytes) -> Answer:
    try:
        found = read(body)
        receipt = await intake.take(Batch(found.outcomes, _batch_id(scope)))
    except BatchError as error:
        return json_answer(400, {"error": str(error)})
    except BusyError:
        return json_answer(429, {"error": "too many outcomes are waiting; send again"}, [(b"retry-after", b"1")])
    except SQLAlchemyError:
        return json_answer(503, {"error": "the store cannot be reached; keep the outcomes and send them again"})
    told = receipt_json(found, receipt)
    for result in ("accepted", "duplicates", "late"):
        outcomes[result] += told[result]
    outcomes["refused"] += len(told["refused"])
    return json_answer(202, told)


def _batch_id(scope: Scope) -> str | None:
    """The sender's name for this batch; raises BatchError where it cannot be kept."""
    key = header(scope, b"idempotency-key")
    if key is None:
        return None
    if not BATCH_ID.fullmatch(key):
        raise BatchError("Idempotency-Key must be 1 to 200 printable ASCII characters without spaces")
    return key.decode("ascii")


def _settle(future: asyncio.Future[Receipt], result: Receipt | SQLAlchemyError) -> None:
    """Give a request its receipt, unless its client has left meanwhile."""
    if future.done():
        return
    if isinstance(result, Receipt):
        future.set_result(result)
    else:
        future.set_exception(result)
