"""The command line. Thin: every command reads its options, makes one call, and shows what came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from sqlalchemy.exc import SQLAlchemyError

from plans.load import Known, PlanError
from sluice import demo as demo_story
from sluice import plan_files, render, rollouts, switches
from sluice import serve as serving_alone
from sluice import up as house
from sluice.agenda import agenda
from sluice.backtest.command import backtest
from sluice.backtest.imaginary import aa
from sluice.copying import new
from sluice.errors import CommandError, RefusedError, UnreachableError
from sluice.evidence import evidence
from sluice.keys import KEYS
from sluice.options import AsJson, Data, PlanFile, settings
from sluice.preview import preview
from sluice.replay import replay
from sluice.simulate.command import simulate
from sluice.sources import known
from state.errors import StoreError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Staged rollouts of AI features: raised phase by phase, watched, asked about, reverted on their own.",
)


class Pin(StrEnum):
    """What `serve` gives everyone."""

    CANDIDATE = "candidate"
    STABLE = "stable"
    OFF = "off"


Port = Annotated[int | None, typer.Option(help="Port of the flag server (default: 8800).", show_default=False)]


def up(
    *,
    data: Data = None,
    host: Annotated[
        str | None, typer.Option(help="Where to listen (default: 127.0.0.1); elsewhere needs keys.", show_default=False)
    ] = None,
    port: Port = None,
    prefect_port: Annotated[
        int | None, typer.Option(help="Port of Prefect's server and UI (default: 4200).", show_default=False)
    ] = None,
) -> None:
    """Run everything: Prefect server with UI, runner, supervisor, flag server. Ctrl-C stops all of it."""
    house.run(settings(data=data, host=host, port=port, prefect_port=prefect_port), typer.echo)


def demo(
    *,
    story: Annotated[demo_story.Story, typer.Option(help="What is told.")] = demo_story.Story.BOTH,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running at the end, until Ctrl-C.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="A new data folder (default: one that is removed).", show_default=False)
    ] = None,
    port: Port = None,
    prefect_port: Annotated[
        int | None, typer.Option(help="Port of Prefect's server and UI (default: 4200).", show_default=False)
    ] = None,
) -> None:
    """Six weeks in three minutes: one rollout that goes well, one that is reverted by the guard."""
    demo_story.run(data, port, prefect_port, story=story, keep=keep, show=render.show)


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


def serve(
    file: PlanFile,
    *,
    pin: Annotated[Pin | None, typer.Option(help="Give everyone this.", show_default=False)] = None,
    phase: Annotated[str | None, typer.Option(help="In this phase (default: the first).", show_default=False)] = None,
    port: Port = None,
) -> None:
    """Serve a plan's flags over OFREP alone, printing tracked events: for an application's own tests."""
    plan = plan_files.loaded(file, Known(offline=True))
    serving_alone.run(plan, pin, phase, settings(port=port), typer.echo)


def main() -> None:
    """The `sluice` command."""
    app()


def told(command: Callable[..., None]) -> Callable[..., None]:
    """A command with every expected error told on stderr and as an exit code: 1 refused, 2 usage, 3 out of reach."""

    @wraps(command)
    def telling(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except (CommandError, PlanError, StoreError, SQLAlchemyError, httpx.HTTPError) as error:
            render.console(stderr=True).print(f"sluice: {error}", style="red", soft_wrap=True)
            raise typer.Exit(_code(error)) from None

    return telling


def _code(error: Exception) -> int:
    if isinstance(error, CommandError):
        return error.code
    return UnreachableError.code if isinstance(error, SQLAlchemyError | httpx.HTTPError) else RefusedError.code


START = "Start"
PLANS = "Plans"
ROLLOUTS = "Rollouts"
FLAGS = "Flags"
COMMANDS: Sequence[tuple[str, str, Any]] = (
    (START, "up", up),
    (START, "demo", demo),
    (PLANS, "new", new),
    (PLANS, "validate", validate),
    (PLANS, "preview", preview),
    (PLANS, "simulate", simulate),
    (PLANS, "backtest", backtest),
    (PLANS, "serve", serve),
    (ROLLOUTS, "submit", rollouts.submit),
    (ROLLOUTS, "list", rollouts.list_),
    (ROLLOUTS, "status", rollouts.status),
    (ROLLOUTS, "agenda", agenda),
    (ROLLOUTS, "history", rollouts.history),
    (ROLLOUTS, "aa", aa),
    (ROLLOUTS, "replay", replay),
    (ROLLOUTS, "evidence", evidence),
    (ROLLOUTS, "approve", rollouts.approve),
    (ROLLOUTS, "abort", rollouts.abort),
    (ROLLOUTS, "hold", rollouts.hold),
    (ROLLOUTS, "resume", rollouts.resume),
    (ROLLOUTS, "set", rollouts.set_),
    (ROLLOUTS, "advance", rollouts.advance),
    (ROLLOUTS, "extend", rollouts.extend),
    (ROLLOUTS, "back", rollouts.back),
    (FLAGS, "kill", switches.kill),
    (FLAGS, "restore", switches.restore),
    (FLAGS, "rollback", switches.rollback),
    (FLAGS, "who", switches.who),
)
for panel, name, command in COMMANDS:
    app.command(name, rich_help_panel=panel)(told(command))
keys = typer.Typer(no_args_is_help=True, help="Who may do what: keys with scopes, for people and services.")
for name, command in KEYS:
    keys.command(name)(told(command))
app.add_typer(keys, name="keys", rich_help_panel=START)
