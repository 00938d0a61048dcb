"""`sluice agenda`: what changes when, over all rollouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from serving.calendar import calendar
from sluice import render
from sluice.access import client
from sluice.errors import RefusedError
from sluice.options import AsJson, Data, Server, emit

WEEK = 7
HINGES = {"approval": "if approved", "numbers": "if the numbers allow"}
STYLES = {"approval": "yellow", "held": "yellow", "freeze": "cyan"}


def agenda(
    *,
    days: Annotated[int, typer.Option(min=1, max=366, help="How far to look ahead.")] = WEEK,
    ics: Annotated[
        Path | None, typer.Option(help="Write it into this calendar file as well.", show_default=False)
    ] = None,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """What changes when over all rollouts, approvals that are due, and freezes.

    Times are in each plan's own zone. Calendars can subscribe to
    /v1/agenda.ics of the flag server instead.
    """
    with client(data, server) as sluice:
        entries = sluice.agenda(days)
    if ics is not None:
        _write(ics, calendar(entries, datetime.now(UTC)))
    emit(entries, shown(entries, days), as_json=as_json)


def shown(entries: Sequence[render.Json], days: int) -> Group:
    """The entries by day, readable at 80 columns."""
    if not entries:
        return Group(Text(f"nothing in the next {days} day{'' if days == 1 else 's'}", "dim"))
    return Group(*(line for entry in entries for line in _lines(entry)))


def _lines(entry: render.Json) -> Iterator[Text]:
    """When and whose, then what, then what it hinges on."""
    when = "now" if entry["waiting"] else entry["local"]
    place = "" if entry["zone"] == "UTC" else f" {entry['zone']}"
    yield Text.assemble((when, "bold"), (place, "dim"), f"  {entry['rollout']}")
    yield Text(f"  {entry['text']}", STYLES.get(entry["what"], ""))
    note = " · ".join(filter(None, (HINGES.get(entry["hinges"]), entry["note"])))
    if note:
        yield Text(f"  {note}", "dim")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise RefusedError(f"{path}: cannot be written: {error.strerror}") from error
