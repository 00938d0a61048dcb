"""The commands that hand a rollout in and look at it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live

from sluice import render
from sluice.access import client
from sluice.journal_forms import Format, as_csv, as_markdown
from sluice.options import AsJson, By, Check, Data, Name, PlanFile, Reason, Server, emit, person
from sluice.plan_files import read_text

if TYPE_CHECKING:
    from sluice.client import Client

RUN_PATIENCE = 10.0
"""Seconds that `submit` waits for the rollout's Prefect run."""
POLL = 0.25
REFRESH = 1.0


def submit(
    file: PlanFile,
    *,
    by: By = None,
    reason: Reason = "",
    check: Check = False,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Hand in a plan: from here on Sluice runs it.

    The same plan again is the same rollout. A changed plan needs a new name.
    """
    with client(data, server) as sluice:
        result = sluice.submit(read_text(file), str(file), person(by), reason, check=check)
        if not check:
            result = _with_run(sluice, result)
    emit(result, render.pairs(_submitted(result, check=check)), as_json=as_json)


def list_(*, data: Data = None, server: Server = None, as_json: AsJson = False) -> None:
    """All rollouts, one line each."""
    with client(data, server) as sluice:
        found = sluice.rollouts()
    nothing = render.pairs([("no rollouts yet", "sluice submit PLAN hands one in")])
    emit(found, render.rollouts(found) if found else nothing, as_json=as_json)


def status(
    name: Name,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it until Ctrl-C.")] = False,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Where a rollout stands, what comes next, what stands in the way, and each criterion with its numbers."""
    with client(data, server) as sluice:
        if watch:
            _watch(sluice, name)
        found = sluice.rollout(name)
    emit(found, render.status(found), as_json=as_json)


def history(
    name: Name,
    *,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Everything that has happened to a rollout, by whom and why.

    `md` is ready for a post-mortem, `csv` for a spreadsheet: a row per
    transition with its numbers.
    """
    with client(data, server) as sluice:
        entries = sluice.history(name)
        head = sluice.head()
    if form is Format.MD and not as_json:
        typer.echo(as_markdown(name, entries, head), nl=False)
    elif form is Format.CSV and not as_json:
        typer.echo(as_csv(entries), nl=False)
    else:
        emit(entries, render.history(entries), as_json=as_json or form is Format.JSON)


def _submitted(result: render.Json, *, check: bool) -> list[tuple[str, str]]:
    news = "would be a new rollout" if check else ("new rollout" if result["created"] else "already there")
    told = [(result["name"], news), ("digest", result["digest"]), ("effect", result["effect"])]
    return told + [(label, str(result[key])) for label, key in (("prefect", "url"),) if result[key]]


def _with_run(sluice: Client, result: dict[str, Any]) -> dict[str, Any]:
    """The result with the Prefect run, once the supervisor has made it."""
    deadline = time.monotonic() + RUN_PATIENCE
    while result["prefect_run"] is None and sluice.supervised() and time.monotonic() < deadline:
        time.sleep(POLL)
        result = result | sluice.run_of(result["name"])
    return result


def _watch(sluice: Client, name: str) -> None:
    with Live(render.status(sluice.rollout(name)), console=render.console(), auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH)
            live.update(render.status(sluice.rollout(name)), refresh=True)
