"""The options that commands share, and what they stand for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sluice import render
from sluice.client import Client, open_client
from sluice.errors import UnreachableError
from sluice.local import Local, login
from sluice.settings import Settings, read

WHERE = "Where to find Sluice"

Data = Annotated[
    Path | None,
    typer.Option(help="Data folder (env: SLUICE_DATA; default: .sluice).", show_default=False, rich_help_panel=WHERE),
]
Server = Annotated[
    str | None,
    typer.Option(
        help="Talk to this flag server instead (env: SLUICE_SERVER).", show_default=False, rich_help_panel=WHERE
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[
    str | None,
    typer.Option(help="Who asks; kept in the journal (default: your login).", show_default=False),
]
Reason = Annotated[str, typer.Option(help="Why; kept in the journal.", show_default=False)]
Revision = Annotated[
    int | None,
    typer.Option(help="The revision you looked at; refused if it has moved on.", show_default=False),
]
Name = Annotated[str, typer.Argument(help="The rollout's name.", show_default=False)]
Flag = Annotated[str, typer.Argument(help="The flag's key.", show_default=False)]
PlanFile = Annotated[Path, typer.Argument(help="A plan file.", show_default=False)]


def settings(**options: Any) -> Settings:
    """The settings in force for a command."""
    return read(os.environ, **options)


@contextmanager
def client(data: Path | None, server: str | None) -> Iterator[Client]:
    """Whom the command talks to, for as long as it does: the data folder or a server."""
    opened = open_client(settings(data=data, server=server))
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def here(data: Path | None) -> Iterator[Local]:
    """The data folder or database of this machine, for what reads more of it than a server tells."""
    found = settings(data=data)
    if not found.database_url and not found.data.is_dir():
        raise UnreachableError(f"no data folder at {found.data}; name one with --data, or set SLUICE_DATABASE_URL")
    desk = Local.open(found)
    try:
        yield desk
    finally:
        desk.close()


def person(by: str | None) -> str:
    """Who asks: the name given, else the person of the key in force (then empty), else the login on this machine."""
    return by or ("" if settings().key else login())


def emit(value: Any, rendered: Any, *, as_json: bool) -> None:
    """Print a result as JSON, or as people read it."""
    if as_json:
        typer.echo(render.as_json(value))
    else:
        render.console().print(rendered)
