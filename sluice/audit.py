"""`sluice audit`: whether the journals are what was written, and the head to hold them against later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from flows.outbox import FILE
from sluice import render
from sluice.access import here
from sluice.errors import RefusedError
from sluice.options import AsJson, Data, emit, settings
from sluice.progress import watched
from state import chain
from state.audit import Broken, audit
from state.errors import StoreError
from state.sealing import Head

KEPT = 1_000
SHOWN = 20
UNPUBLISHED = "none: a cut tail would show against a head that was published only"


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit came to: the first KEPT things that are broken, of `broken` in all."""

    head: Head
    published: Head | None
    found: tuple[Broken, ...]
    broken: int


def verify(
    *,
    head: Annotated[
        str | None,
        typer.Option(help="A published head, COUNT:MAC (default: the newest in notices.log).", show_default=False),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Check every line of the journals against its seal, and the end against the last published head.

    Finds an edit, a deletion, a swap or an insertion anywhere, and a cut
    tail. Exit 1 where anything is broken. Reads the data folder or database.
    """
    published = Head.parse(head) if head else newest(settings(data=data).data / FILE)
    with here(data) as desk, desk.store.frozen() as tx:
        end = chain.head(tx)
        walk = watched(audit(tx, desk.store.secrets, published), max(end.count, 1), "lines")
        told = _audited(walk, end, published)
    emit(as_value(told), shown(told), as_json=as_json)
    if told.broken:
        raise typer.Exit(RefusedError.code)


def head(*, data: Data = None, as_json: AsJson = False) -> None:
    """The end of the journals' chain, to be kept where nobody can change it."""
    with here(data) as desk:
        found = desk.store.head()
    emit(
        {"head": str(found), "count": found.count, "mac": found.mac},
        render.pairs([("head", str(found))]),
        as_json=as_json,
    )


AUDIT = (("verify", verify), ("head", head))


def newest(file: Path) -> Head | None:
    """The published head of the most lines that a log of notices tells; None where it tells none."""
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", errors="replace") as lines:
        return max(_heads(lines), key=lambda found: found.count, default=None)


def as_value(told: Audited) -> dict[str, Any]:
    """The JSON of an audit."""
    return {
        "ok": not told.broken,
        "head": str(told.head),
        "published": str(told.published) if told.published else None,
        "broken": told.broken,
        "findings": [asdict(one) | {"wrong": str(one.wrong)} for one in told.found],
    }


def shown(told: Audited) -> Group:
    """The findings, then what they come to."""
    lines = [Text(str(one), "red") for one in told.found[:SHOWN]]
    if more := told.broken - len(lines):
        lines.append(Text(f"and {more:,} more", "red"))
    count = f"{told.head.count:,} line{'' if told.head.count == 1 else 's'}"
    verdict = f"{told.broken:,} broken" if told.broken else "every one as it was written"
    ends = [("journals", f"{count}: {verdict}"), ("head", str(told.head))]
    ends.append(("published", str(told.published) if told.published else UNPUBLISHED))
    return Group(*lines, render.pairs(ends))


def _audited(walk: Iterable[tuple[Broken, ...]], end: Head, published: Head | None) -> Audited:
    kept: list[Broken] = []
    broken = 0
    for found in walk:
        broken += len(found)
        kept += found[: KEPT - len(kept)]
    return Audited(end, published, tuple(kept), broken)


def _heads(lines: Iterable[str]) -> Iterator[Head]:
    for line in lines:
        try:
            yield Head.parse(str(json.loads(line)["head"]))
        except (ValueError, KeyError, TypeError, StoreError):
            continue
