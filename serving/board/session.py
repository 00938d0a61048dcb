"""Signing in to the board: a key pasted once becomes a cookie that no script can read and no other site can send."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from serving.access import SIGN_IN, SIGN_OUT
from serving.board.shown import Shown
from serving.gate import COOKIE
from serving.keyring import LASTS, Keyring, Purpose
from serving.refusals import StrictRoute
from state.credentials import Scope

HOME = "/"
UNKNOWN = "This key opens nothing here: it is misspelt, of another Sluice, or revoked."
BLIND = "This key cannot look at rollouts; ask for one with rollouts:read."


def routes(shown: Shown, keyring: Keyring) -> APIRouter:
    """The way in and the way out."""
    router = APIRouter(route_class=StrictRoute, include_in_schema=False)

    @router.get(SIGN_IN)
    def ask(request: Request, to: Annotated[str, Query(alias="next", max_length=500)] = HOME) -> Response:
        """The form that takes a key."""
        return shown(request, "sign-in.html", next=_own(to), wrong=None, open=not keyring.required)

    @router.post(SIGN_IN)
    async def enter(request: Request) -> Response:
        """A key for a cookie, or the form again."""
        form = await fields(request)
        to, key = _own(form.get("next", HOME)), keyring.holder(form.get("key", "").strip().encode())
        if key is None or not key.may(Scope.ROLLOUTS_READ):
            wrong = UNKNOWN if key is None else BLIND
            return shown(request, "sign-in.html", 403, next=to, wrong=wrong, open=not keyring.required)
        answer = RedirectResponse(to, 303)
        _give(answer, request, keyring.ticket(key, Purpose.SESSION), LASTS[Purpose.SESSION])
        return answer

    @router.post(SIGN_OUT)
    def leave(request: Request) -> Response:
        """The cookie taken back."""
        answer = RedirectResponse(SIGN_IN, 303)
        _give(answer, request, "", 0)
        return answer

    return router


async def fields(request: Request) -> dict[str, str]:
    """The fields of a form, each once."""
    found = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in found.items()}


def _own(to: str) -> str:
    """An address on this server; home for anything else."""
    parts = urlsplit(to) if "\\" not in to else None
    own = parts is not None and not parts.scheme and not parts.netloc and to.startswith("/") and to[1:2] != "/"
    return to if own and to.isprintable() else HOME


def _give(answer: Response, request: Request, ticket: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, ticket, max_age=seconds, httponly=True, samesite="strict", secure=secure)
