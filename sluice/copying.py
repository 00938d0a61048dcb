"""`new`: a plan to edit, copied from a rollout that was or from one of the plans that come with Sluice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

import plans
from plans.copying import copied
from plans.load import check
from sluice import render
from sluice.access import client
from sluice.errors import RefusedError, UnreachableError
from sluice.options import AsJson, Data, Server, emit, settings
from sluice.sources import known
from state.errors import UnknownError

EXAMPLES = Path(plans.__file__).with_name("examples")


def new(
    file: Annotated[Path, typer.Argument(help="The plan file to write; never one that exists.", show_default=False)],
    *,
    source: Annotated[
        str, typer.Option("--from", help="A rollout's name, or one of the plans that come along.", show_default=False)
    ],
    name: Annotated[
        str | None, typer.Option(help="The new plan's name (default: the file's).", show_default=False)
    ] = None,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Copy a plan under a new name, comments and all, ready to be edited.

    Plans that come along: ab-test, case-law, first-launch, llm, minimal, tune.
    """
    if file.exists():
        raise RefusedError(f"{file} is there already; nothing was written: name a file that is not")
    called = name or file.stem
    copy = copied(_text(source, data, server), called, datetime.now(UTC))
    _, problems = check(copy.text, str(file), known(settings(data=data), offline=True))
    _write(file, copy.text)
    warned = [str(problem) for problem in problems]
    told = {"file": str(file), "name": called, "from": source, "changes": list(copy.told), "warnings": warned}
    lines = [("written", str(file)), *(("", change) for change in copy.told), *(("warning", one) for one in warned)]
    emit(told, render.pairs(lines), as_json=as_json)


def _text(source: str, data: Path | None, server: str | None) -> str:
    """The text to copy: that of a rollout, else of a plan that comes along."""
    example = EXAMPLES / f"{source}.yaml"
    shipped = sorted(one.stem for one in EXAMPLES.glob("*.yaml"))
    try:
        with client(data, server) as sluice:
            return sluice.plan_text(source)
    except (UnreachableError, UnknownError, RefusedError) as error:
        if source in shipped:
            return example.read_text(encoding="utf-8")
        raise RefusedError(f"{error}; plans that come along: {', '.join(shipped)}") from None


def _write(file: Path, text: str) -> None:
    """Write a file that is not there yet, even if somebody makes it at this moment."""
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise RefusedError(f"{file}: cannot be written: {error.strerror or error}") from None
