"""A rollout's journal for other readers: Markdown for a post-mortem, CSV for a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from html import escape as html_escape
from io import StringIO
from typing import Any

from sluice import render

Json = Mapping[str, Any]
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet read text as a formula."""
COLUMNS = (
    "revision",
    "at",
    "transition",
    "cause",
    "by",
    "reason",
    "from_status",
    "to_status",
    "from_exposure",
    "to_exposure",
    "settings",
    "criterion",
    "treatment_bad",
    "treatment_of",
    "control_bad",
    "control_of",
    "evidence",
    "threshold",
    "process",
)


class Format(StrEnum):
    """How a journal is written."""

    TABLE = "table"
    MD = "md"
    JSON = "json"
    CSV = "csv"


def as_markdown(name: str, entries: Sequence[Json], head: str | None) -> str:
    """A section with a table, a line a transition, and below it the numbers that decided; `head` is the audit's."""
    rows: list[tuple[str, ...]] = [("rev", "at (UTC)", "what", "exposure", "by", "why"), ("---",) * 6]
    rows += [tuple(map(_cell, row)) for row in map(_row, entries)]
    lines = [f"## {_cell(name)}: what happened", "", *(f"| {' | '.join(row)} |" for row in rows)]
    decided = [f"- revision {entry['revision']}: {_finding(entry['finding'])}" for entry in entries if entry["finding"]]
    lines += ["", "The numbers that decided:", "", *decided] if decided else []
    return "\n".join([*lines, "", f"Journal head {head}.", ""] if head else [*lines, ""])


def as_csv(entries: Sequence[Json]) -> str:
    """A line of names and a line a transition; exposure in percent, instants in ISO 8601, UTC."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_harmless(value) for value in _values(entry)] for entry in entries)
    return text.getvalue()


def _row(entry: Json) -> tuple[str, ...]:
    moved, what = render.moved(entry), render.happened(entry)
    return (str(entry["revision"]), render.instant(entry["at"]), what, moved, entry["by"], entry["reason"])


def _values(entry: Json) -> Iterator[object]:
    before, after, finding = entry["from"], entry["to"], entry["finding"] or {}
    yield from (entry[name] for name in ("revision", "at", "transition", "cause", "by", "reason"))
    yield from (before["status"], after["status"], f"{before['exposure']:g}", f"{after['exposure']:g}")
    yield render.settings(after["settings"])
    yield finding.get("criterion", "")
    for cohort in ("treatment", "control"):
        counts = finding.get(cohort, {})
        yield from (counts.get("bad", ""), counts.get("of", ""))
    yield from (finding.get("evidence", ""), finding.get("threshold", ""), entry["process"])


def _finding(finding: Json) -> str:
    cohorts = ", ".join(f"{name} {_counts(finding[name])}" for name in ("treatment", "control") if finding[name]["of"])
    against = f"evidence {finding['evidence']:.3g} of {finding['threshold']:.3g}"
    return f"`{finding['criterion'].replace('`', ' ')}` {render.words(finding['verdict'])}: {_cell(cohorts)}; {against}"


def _counts(counts: Json) -> str:
    return f"{counts['bad']:,} of {counts['of']:,} = {counts['bad'] / counts['of']:.2%}"


def _cell(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(r"\\\1", html_escape(" ".join(str(text).split()), quote=False))


def _harmless(value: object) -> object:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
