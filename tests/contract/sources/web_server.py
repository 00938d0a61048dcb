"""A web server that answers as it is told to, honestly or not."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.contract.sources.history import WORDS, between

Behaviour = Callable[["Handler"], None]


@dataclass
class WebServer:
    """Its address, what it does with the next requests, and the headers of those it had, by path."""

    url: str = ""
    behaviour: Behaviour = lambda _handler: None
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    told: WebServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Note who asks, and behave."""
        self.told.seen.append((urlsplit(self.path).path, dict(self.headers)))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.told.behaviour(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_POST = do_GET  # noqa: N815 - the name that the standard library calls

    def log_message(self, *_words: object) -> None:
        """Say nothing."""

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self) -> None:
        """An answer that ends when the connection does."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True


@contextmanager
def web_server() -> Iterator[WebServer]:
    """A server on loopback."""
    told = WebServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"told": told}))
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield told
    finally:
        told.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def history(handler: Handler) -> None:
    """The counts of the window that was asked for."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
    since, until = (datetime.fromisoformat(asked[name]) for name in ("since", "until"))
    counts = {word: between(since, until, asked["variant"], word) for word in WORDS}
    handler.send(orjson.dumps({"counts": counts, "complete": asked["until"]}))


def sends(body: Any, status: int = 200, **headers: str) -> Behaviour:
    """Always the same, as JSON where it is not bytes."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return lambda handler: handler.send(raw, status, **headers)


def drips(handler: Handler) -> None:
    """A byte now and then, each in time for a timeout that looks at single reads, for ever."""
    handler.begin()
    while not handler.told.over.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def never_ends(handler: Handler) -> None:
    """As much as is taken."""
    handler.begin()
    while not handler.told.over.is_set():
        handler.wfile.write(b" " * 65_536)


BOMB = gzip.compress(b'{"counts":{"request":' + b" " * 10_000_000 + b"1}}")
