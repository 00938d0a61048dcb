"""The board's addresses: the list, a page for each rollout, and the files that both use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from rollout.agenda import Kind
from rollout.model import Verb
from serving.access import PRESS, refusal
from serving.board import session
from serving.board.presses import Pressed, agree, press, presses, withheld
from serving.board.session import fields
from serving.board.shown import CHANGES, Shown
from serving.board.story import card, declared, page
from serving.control import Name
from serving.desk import Desk
from serving.keyring import CALLER, Keyring
from serving.refusals import StrictRoute
from serving.shapes import run_url
from state.credentials import Key, scope_of
from state.errors import RefusedError, UnknownError
from state.readings import all_buckets
from state.seen import Seen

NOSNIFF = {"X-Content-Type-Options": "nosniff"}
NOTHING: Mapping[str, str] = {}
SIGNED_OUT = "without a key the board reads only; make one with `sluice keys create`, then sign in"
__all__ = ["CHANGES", "routes"]
AHEAD, ENTRIES = 7, 20
"""Days of the agenda on the first page, and how many of its entries."""
SAID_ABOVE = str(Kind.INCIDENT)
KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
FILES = {
    file.name: (file.read_bytes(), KINDS[file.name.rpartition(".")[2]])
    for file in files("serving.board").joinpath("static").iterdir()
    if file.name.rpartition(".")[2] in KINDS
}


def routes(desk: Desk, keyring: Keyring) -> APIRouter:
    """Every page over one desk."""
    router, shown = APIRouter(route_class=StrictRoute, include_in_schema=False), Shown(desk.environment)
    router.include_router(session.routes(shown, keyring))

    @router.get("/")
    def rollouts(request: Request) -> Response:
        """Every rollout: those under way first, the newest first among each."""
        version, now = desk.store.pulse(), desk.clock.now()
        found = [desk.store.rollout(name) for name in reversed(desk.store.names())]
        cards = [card(one, now, run_url(desk.prefect, one)) for one in found]
        cards.sort(key=lambda one: one.status in {"completed", "reverted", "disabled", "aborted"})
        coming = [entry for entry in desk.agenda(AHEAD) if entry["what"] != SAID_ABOVE] if cards else []
        more = max(0, len(coming) - ENTRIES)
        ahead = coming[:ENTRIES]
        lasting = declared(desk.store.incidents(), now)
        values = {"cards": cards, "incidents": lasting, "agenda": ahead, "more": more, "days": AHEAD}
        return shown(request, "list.html", 200, version, **values)

    @router.get("/rollouts/{name}")
    def rollout(name: Name, request: Request, did: Annotated[int | None, Query(ge=0, lt=2**31)] = None) -> Response:
        """One rollout, whole; `did` is the revision that a press of this reader has just made."""
        return _rollout(desk, shown, request, name, did=did)

    @router.get("/board/{file}")
    def file(file: Annotated[str, Path()]) -> Response:
        """A script or style sheet."""
        if file not in FILES:
            raise UnknownError("file", file, FILES)
        content, kind = FILES[file]
        return Response(content, media_type=kind, headers={"Cache-Control": "max-age=3600", **NOSNIFF})

    _pressing(router, desk, shown)
    return router


def _pressing(router: APIRouter, desk: Desk, shown: Shown) -> None:
    @router.post(PRESS)
    async def pressed(name: Name, request: Request) -> Response:
        """Do what a signed-in person pressed, or show the page again with why not."""
        form, key = await fields(request), request.scope.get(CALLER)
        if key is None:
            raise HTTPException(403, SIGNED_OUT)
        try:
            revision = await run_in_threadpool(_pressed, desk, name, form, key)
        except RefusedError as refused:
            again = partial(_rollout, desk, shown, request, name, refused=str(refused), asked=form)
            return await run_in_threadpool(again)
        return RedirectResponse(f"/rollouts/{name}?did={revision}", 303)


def _rollout(
    desk: Desk,
    shown: Shown,
    request: Request,
    name: str,
    *,
    did: int | None = None,
    refused: str | None = None,
    asked: Mapping[str, str] = NOTHING,
) -> Response:
    """The page; after a refusal with what was `asked`, so that no reason has to be written twice."""
    version, now = desk.store.pulse(), desk.clock.now()
    found, journal = desk.store.rollout(name), desk.store.journal(name)
    buckets = all_buckets(desk.store, found.id)
    told = page(found, journal, buckets, now, run_url(desk.prefect, found))
    key: Key | None = request.scope.get(CALLER)
    mine = (entry for entry in journal if key is not None and entry.revision == did and entry.by == key.who)
    values = {"page": told, "card": told.card, "presses": presses(desk.store, found, key, now), "state": found.state}
    values["withheld"] = withheld(found, key, now)
    done = next((f"{entry.verb}: done, revision {entry.revision}" for entry in mine), None)
    said = {"done": done, "refused": refused, "asked": asked}
    return shown(request, "rollout.html", 409 if refused else 200, version, **values, **said)


def _pressed(desk: Desk, name: str, form: Mapping[str, str], key: Key) -> int:
    """Carry out a form; raises HTTPException for what no form of ours sends, RefusedError for what is late."""
    try:
        asked = Pressed.model_validate(form)
    except ValidationError as error:
        raise HTTPException(400, f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}") from error
    if why := refusal(key, scope_of(asked.verb)):
        raise HTTPException(403, why)
    if asked.verb is Verb.AMEND:
        return agree(desk, name, asked.digest, key, asked.reason.strip())
    seen = Seen(revision=asked.revision, question=asked.question)
    return press(desk, name, asked.verb, key, asked.reason.strip(), seen)
