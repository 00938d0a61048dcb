"""Server-sent events that tell clients to fetch again what they show or serve (for flags: OFREP ADR 0008).

An event carries no values: it names a version, and the client asks. One event is sent on connecting, because something
may have changed since the client's own fetch, and one every heartbeat, so that a lost event costs at most that long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from serving.asgi import Receive, Scope, Send, json_answer

STREAM_PATH = "/ofrep/v1/stream"
HEARTBEAT_SECONDS = 30.0
RECONNECT_MILLISECONDS = 1000


class Topic(Protocol):
    """What streams tell of."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call back after every change, from any thread."""
        ...

    def event(self) -> bytes:
        """The message that says what is true now, as an event stream carries it."""
        ...


class Streams:
    """Every open event stream of one topic; an ASGI application for GET requests."""

    def __init__(self, topic: Topic, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._topic = topic
        self._heartbeat = heartbeat
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._closed = False
        self.open = 0
        topic.subscribe(self._notice)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until its client leaves or `close` is called."""
        if scope["method"] != "GET":
            await json_answer(405, {"error": "streams are GET requests"}, [(b"allow", b"GET")])(send)
            return
        self._loop = asyncio.get_running_loop()
        gone = asyncio.create_task(_disconnected(receive))
        self.open += 1
        try:
            await self._tell(gone, send)
        finally:
            self.open -= 1
            gone.cancel()

    def close(self) -> None:
        """End every stream, so that a server can stop; may be called from any thread or a signal handler."""
        self._closed = True
        self._notice()

    async def _tell(self, gone: asyncio.Task[None], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        retry = b"retry: %d\n" % RECONNECT_MILLISECONDS
        while not (gone.done() or self._closed):
            changed = self._changed
            await send({"type": "http.response.body", "body": retry + self._topic.event(), "more_body": True})
            retry = b""
            await self._next(changed, gone)
        await send({"type": "http.response.body", "body": b""})

    async def _next(self, changed: asyncio.Event, gone: asyncio.Task[None]) -> None:
        waiting = asyncio.create_task(changed.wait())
        try:
            await asyncio.wait({waiting, gone}, timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    def _notice(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()


HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
