"""`sluice sync`: the plan files of a checkout become rollouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice import checkout, render
from sluice.access import client
from sluice.errors import RefusedError
from sluice.options import AsJson, By, Data, Server, person
from sluice.plan_files import problem_lines
from sluice.progress import watched
from sluice.syncing import Asking, Did, opened, synced, without_file

if TYPE_CHECKING:
    from sluice.client import Client

Json = dict[str, Any]
LONGEST_LIST = 5
NEWS = frozenset({Did.SUBMITTED, Did.PROPOSED})


def sync(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The plans.", show_default=False, exists=True, file_okay=False),
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")] = False,
    reason: Annotated[
        str, typer.Option(help="Why; kept in the journal (default: DIR and its git commit).", show_default=False)
    ] = "",
    by: By = None,
    data: Data = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Make rollouts of the plan files in a folder.

    A new file is submitted. A changed file of a live rollout is proposed: what it changes is shown, and waits for
    `sluice amend NAME --approve DIGEST`. A rollout without a file is told of, and nothing more. A file that is wrong
    keeps no other back, and ends it with 1. The same files again are nothing to do.
    """
    at = checkout.commit(folder)
    why = reason or (f"{folder} at commit {at}" if at else f"sync of {folder}")
    with client(data, server) as sluice:
        asking = Asking(person(by), why, dry_run)
        told = _synced(sluice, folder, asking) | {"dry_run": dry_run, "commit": at, "reason": why}
    if as_json:
        typer.echo(render.as_json(told))
    else:
        _show(told)
    if any(entry["did"] is Did.REFUSED for entry in told["files"]):
        raise typer.Exit(RefusedError.code)


def _synced(sluice: Client, folder: Path, asking: Asking) -> Json:
    files = list(checkout.yaml_files(folder))
    plans = [file for file in files if checkout.is_plan(file)]
    read = [opened(file) for file in watched(plans, len(plans), "reading")]
    standing = {rollout["name"]: rollout for rollout in sluice.rollouts()}
    return {
        "files": list(watched(synced(sluice, read, standing, asking), len(read), "comparing")),
        "without_file": without_file(read, standing),
        "no_plans": [str(file) for file in files if file not in plans],
    }


def _show(told: Json) -> None:
    for entry in told["files"]:
        for line in problem_lines(entry):
            typer.echo(line, err=True)
    render.show(render.pairs([*_files(told), *_left(told), *_summary(told)]))


def _files(told: Json) -> Iterator[tuple[str, str]]:
    """What became of each file of which there is something to tell."""
    for entry in told["files"]:
        if entry["effect"]:
            would = "would be " if told["dry_run"] and entry["did"] in NEWS else ""
            yield f"{would}{entry['did']}", f"{entry['name']} ({entry['file']})"
            yield from ((change["effect"], f"{change['place']}: {change['change']}") for change in entry["changes"])
            yield "effect", entry["effect"].removeprefix("would: ")
            if entry["waits"] and not told["dry_run"]:
                yield render.to_agree(entry["name"], entry["digest"])


def _left(told: Json) -> Iterator[tuple[str, str]]:
    """What was left alone."""
    for rollout in told["without_file"]:
        where = f"{render.words(rollout['status'])} at {render.percent(rollout['exposure'])}"
        remedy = f"nothing was aborted; `sluice abort {rollout['name']}` does that"
        yield "no file", f"{rollout['name']} is {where}, and no file here has its name; {remedy}"
    if told["no_plans"]:
        yield "no plan", _some(told["no_plans"])


def _summary(told: Json) -> Iterator[tuple[str, str]]:
    """How many of each; `nothing to do` where nothing is new and nothing is wrong."""
    found = Counter(entry["did"] for entry in told["files"])
    counts = ", ".join(f"{found[did]} {did}" for did in Did if found[did]) or "no plan files"
    busy = "would do" if told["dry_run"] else "done"
    idle = "nothing done" if found[Did.REFUSED] else "nothing to do"
    yield busy if NEWS & found.keys() else idle, counts


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - LONGEST_LIST} more" if len(names) > LONGEST_LIST else ""
    return f"{', '.join(names[:LONGEST_LIST])}{more}: no key `sluice`"
