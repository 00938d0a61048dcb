"""Templates made into pages, each saying who is signed in."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from serving.keyring import CALLER
from state.credentials import Key

CHANGES = "/board/changes"
SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Shown:
    """The board's templates; `environment` is what this installation is called."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self._templates = Environment(
            loader=PackageLoader("serving.board"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    def __call__(
        self, request: Request, template: str, status: int = 200, version: str = "", **values: object
    ) -> HTMLResponse:
        """A page; `version` is what it shows, so that it knows when to fetch itself again."""
        key: Key | None = request.scope.get(CALLER)
        values |= {"environment": self._environment, "changes": CHANGES, "version": version, "me": key and key.who}
        return HTMLResponse(self._templates.get_template(template).render(values), status, SAFE)
