"""A client for raw ASGI applications."""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from serving.asgi import App, Message

LOOPBACK = {"host": "127.0.0.1:8800", "content-type": "application/json"}


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


async def request(app: App, method: str, path: str, body: bytes, headers: dict[str, str], query: str = "") -> Response:
    """One request through the ASGI interface, its body in one piece."""
    sent: list[Message] = []
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "server": ("127.0.0.1", 8800),
        "client": ("127.0.0.1", 50000),
        "headers": [(k.encode(), v.encode()) for k, v in (LOOPBACK | headers).items()],
    }
    await app(scope, receive, send)
    found = {k.decode(): v.decode() for k, v in sent[0].get("headers", [])}
    return Response(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


def call(app: App, method: str, path: str, body: object = b"", query: str = "", **headers: str) -> Response:
    """One request and its answer; a body that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(asyncio.wait_for(request(app, method, path, raw, named, query), 30))
