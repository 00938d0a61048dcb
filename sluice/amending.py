"""`amend`: change the plan of a rollout that is under way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice import render
from sluice.access import client
from sluice.errors import UsageError
from sluice.options import AsJson, By, Check, Data, Name, Reason, Server, emit, person
from sluice.plan_files import read_text


def amend(  # noqa: PLR0913 - a parameter an option
    name: Name,
    file: Annotated[Path | None, typer.Argument(help="The edited plan.", show_default=False)] = None,
    *,
    reason: Reason = "",
    by: By = None,
    approve: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Approve the amendment that waits.", show_default=False)
    ] = None,
    check: Check = False,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Change the plan of a rollout that is under way.

    Stricter changes apply at once. Looser criteria, more exposure or shorter holds wait until somebody runs this again
    with --approve. Entered phases, name, flag, stable, candidate, audience and salt are fixed.
    """
    if (file is None) == (approve is None):
        raise UsageError("name the edited plan, or with --approve the amendment that waits")
    with client(data, server) as sluice:
        if file is not None:
            result = sluice.amend(name, read_text(file), str(file), person(by), reason, check=check)
        else:
            result = sluice.approve_amendment(name, str(approve), person(by), reason)
    told = [(change["effect"], f"{change['place']}: {change['change']}") for change in result.get("changes", ())]
    told += [("would do" if check else "done", str(result["effect"])), ("revision", str(result["revision"]))]
    if result.get("waits") and not check:
        told.append(render.to_agree(name, str(result["digest"])))
    emit(result, render.pairs(told), as_json=as_json)
