"""The commands that say who may do what: keys made, listed, revoked. They work on the data folder or database alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from sluice import render
from sluice.errors import UsageError
from sluice.options import AsJson, By, Data, emit, login, settings
from state.clock import wall
from state.codes import enrolment
from state.credentials import Key, Scope
from state.database import connect, migrate, open_folder, sqlite_url
from state.store import Store

PROCESS = "cli"
EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+")
LONGEST = 80
IN_FORMS = (Scope.ROLLOUTS_APPROVE, Scope.ROLLOUTS_SUBMIT)
"""What Prefect's forms take a code for."""
ONCE = "The key, shown this once: store it now."
FOR_CODES = "For an authenticator app, whose codes Prefect's forms take; shown this once:"
NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]*")

Name = Annotated[str, typer.Argument(help="What the key is called, for example ci or ana-laptop.", show_default=False)]


def create(
    name: Name,
    *,
    scope: Annotated[list[Scope], typer.Option(help="What it allows; give it more than once.", show_default=False)],
    person: Annotated[
        str | None,
        typer.Option(help="The e-mail address of whoever holds it (default: a service).", show_default=False),
    ] = None,
    by: By = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, this once.

    From the first key on everything but /healthz asks for one, on loopback too.
    """
    _checked(name, person)
    with _store(data) as store:
        key, secret = store.create_key(name, person, scope, by or login(), wall())
        device = enrolment(store.enrol(key), person) if person and any(map(key.may, IN_FORMS)) else None
    emit(_json(key) | {"secret": secret, "enrolment": device}, render.pairs(_about(key)), as_json=as_json)
    if not as_json:
        _show_once(secret, device)


def list_(*, data: Data = None, as_json: AsJson = False) -> None:
    """Every key that was ever made, revoked ones too; never a secret."""
    with _store(data) as store:
        found = store.keys()
    nothing = render.pairs([("no keys yet", "on loopback everything is open; sluice keys create makes one")])
    emit([_json(key) for key in found], _table(found) if found else nothing, as_json=as_json)


def revoke(
    name: Annotated[str, typer.Argument(help="The key's name or prefix.", show_default=False)],
    *,
    by: By = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """End a key, in force everywhere within a second."""
    with _store(data) as store:
        key = store.revoke_key(name, by or login(), wall())
        left = len(store.live_keys())
    rest = f"{left} live key{'' if left == 1 else 's'} left" if left else "no live key is left: loopback is open again"
    emit(_json(key) | {"live": left}, render.pairs([(key.name, "revoked"), ("effect", rest)]), as_json=as_json)


KEYS = (("create", create), ("list", list_), ("revoke", revoke))


@contextmanager
def _store(data: Path | None) -> Iterator[Store]:
    """The store itself, made where it is missing: the first key comes before the first start elsewhere."""
    found = settings(data=data)
    engine = connect(found.database_url or sqlite_url(open_folder(found.data)))
    try:
        migrate(engine)
        yield Store(engine, PROCESS)
    finally:
        engine.dispose()


def _show_once(secret: str, device: str | None) -> None:
    """Each on a line of its own that is never broken: people copy it."""
    console = render.console()
    for words, value in ((ONCE, secret), (FOR_CODES, device)):
        if value is not None:
            console.print(f"\n{words}")
            console.print(value, soft_wrap=True, markup=False, highlight=False)


def _checked(name: str, person: str | None) -> None:
    if len(name) > LONGEST or not NAMED.fullmatch(name):
        raise UsageError(f"{name!r} does not name a key; write up to {LONGEST} letters, digits, `.`, `_`, `-`, `@`")
    if person is not None and not EMAIL.fullmatch(person):
        raise UsageError(f"--person {person!r} is not an e-mail address; plans name their approvers by those")


def _about(key: Key) -> Sequence[tuple[str, str]]:
    return (
        ("name", key.name),
        ("held by", key.who),
        ("scopes", " ".join(_scopes(key))),
    )


def _scopes(key: Key) -> list[str]:
    return [str(scope) for scope in Scope if scope in key.scopes]


def _table(keys: Sequence[Key]) -> Any:
    table = render.plain_table("prefix", "name", "held by", "scopes", "last used (UTC)")
    for key in keys:
        used = "revoked" if key.revoked else f"{key.last_used:%d %b %Y %H h}" if key.last_used else "never"
        table.add_row(key.prefix, key.name, key.who, "\n".join(_scopes(key)), used)
    return table


def _json(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "prefix": key.prefix,
        "kind": "person" if key.person else "service",
        "person": key.person,
        "scopes": _scopes(key),
        "created": _iso(key.created),
        "created_by": key.created_by,
        "revoked": _iso(key.revoked),
        "revoked_by": key.revoked_by,
        "last_used": _iso(key.last_used),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
