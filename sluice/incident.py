"""`sluice incident`: an outage that everybody shares is declared, ended, listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from sluice import completion, render
from sluice.access import client
from sluice.options import AsJson, By, Data, Reason, Server, emit, person


def start(
    *,
    reason: Annotated[str, typer.Option(help="What has happened; kept in the journal.", show_default=False)],
    length: Annotated[
        str, typer.Option("--for", help="How long, 30d at most; it ends by itself.", metavar="2h", show_default=False)
    ],
    flag: Annotated[
        list[str] | None,
        typer.Option(
            help="A flag that it is about; more than once for several (default: all flags).",
            show_default=False,
            autocompletion=completion.flags,
        ),
    ] = None,
    by: By = None,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Declare an incident: until it is over nothing grows.

    Criteria against a fixed limit or a frozen rate leave out what is counted
    meanwhile; ratios to a live control still revert. Abort, kill, hold and
    every revert work as ever.
    """
    with client(data, server) as sluice:
        result = sluice.start_incident(length, flag or (), person(by), reason)
    _show(result, as_json=as_json)


def end(
    number: Annotated[
        int | None, typer.Argument(help="Which one (default: the one that lasts).", show_default=False, min=1)
    ] = None,
    *,
    by: By = None,
    reason: Reason = "",
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """End an incident before its time: rollouts go on from their next look."""
    with client(data, server) as sluice:
        result = sluice.end_incident(number, person(by), reason)
    _show(result, as_json=as_json)


def list_(*, data: Data = None, server: Server = None, as_json: AsJson = False) -> None:
    """Every incident ever declared, oldest first."""
    with client(data, server) as sluice:
        found = sluice.incidents()
    nothing = render.pairs([("no incidents", "sluice incident start --reason … --for 2h declares one")])
    emit(found, Group(*(line for one in found for line in _lines(one))) if found else nothing, as_json=as_json)


INCIDENT = (("start", start), ("end", end), ("list", list_))


def _show(result: render.Json, *, as_json: bool) -> None:
    told = [
        (f"incident {result['number']}", "in force" if result["in_force"] else "over"),
        ("about", _about(result)),
        ("until", f"{render.instant(result['until'])} UTC"),
        ("effect", result["effect"]),
    ]
    emit(result, render.pairs(told), as_json=as_json)


def _lines(one: render.Json) -> Iterator[Text]:
    """Which and about what, then from when to when and by whom, then why."""
    state = ("in force", "yellow") if one["in_force"] else ("over", "dim")
    yield Text.assemble((f"incident {one['number']}", "bold"), f"  {_about(one)}  ", state)
    ended = f", ended by {one['ended_by']}" if one["ended_by"] else ""
    span = f"{render.instant(one['since'])} until {render.instant(one['until'])} UTC"
    yield Text(f"  {span}, by {one['by']}{ended}", "dim")
    yield Text(f"  {one['reason']}")


def _about(one: render.Json) -> str:
    return ", ".join(one["flags"]) or "all flags"
