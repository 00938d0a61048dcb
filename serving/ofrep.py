"""OFREP 0.3.0 over the flag set: single and bulk evaluation, as real providers read them.

Nothing here waits for a store: an evaluation is a look-up, a hash and two prepared messages. Every error carries `key`,
`errorCode` and `errorDetails`, because providers raise on their absence. Nothing is ever answered with 429 or 5xx.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import mmh3
import orjson

from rollout.exposure import UnitMissingError
from serving.asgi import (
    MAX_BODY,
    Answer,
    App,
    BodyTooLargeError,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    header,
    json_answer,
    read_body,
)
from serving.flags import FlagSet, Snapshot
from serving.keyring import CALLER, Keyring, Purpose
from serving.stream import STREAM_PATH, Streams
from state.credentials import Key

FLAGS_PATH = "/ofrep/v1/evaluate/flags"
SINGLE_PREFIX = FLAGS_PATH + "/"
INACTIVITY_SECONDS = 120
TICKET = "ticket"

Context = tuple[str | None, dict[str, Any]]


@dataclass(slots=True)
class Tally:
    """How much was asked and reported since the start, for `/metrics`."""

    single: int = 0
    bulk: int = 0
    unchanged: int = 0
    failed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


class ContextError(Exception):
    """A body that no evaluation context can be read from."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code = code


def ofrep_app(
    flags: FlagSet, streams: Streams | None = None, tally: Tally | None = None, keyring: Keyring | None = None
) -> App:
    """An ASGI application that serves a flag set over OFREP; it needs no store.

    With a keyring the address of the event stream carries a ticket, because browsers send no header there.
    """
    counts = tally or Tally()
    events = streams or Streams(flags)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == STREAM_PATH:
            await events(scope, receive, send)
            return
        try:
            answer = await _answer(flags.snapshot, counts, scope, receive, keyring)
        except ClientGoneError:
            return
        counts.failed += answer.failed
        await answer(send)

    return app


def read_context(body: bytes) -> Context:
    """Targeting key and attributes of a request; raises ContextError where the body is not an evaluation request."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ContextError("PARSE_ERROR", f"the body is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise ContextError("PARSE_ERROR", 'the body must be an object: {"context": {...}}')
    context = request.get("context")
    if context is None:
        return None, {}
    if not isinstance(context, dict):
        raise ContextError("INVALID_CONTEXT", "context must be an object")
    key = context.get("targetingKey")
    if key is not None and not isinstance(key, str):
        raise ContextError("INVALID_CONTEXT", "targetingKey must be a string")
    return key, context


def failure(status: int, key: str | None, code: str, details: str) -> Answer:
    """An OFREP error."""
    named = {} if key is None else {"key": key}
    return json_answer(status, {**named, "errorCode": code, "errorDetails": details})


async def _answer(snapshot: Snapshot, tally: Tally, scope: Scope, receive: Receive, keyring: Keyring | None) -> Answer:
    path: str = scope["path"]
    single = path.startswith(SINGLE_PREFIX)
    if not single and path != FLAGS_PATH:
        return json_answer(404, {"error": f"there is nothing at {path}"})
    if scope["method"] != "POST":
        return json_answer(405, {"error": "evaluations are POST requests"}, [(b"allow", b"POST")])
    key = path[len(SINGLE_PREFIX) :] if single else None
    try:
        body = await read_body(receive)
        return _bulk(snapshot, tally, scope, body, keyring) if key is None else _single(snapshot, tally, key, body)
    except BodyTooLargeError:
        return failure(413, key, "GENERAL", f"the body is over {MAX_BODY} bytes")
    except ContextError as error:
        return failure(400, key, error.code, str(error))


def _single(snapshot: Snapshot, tally: Tally, key: str, body: bytes) -> Answer:
    tally.single += 1
    single = snapshot.singles.get(key)
    if single is None:
        return failure(404, key, "FLAG_NOT_FOUND", f"there is no flag {key!r}")
    targeting_key, attributes = read_context(body)
    try:
        return single.choose(targeting_key, attributes)
    except UnitMissingError:
        return single.missing


def _bulk(snapshot: Snapshot, tally: Tally, scope: Scope, body: bytes, keyring: Keyring | None) -> Answer:
    """Every flag for one context; the entity tag is of (flag-set version, request), so that a 304 evaluates nothing."""
    tally.bulk += 1
    tag = b'"%s-%s"' % (snapshot.tag.encode(), mmh3.hash_bytes(body).hex().encode())
    if _names(header(scope, b"if-none-match"), tag):
        tally.unchanged += 1
        return Answer(304, b"", headers=[(b"etag", tag)])
    results = b",".join(_evaluate_all(snapshot, read_context(body)))
    return Answer(
        200, b'{"flags":[' + results + _tail(snapshot.tag, _stream_of(scope, keyring)), headers=[(b"etag", tag)]
    )


def _evaluate_all(snapshot: Snapshot, context: Context) -> Iterator[bytes]:
    for served in snapshot.served.values():
        try:
            yield served.bulk(*context)
        except UnitMissingError:
            yield served.bulk_missing


def _names(if_none_match: bytes | None, tag: bytes) -> bool:
    """Whether a conditional request already has what the tag names (RFC 9110, 13.1.2: weak comparison)."""
    if if_none_match is None:
        return False
    return any(one.strip().removeprefix(b"W/") == tag for one in if_none_match.split(b","))


def _stream_of(scope: Scope, keyring: Keyring | None) -> str:
    key: Key | None = scope.get(CALLER)
    if key is None or keyring is None:
        return STREAM_PATH
    return f"{STREAM_PATH}?{TICKET}={keyring.ticket(key, Purpose.STREAM)}"


def _tail(version: str, stream_uri: str) -> bytes:
    stream = {
        "type": "sse",
        "endpoint": {"requestUri": stream_uri},
        "inactivityDelaySec": INACTIVITY_SECONDS,
    }
    return b"]," + orjson.dumps({"eventStreams": [stream], "metadata": {"version": version}})[1:]
