"""The few lines of ASGI that the hot paths need: a bounded body in, a prepared answer out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MAX_BODY = 1024 * 1024
JSON = b"application/json"
NOT_MODIFIED = 304
BAD_REQUEST = 400


class BodyTooLargeError(Exception):
    """A body is over 1 MiB; send less at a time."""


class ClientGoneError(Exception):
    """The client hung up before its request was complete."""


class Answer:
    """A response made once and sent often; a 304 describes no content."""

    __slots__ = ("body", "failed", "start")

    def __init__(self, status: int, body: bytes, kind: bytes = JSON, headers: Headers | None = None) -> None:
        length = (b"content-length", b"%d" % len(body))
        content = [] if status == NOT_MODIFIED else [(b"content-type", kind), length]
        self.failed = status >= BAD_REQUEST
        self.start: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": [*content, *(headers or [])],
        }
        self.body: Message = {"type": "http.response.body", "body": body}

    async def __call__(self, send: Send) -> None:
        """Send both messages."""
        await send(self.start)
        await send(self.body)


def json_answer(status: int, content: Mapping[str, Any], headers: Headers | None = None) -> Answer:
    """A JSON response made on the spot."""
    return Answer(status, orjson.dumps(content), headers=headers)


async def read_body(receive: Receive) -> bytes:
    """The whole request body; raises BodyTooLargeError over 1 MiB and ClientGoneError where the client hung up."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            break
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    if len(body) > MAX_BODY:
        raise BodyTooLargeError
    return body


def header(scope: Scope, name: bytes) -> bytes | None:
    """A request header by its lower-case name."""
    return next((value for key, value in scope["headers"] if key == name), None)
