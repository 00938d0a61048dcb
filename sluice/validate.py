"""`sluice validate`: every problem of plan files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice import plan_files, render
from sluice.errors import RefusedError
from sluice.options import AsJson, settings
from sluice.sources import known


def validate(
    files: Annotated[list[Path], typer.Argument(help="Plan files.", show_default=False)],
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Sources and channels that are not configured here only warn.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check plan files: every problem with its line and its remedy. Exit 1 on any error."""
    here = known(settings(), offline=offline)
    found = [plan_files.validated(file, here) for file in files]
    if as_json:
        typer.echo(render.as_json(found))
    for entry in () if as_json else found:
        for line in plan_files.problem_lines(entry):
            typer.echo(line, err=True)
        if entry["ok"]:
            typer.echo(f"{entry['file']}: ok")
    if not all(entry["ok"] for entry in found):
        raise typer.Exit(RefusedError.code)
