"""The flag server as one ASGI application: guard first, the hot paths by name, everything else on FastAPI."""

from __future__ import annotations

from collections.abc import Callable

from serving.access import takes_form
from serving.asgi import (
    MAX_BODY,
    App,
    BodyTooLargeError,
    ClientGoneError,
    Message,
    Receive,
    Scope,
    Send,
    json_answer,
    read_body,
)
from serving.guard import BODIES, FORM, Guard, media_type

TRACK_PATH = "/v1/track"
OFREP = "/ofrep/"
WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def routed(guard: Guard, ofrep: App, track: App, control: App) -> App:
    """Requests to where they belong, once the guard has let them in."""
    checked_track, checked_control = checked(track), checked(control)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if objection := guard.foreign(scope):
            await json_answer(403, {"error": objection})(send)
        elif path.startswith(OFREP):
            await ofrep(scope, receive, send)
        elif path == TRACK_PATH:
            await checked_track(scope, receive, send)
        else:
            await checked_control(scope, receive, send)

    return app


def checked(inner: App) -> App:
    """An application that sees only complete bodies of at most 1 MiB: JSON or YAML, on the board's own paths forms."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in WITH_BODY:
            await inner(scope, receive, send)
            return
        if media_type(scope) not in (FORM if takes_form(scope["path"]) else BODIES):
            await json_answer(415, {"error": "send application/json or application/yaml"})(send)
            return
        try:
            body = await read_body(receive)
        except BodyTooLargeError:
            await json_answer(413, {"error": f"the body is over {MAX_BODY} bytes"})(send)
        except ClientGoneError:
            return
        else:
            await inner(scope, _replay(body, receive), send)

    return app


def beside(path: str, one: App, rest: App) -> App:
    """An application with another one at a path of its own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (one if scope["path"] == path else rest)(scope, receive, send)

    return app


def with_lifespan(app: App, start: Callable[[], None], stop: Callable[[], None]) -> App:
    """An application with something that runs beside it, from before the first request to after the last."""

    async def alive(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        while (message := await receive())["type"] != "lifespan.shutdown":
            start()
            await send({"type": f"{message['type']}.complete"})
        stop()
        await send({"type": "lifespan.shutdown.complete"})

    return alive


def _replay(body: bytes, receive: Receive) -> Receive:
    message: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return message.pop() if message else await receive()

    return again
