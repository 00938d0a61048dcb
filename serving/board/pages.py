"""The board's addresses: the list, a page for each rollout, and the files that both use."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from serving.board.story import card, page
from serving.control import Name
from serving.desk import Desk
from serving.refusals import StrictRoute
from serving.shapes import run_url
from state.buckets import read_buckets
from state.errors import UnknownError

CHANGES = "/board/changes"
SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
FILES = {
    file.name: (file.read_bytes(), KINDS[file.name.rpartition(".")[2]])
    for file in files("serving.board").joinpath("static").iterdir()
    if file.name.rpartition(".")[2] in KINDS
}


def routes(desk: Desk) -> APIRouter:
    """Every page over one desk."""
    router = APIRouter(route_class=StrictRoute, include_in_schema=False)
    templates = Environment(
        loader=PackageLoader("serving.board"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )

    def shown(template: str, version: str, **values: object) -> HTMLResponse:
        values |= {"environment": desk.environment, "changes": CHANGES, "version": version}
        return HTMLResponse(templates.get_template(template).render(values), headers=SAFE)

    @router.get("/")
    def rollouts() -> HTMLResponse:
        """Every rollout: those under way first, the newest first among each."""
        version, now = desk.store.pulse(), desk.clock.now()
        found = [desk.store.rollout(name) for name in reversed(desk.store.names())]
        cards = [card(one, now, run_url(desk.prefect, one)) for one in found]
        cards.sort(key=lambda one: one.status in {"completed", "reverted", "disabled", "aborted"})
        return shown("list.html", version, cards=cards)

    @router.get("/rollouts/{name}")
    def rollout(name: Name) -> HTMLResponse:
        """One rollout, whole."""
        version, now = desk.store.pulse(), desk.clock.now()
        found = desk.store.rollout(name)
        buckets = read_buckets(desk.store, {found.id: None})[found.id]
        told = page(found, desk.store.journal(name), buckets, now, run_url(desk.prefect, found))
        return shown("rollout.html", version, page=told, card=told.card)

    @router.get("/board/{file}")
    def file(file: Annotated[str, Path()]) -> Response:
        """A script or style sheet."""
        if file not in FILES:
            raise UnknownError("file", file, FILES)
        content, kind = FILES[file]
        return Response(content, media_type=kind, headers={"Cache-Control": "max-age=3600", **NOSNIFF})

    return router


NOSNIFF = {"X-Content-Type-Options": "nosniff"}
