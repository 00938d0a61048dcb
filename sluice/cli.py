"""The command line: which commands there are. Each lives in a room of its own, which is imported when it is called."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

HELP = "Staged rollouts of AI features: raised phase by phase, watched, asked about, reverted on their own."
CONTEXT = {"help_option_names": ["-h", "--help"]}
START, PLANS, ROLLOUTS, FLAGS = "Start", "Plans", "Rollouts", "Flags"


class Shown(NamedTuple):
    """A command as the overview shows it: its panel, where it is (`module:function` of this room), its first line."""

    panel: str
    place: str
    line: str


COMMANDS = {
    "up": Shown(
        START,
        "up:up",
        "Run everything: Prefect server with UI, runner, supervisor, flag server. Ctrl-C stops all of it.",
    ),
    "demo": Shown(
        START, "demo:demo", "Six weeks in three minutes: one rollout that goes well, one that is reverted by the guard."
    ),
    "keys": Shown(START, "keys:KEYS", "Who may do what: keys with scopes, for people and services."),
    "new": Shown(PLANS, "copying:new", "Copy a plan under a new name, comments and all, ready to be edited."),
    "validate": Shown(
        PLANS, "validate:validate", "Check plan files: every problem with its line and its remedy. Exit 1 on any error."
    ),
    "preview": Shown(PLANS, "preview:preview", "The dated timeline of a plan, and how soon it would notice a fault."),
    "simulate": Shown(
        PLANS,
        "simulate.command:simulate",
        "Rehearse a plan: weeks in a second, with the real decisions and statistics.",
    ),
    "backtest": Shown(
        PLANS, "backtest.command:backtest", "Replay a plan's criteria over recorded history, A against A."
    ),
    "serve": Shown(
        PLANS,
        "serve:serve",
        "Serve a plan's flags over OFREP alone, printing tracked events: for an application's own tests.",
    ),
    "submit": Shown(ROLLOUTS, "rollouts:submit", "Hand in a plan: from here on Sluice runs it."),
    "sync": Shown(ROLLOUTS, "sync:sync", "Make rollouts of the plan files in a folder."),
    "list": Shown(ROLLOUTS, "rollouts:list_", "All rollouts, one line each."),
    "status": Shown(
        ROLLOUTS,
        "rollouts:status",
        "Where a rollout stands, what comes next, what stands in the way, and each criterion with its numbers.",
    ),
    "agenda": Shown(
        ROLLOUTS, "agenda:agenda", "What changes when over all rollouts, approvals that are due, and freezes."
    ),
    "history": Shown(ROLLOUTS, "rollouts:history", "Everything that has happened to a rollout, by whom and why."),
    "report": Shown(ROLLOUTS, "report:report", "One HTML page about a rollout: plan, journal, people and evidence."),
    "aa": Shown(
        ROLLOUTS, "backtest.imaginary:aa", "Would the criteria revert a candidate that is no other? A against A."
    ),
    "replay": Shown(
        ROLLOUTS, "replay:replay", "Derive every journaled decision once more, and say whether it is identical."
    ),
    "audit": Shown(ROLLOUTS, "audit:AUDIT", "Whether the journals are what was written."),
    "evidence": Shown(
        ROLLOUTS, "evidence:evidence", "The buckets that a rollout was judged by, a row per metric and cohort."
    ),
    "incident": Shown(ROLLOUTS, "incident:INCIDENT", "An outage that everybody shares: while one lasts nothing grows."),
    "approve": Shown(
        ROLLOUTS, "asking:approve", "Answer the question a rollout waits with: yes, go on to the next phase."
    ),
    "amend": Shown(ROLLOUTS, "amending:amend", "Change the plan of a rollout that is under way."),
    "abort": Shown(ROLLOUTS, "asking:abort", "End a rollout: everyone goes back to stable."),
    "hold": Shown(
        ROLLOUTS, "asking:hold", "Keep a rollout where it is until somebody resumes it; the guard goes on watching."
    ),
    "resume": Shown(ROLLOUTS, "asking:resume", "Take up a held, reverted or disabled rollout again."),
    "set": Shown(ROLLOUTS, "asking:set_", "Change settings of the candidate now, for this and all later phases."),
    "advance": Shown(ROLLOUTS, "asking:advance", "Skip the rest of a phase's hold; refused while a criterion blocks."),
    "extend": Shown(ROLLOUTS, "asking:extend", "Hold the present phase longer."),
    "back": Shown(ROLLOUTS, "asking:back", "Go back to an earlier phase, with less exposure."),
    "kill": Shown(FLAGS, "switches:kill", "Switch a flag off for everyone, now."),
    "restore": Shown(
        FLAGS, "switches:restore", "Lift the kill switch of a flag; its rollout goes on from where it stands."
    ),
    "rollback": Shown(
        FLAGS, "switches:rollback", "Give everyone the stable version from before the flag's completed rollout."
    ),
    "allow": Shown(FLAGS, "switches:allow", "Give one unit the candidate while the rollout is live."),
    "block": Shown(FLAGS, "switches:block", "Give one unit stable while the rollout is live."),
    "unlist": Shown(FLAGS, "switches:unlist", "Let the bucket of a unit that was put on a list decide again."),
    "who": Shown(FLAGS, "switches:who", "What one unit is served, why, since when, and when the plan lets it in."),
}


class Shelf(UserDict[str, Any]):
    """The commands by name, each built when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        """The command itself; raises KeyError for a name that is none."""
        found = super().__getitem__(name)
        if isinstance(found, Shown):
            found = self[name] = _built(name, found)
        return found


class Commands(TyperGroup):
    """All commands. Listing them and showing the overview imports none."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Shelf(COMMANDS)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's signature
        """The names, in the order of the overview."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The overview, from the table alone."""
        lines = [
            TyperCommand(name, help=shown.line, rich_help_panel=shown.panel, rich_markup_mode=self.rich_markup_mode)
            for name, shown in COMMANDS.items()
        ]
        overview = TyperGroup(name=self.name, help=self.help, params=self.params, commands=lines)
        overview.format_help(ctx, formatter)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=CONTEXT,
    help=HELP,
)


@app.callback()
def sluice() -> None:
    """Nothing happens before the command itself."""


def main() -> None:
    """The `sluice` command."""
    app(prog_name="sluice")


def told(command: Callable[..., None]) -> Callable[..., None]:
    """A command with every expected error told on stderr and as an exit code: 1 refused, 2 usage, 3 out of reach."""

    @wraps(command)
    def telling(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except typer.Exit:
            raise
        except Exception as error:
            code = import_module("sluice.endings").told(error)
            if code is None:
                raise
            raise typer.Exit(code) from None

    return telling


def _built(name: str, shown: Shown) -> Any:
    """The command of a row, or its group of commands, out of its own module."""
    module, _, place = shown.place.partition(":")
    found = getattr(import_module(f"sluice.{module}"), place)
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    if callable(found):
        made.command(name, rich_help_panel=shown.panel, context_settings=CONTEXT)(told(found))
        return get_command(made)
    for word, command in found:
        made.command(word, context_settings=CONTEXT)(told(command))
    made.info.name, made.info.help, made.info.no_args_is_help = name, shown.line, True
    return get_command(made)
