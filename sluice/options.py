"""The options that commands share, and what they stand for."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from sluice import completion, render
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
Check = Annotated[bool, typer.Option("--check", help="Say what it would do, and do nothing.")]
Revision = Annotated[
    int | None,
    typer.Option(help="The revision you looked at; refused if it has moved on.", show_default=False),
]
Name = Annotated[
    str, typer.Argument(help="The rollout's name.", show_default=False, autocompletion=completion.rollouts)
]
Flag = Annotated[str, typer.Argument(help="The flag's key.", show_default=False, autocompletion=completion.flags)]
PlanFile = Annotated[Path, typer.Argument(help="A plan file.", show_default=False)]

Port = Annotated[int | None, typer.Option(help="Port of the flag server (default: 8800).", show_default=False)]
PrefectPort = Annotated[
    int | None, typer.Option(help="Port of Prefect's server and UI (default: 4200).", show_default=False)
]


def settings(**options: Any) -> Settings:
    """The settings in force for a command."""
    return read(os.environ, **options)


def person(by: str | None) -> str:
    """Who asks: the name given, else the person of the key in force (then empty), else the login on this machine."""
    return by or ("" if settings().key else login())


def login() -> str:
    """Who is logged in on this machine."""
    return getpass.getuser()


def emit(value: Any, rendered: Any, *, as_json: bool) -> None:
    """Print a result as JSON, or as people read it."""
    if as_json:
        typer.echo(render.as_json(value))
    else:
        render.console().print(rendered)
