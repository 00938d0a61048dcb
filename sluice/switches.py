"""The commands that concern a flag: kill, restore, rollback, allow, block, unlist, and who gets what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from rollout.model import Verb
from sluice import render
from sluice.access import client
from sluice.errors import UsageError
from sluice.options import AsJson, By, Data, Flag, Reason, Server, emit, person
from sluice.plan_files import instant

Unit = Annotated[str, typer.Argument(help="The user, or whatever the plan buckets by.", show_default=False)]
Needed = Annotated[str, typer.Option(help="Why; kept in the journal.", show_default=False)]


def kill(
    flag: Flag,
    *,
    reason: Needed,
    by: By = None,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Switch a flag off for everyone, now.

    Goes straight to the store: it works with Prefect down, for any flag that was ever submitted.
    """
    with client(data, server) as sluice:
        result = sluice.kill(flag, person(by), reason)
    _show(result, as_json=as_json)


def restore(
    flag: Flag,
    *,
    by: By = None,
    reason: Reason = "",
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Lift the kill switch of a flag; its rollout goes on from where it stands."""
    with client(data, server) as sluice:
        result = sluice.restore(flag, person(by), reason)
    _show(result, as_json=as_json)


def rollback(
    flag: Flag,
    *,
    by: By = None,
    reason: Reason = "",
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Give everyone the stable version from before the flag's completed rollout."""
    with client(data, server) as sluice:
        result = sluice.rollback(flag, person(by), reason)
    _show(result, as_json=as_json)


def listing(verb: Verb, help_text: str) -> Callable[..., None]:
    """The command that puts one unit on a list, or takes it off."""

    def command(
        flag: Flag,
        unit: Unit,
        *,
        by: By = None,
        reason: Reason = "",
        data: Data = None,
        server: Server = None,
        as_json: AsJson = False,
    ) -> None:
        with client(data, server) as sluice:
            result = sluice.put_on_list(flag, verb, unit, person(by), reason)
        told = [(unit, str(result["effect"])), ("revision", str(result["revision"]))]
        emit(result, render.pairs(told), as_json=as_json)

    command.__doc__ = help_text
    return command


allow = listing(
    Verb.ALLOW,
    "Give one unit the candidate while the rollout is live.\n\n"
    "It is outside the evidence from then on. A block, the plan's own too, wins.",
)
block = listing(
    Verb.BLOCK,
    "Give one unit stable while the rollout is live.\n\nIt is outside the evidence from then on.",
)
unlist = listing(
    Verb.UNLIST,
    "Let the bucket of a unit that was put on a list decide again.\n\nIt stays outside the evidence of this rollout.",
)


def who(
    flag: Flag,
    unit: Unit,
    *,
    attr: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="What the application knows of the unit.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When: past from the journal, future from the plan.", show_default=False)
    ] = None,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """What one unit is served, why, since when, and when the plan lets it in."""
    attributes = dict(_attribute(text) for text in attr or ())
    with client(data, server) as sluice:
        result = sluice.who(flag, unit, attributes, None if at is None else instant(at))
    emit(result, render.pairs((name, _shown(name, value)) for name, value in result.items()), as_json=as_json)


def _show(result: render.Json, *, as_json: bool) -> None:
    state = "enabled" if result["enabled"] else "off for everyone"
    told = [(result["flag"], state), ("effect", str(result["effect"])), ("version", str(result["version"]))]
    emit(result, render.pairs(told), as_json=as_json)


def _attribute(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--attr {text!r} is not KEY=VALUE; write for example --attr tier=vip")
    return key, value


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in {"since", "joins"}:
        return f"{render.instant(value)} UTC"
    return render.percent(value) if name == "exposure" else str(value)
