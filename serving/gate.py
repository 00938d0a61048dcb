"""The door of the flag server: who asks is known before anything is answered, once there are keys."""

from __future__ import annotations

import asyncio
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote

from serving.access import SIGN_IN, Without, need, refusal
from serving.asgi import Answer, App, Message, Receive, Scope, Send, header, json_answer
from serving.keyring import CALLER, Keyring, Purpose
from serving.ofrep import SINGLE_PREFIX, TICKET, failure
from serving.stream import STREAM_PATH
from state.credentials import Key

COOKIE = "sluice"
STREAMS = frozenset({STREAM_PATH, "/board/changes"})
SAFE = frozenset({"GET", "HEAD"})
LOOK_SECONDS = 0.5
NO_KEY = "a key is needed: send `Authorization: Bearer …` or `X-API-Key`; `sluice keys create` makes one"
DEAD_KEY = "this key opens nothing here: it is misspelt, of another Sluice, or revoked"


def gated(keyring: Keyring, inner: App) -> App:
    """An application that answers only those whose key allows what they ask; everyone while no key is needed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not keyring.required:
            await inner(scope, receive, send)
            return
        wanted, key = need(scope["method"], scope["path"]), caller(keyring, scope)
        scope[CALLER] = key
        if wanted is not Without.KEY:
            if key is None:
                await _unknown(scope)(send)
                return
            if not isinstance(wanted, Without) and (why := refusal(key, wanted)):
                await _refused(scope, 403, why)(send)
                return
            keyring.used.add(key.prefix)
        if key is not None and scope["path"] in STREAMS:
            receive = _while_alive(keyring, key, receive)
        await inner(scope, receive, send)

    return app


def caller(keyring: Keyring, scope: Scope) -> Key | None:
    """Whose key a request carries: in its headers, in the address of a stream, or in a browser's session."""
    key = keyring.presented(scope)
    if key is None and scope["path"] == STREAM_PATH:
        return _ticketed(keyring, scope)
    return _signed_in(keyring, scope) if key is None else key


def _ticketed(keyring: Keyring, scope: Scope) -> Key | None:
    tickets = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(TICKET, [])
    return keyring.redeem(tickets[0], Purpose.STREAM) if tickets else None


def _signed_in(keyring: Keyring, scope: Scope) -> Key | None:
    """The session of a browser, for looking anywhere and for pressing where the page's own origin is named.

    Without an `Origin` a request that changes something does not come from a page of ours.
    """
    cookies = header(scope, b"cookie")
    if cookies is None or (scope["method"] not in SAFE and header(scope, b"origin") is None):
        return None
    try:
        found = SimpleCookie(cookies.decode("latin-1")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else keyring.redeem(found.value, Purpose.SESSION)


def _unknown(scope: Scope) -> Answer:
    page = b"text/html" in (header(scope, b"accept") or b"") and scope["method"] in SAFE
    if page:
        back = quote(scope["path"], safe="/")
        return Answer(303, b"", headers=[(b"location", f"{SIGN_IN}?next={back}".encode())])
    tried = header(scope, b"authorization") or header(scope, b"x-api-key")
    return _refused(scope, 401, DEAD_KEY if tried else NO_KEY, [(b"www-authenticate", b"Bearer")])


def _refused(scope: Scope, status: int, why: str, headers: list[tuple[bytes, bytes]] | None = None) -> Answer:
    path: str = scope["path"]
    if path.startswith("/ofrep/"):
        return failure(status, path[len(SINGLE_PREFIX) :] if path.startswith(SINGLE_PREFIX) else None, "GENERAL", why)
    return json_answer(status, {"error": why}, headers)


def _while_alive(keyring: Keyring, key: Key, receive: Receive) -> Receive:
    """Messages of a client for as long as its key is live: an open stream ends with the key that opened it."""

    async def waiting() -> Message:
        message = asyncio.ensure_future(receive())
        while not (await asyncio.wait({message}, timeout=LOOK_SECONDS))[0]:
            if not keyring.alive(key):
                message.cancel()
                return {"type": "http.disconnect"}
        return message.result()

    return waiting
