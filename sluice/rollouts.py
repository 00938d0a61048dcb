"""The commands that concern a rollout: submit, look, and everything a person may ask of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live

from rollout.model import Verb
from sluice import render
from sluice.access import client
from sluice.errors import UsageError
from sluice.journal_forms import Format, as_csv, as_markdown
from sluice.options import AsJson, By, Data, Name, PlanFile, Reason, Revision, Server, emit, person
from sluice.plan_files import read_text
from state.seen import Seen

if TYPE_CHECKING:
    from sluice.client import Client

RUN_PATIENCE = 10.0
"""Seconds that `submit` waits for the rollout's Prefect run."""
POLL = 0.25
REFRESH = 1.0
Check = Annotated[bool, typer.Option("--check", help="Say what it would do, and do nothing.")]
Phase = Annotated[str, typer.Argument(help="A phase of the plan, by name.", show_default=False)]


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


def plain(verb: str, help_text: str) -> Callable[..., None]:
    """The command of a verb that needs no words but the rollout's name."""

    def command(
        name: Name,
        *,
        by: By = None,
        reason: Reason = "",
        revision: Revision = None,
        check: Check = False,
        data: Data = None,
        server: Server = None,
        as_json: AsJson = False,
    ) -> None:
        with client(data, server) as sluice:
            result = sluice.command(name, Verb(verb), person(by), reason, Seen(revision=revision), {}, check=check)
        _answer(result, check=check, as_json=as_json)

    command.__doc__ = help_text
    return command


approve = plain("approve", "Answer the question a rollout waits with: yes, go on to the next phase.")
abort = plain("abort", "End a rollout: everyone goes back to stable.")
hold = plain("hold", "Keep a rollout where it is until somebody resumes it; the guard goes on watching.")
advance = plain("advance", "Skip the rest of a phase's hold; refused while a criterion blocks.")


def resume(  # noqa: PLR0913 - a parameter an option
    name: Name,
    *,
    at: Annotated[
        str | None, typer.Option(help="The phase to resume in, not above the one it stopped in.", show_default=False)
    ] = None,
    by: By = None,
    reason: Reason = "",
    revision: Revision = None,
    check: Check = False,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Take up a held, reverted or disabled rollout again."""
    args = {} if at is None else {"phase": at}
    with client(data, server) as sluice:
        result = sluice.command(name, Verb.RESUME, person(by), reason, Seen(revision=revision), args, check=check)
    _answer(result, check=check, as_json=as_json)


def set_(  # noqa: PLR0913 - a parameter an option
    name: Name,
    settings: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="For example min_confidence=0.8.")],
    *,
    by: By = None,
    reason: Reason = "",
    revision: Revision = None,
    check: Check = False,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Change settings of the candidate now, for this and all later phases."""
    args = {"settings": dict(_setting(text) for text in settings)}
    with client(data, server) as sluice:
        result = sluice.command(name, Verb.SET, person(by), reason, Seen(revision=revision), args, check=check)
    _answer(result, check=check, as_json=as_json)


def extend(  # noqa: PLR0913 - a parameter an option
    name: Name,
    duration: Annotated[str, typer.Argument(help="How much longer, for example 3d or 12h.", show_default=False)],
    *,
    by: By = None,
    reason: Reason = "",
    revision: Revision = None,
    check: Check = False,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Hold the present phase longer."""
    args = {"duration": duration}
    with client(data, server) as sluice:
        result = sluice.command(name, Verb.EXTEND, person(by), reason, Seen(revision=revision), args, check=check)
    _answer(result, check=check, as_json=as_json)


def back(  # noqa: PLR0913 - a parameter an option
    name: Name,
    phase: Phase,
    *,
    by: By = None,
    reason: Reason = "",
    revision: Revision = None,
    check: Check = False,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier phase, with less exposure."""
    args = {"phase": phase}
    with client(data, server) as sluice:
        result = sluice.command(name, Verb.BACK, person(by), reason, Seen(revision=revision), args, check=check)
    _answer(result, check=check, as_json=as_json)


def _answer(result: render.Json, *, check: bool, as_json: bool) -> None:
    lead = "would do" if check else "done"
    told = [(lead, str(result["effect"])), ("revision", str(result["revision"]))]
    emit(result, render.pairs(told), as_json=as_json)


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


def _setting(text: str) -> tuple[str, Any]:
    """`min_confidence=0.8` as a key and a value: true, false and numbers are read as such, the rest is text."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{text!r} is not KEY=VALUE; write for example min_confidence=0.8")
    return key, _value(value)


def _value(text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
