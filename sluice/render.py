"""What people see in a terminal: trees and tables of the JSON shapes, readable at 80 columns, colour on terminals only.

Everything shown goes through `Text`, never through markup, so that a plan cannot draw on somebody's screen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.style import Style
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

Json = Mapping[str, Any]
PLAIN_WIDTH = 80
FALLEN = {"reverted", "disabled"}
STATUS_STYLES = {
    "running": "green",
    "completed": "green",
    "awaiting_approval": "yellow",
    "held": "yellow",
    "scheduled": "cyan",
    "reverted": "red",
    "disabled": "red",
}
VERDICT_STYLES = {"breach": "bold red", "invalid": "red", "pass": "green", "no_data": "yellow", "unproven": "yellow"}


def console(*, stderr: bool = False) -> Console:
    """A console that is 80 columns wide and without colour where it is not a terminal."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = PLAIN_WIDTH
    return made


def show(thing: Any) -> None:
    """Print a table as wide as the terminal, and text as it is."""
    console().print(thing, soft_wrap=isinstance(thing, str))


def as_json(value: Any) -> str:
    """A value as the `--json` options print it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def status(rollout: Json) -> Tree:
    """One rollout as a tree: where it is, what comes next, what stands in the way, each criterion with its numbers."""
    title = Text.assemble((rollout["name"], "bold"), "  ", (rollout["status"], _status_style(rollout)))
    tree = Tree(title, guide_style="dim")
    for name, value in _facts(rollout):
        tree.add(Text.assemble((f"{name:<9}", "dim"), value))
    _branch(tree, "blocked by", (_block(block) for block in rollout["blocked_by"]))
    _branch(tree, "nobody was told", map(_untold, rollout.get("untold", ())))
    _branch(tree, "criteria", (_criterion(finding) for finding in rollout["criteria"]))
    return tree


def _untold(one: Json) -> Text:
    return Text(f"{words(one['event'])}: channel {one['channel']} {one['problem']}", "red")


def rollouts(found: Sequence[Json]) -> Table:
    """All rollouts, one row each."""
    table = plain_table("name", "status", "phase", "exposure", "next (UTC)")
    for rollout in found:
        state = Text(words(rollout["status"]), _status_style(rollout))
        row = (rollout["name"], state, rollout["phase"] or "-", percent(rollout["exposure"]), _next(rollout["next"]))
        table.add_row(*row)
    return table


def history(entries: Sequence[Json]) -> Table:
    """The journal, oldest first."""
    table = plain_table("rev", "at (UTC)", "what", "exposure", "by", "why")
    for entry in entries:
        row = (happened(entry), moved(entry), entry["by"], entry["reason"])
        table.add_row(str(entry["revision"]), instant(entry["at"]), *map(Text, row))
    return table


def moved(entry: Json) -> str:
    """The exposure of a transition: before and after where it changed."""
    before, after = entry["from"]["exposure"], entry["to"]["exposure"]
    return percent(after) if before == after else f"{percent(before)} → {percent(after)}"


def happened(entry: Json) -> str:
    """A transition in words, with the revision that a resume takes up."""
    taken_up = f" of {entry['takes_up']}" if entry["takes_up"] is not None else ""
    return words(entry["transition"]) + taken_up


def preview(timeline: Json) -> Group:
    """The dated timeline, each step with what it does to whom; `local` is the time in the plan's own zone."""
    table = plain_table("when", "what happens", "exposure", "settings")
    for step in timeline["steps"]:
        table.add_row(step["local"], step["text"], percent(step["exposure"]), settings(step["settings"]))
    warnings = [Text(f"warning: {warning}", "yellow") for warning in timeline["warnings"]]
    return Group(
        Text(timeline["name"], "bold"),
        table,
        *_uses(timeline["uses"]),
        *_branches(timeline["branches"]),
        *_expects(timeline["expects"]),
        *warnings,
    )


def pairs(values: Iterable[tuple[str, str]]) -> Table:
    """Names and values in two columns; an address that is folded is still one link where the terminal knows links."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values:
        link = Style(link=value) if value.startswith(("http://", "https://")) else ""
        table.add_row(Text(name), Text(value, style=link))
    return table


def plain_table(*names: str) -> Table:
    """A table with these columns, without lines between rows; long words are folded, never cut."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name in {"rev", "exposure"} else "left")
    return table


def percent(exposure: float) -> str:
    """Exposure in percent as people write it: `0.5 %`."""
    return f"{exposure:g} %"


def settings(values: Json) -> str:
    """Settings on one line: `model v2.4 · min_confidence 0.8`."""
    return " · ".join(f"{key} {value}" for key, value in values.items())


def instant(iso: str) -> str:
    """An instant of the JSON in UTC: `Tue 1 Dec 2026 14:00`."""
    at = datetime.fromisoformat(iso).astimezone(UTC)
    return f"{at:%a} {at.day} {at:%b %Y %H:%M}"


def words(name: str) -> str:
    """A name of the JSON as words: `awaiting_approval` is awaiting approval."""
    return name.replace("_", " ")


def _facts(rollout: Json) -> Iterator[tuple[str, str]]:
    if rollout.get("summary"):
        yield "now", rollout["summary"]
    yield "flag", rollout["flag"]
    phase = f"{rollout['phase']} · " if rollout["phase"] else ""
    yield "phase", f"{phase}{percent(rollout['exposure'])} · {words(rollout['status'])} since {_utc(rollout['since'])}"
    yield "settings", settings(rollout["settings"])
    for line in (rollout.get("approval") or {}).get("standing", ()):
        yield "approval", line
    if rollout.get("proposal"):
        yield "amendment", _amendment(rollout["proposal"])
    if rollout["phase"] and rollout["status"] not in FALLEN and not rollout["exposure"]:
        yield "A/A", f"nobody is exposed yet: sluice aa {rollout['name']} tries the criteria on imaginary cohorts"
    if rollout["next"]:
        yield "next", f"{words(rollout['next']['what'])} · {_utc(rollout['next']['at'])}"
    yield "revision", str(rollout["revision"])
    if rollout["prefect_url"]:
        yield "prefect", rollout["prefect_url"]


def to_agree(name: str, digest: str) -> tuple[str, str]:
    """How somebody says yes to an amendment that waits."""
    return "to agree", f"sluice amend {name} --approve {digest[:12]}"


def _amendment(proposal: Json) -> str:
    told = f"{proposal['digest'][:12]} by {proposal['by']} waits: {proposal['reason']}"
    return f"{told}; {proposal['progress']}" if proposal.get("progress") else told


def _branch(tree: Tree, name: str, leaves: Iterable[Text]) -> None:
    found = list(leaves)
    if found:
        branch = tree.add(Text(name, "dim"))
        for leaf in found:
            branch.add(leaf)


def _uses(uses: Sequence[Json]) -> Iterator[Text | Table]:
    """What the plan takes in by name, as it stands in this plan."""
    for kit in dict.fromkeys(one["kit"] for one in uses):
        table = plain_table("metric", "counts", "criterion", "then")
        for one in uses:
            if one["kit"] == kit:
                table.add_row(one["metric"], one["counts"], one["criterion"], one["then"])
        yield Text(f"use: {kit}", "bold")
        yield table


def _expects(expects: Json) -> Iterator[Text]:
    """When the silence of which criteria counts."""
    for hours in dict.fromkeys(expects.values()):
        yield Text(f"silence counts {hours} alone: {', '.join(one for one in expects if expects[one] == hours)}")


def _branches(branches: Sequence[Json]) -> Iterator[Text | Table]:
    """What the plan leaves to its numbers."""
    if branches:
        table = plain_table("on", "when", "then")
        for branch in branches:
            table.add_row(branch["place"], branch["when"], branch["then"])
        yield Text("What the numbers decide", "bold")
        yield table


def _block(block: Json) -> Text:
    who = "a person clears this" if block["clears"] == "person" else "clears by itself"
    return Text.assemble((words(block["code"]), "yellow"), f"  {block['text']} ({who})")


def _criterion(finding: Json) -> Text:
    branch = finding["role"] != "stop"
    established = branch and finding["verdict"] == "breach"
    verdict = (
        "established" if established else words(finding["verdict"]),
        VERDICT_STYLES.get(finding["verdict"], "cyan"),
    )
    name = f"{words(finding['role'])}: {finding['criterion']}" if branch else finding["criterion"]
    numbers = f"treatment {_counts(finding['treatment'])} · control {_counts(finding['control'])}"
    evidence = f"evidence {finding['evidence']:.3g} of {finding['threshold']:.3g}"
    return Text.assemble((name, "bold"), "  ", verdict, f"\n{numbers}\n{evidence} · {finding['reason']}")


def _counts(counts: Json) -> str:
    share = f" = {counts['bad'] / counts['of']:.2%}" if counts["of"] else ""
    return f"{counts['bad']:,} of {counts['of']:,}{share}"


def _next(step: Json | None) -> str:
    return f"{words(step['what'])} {instant(step['at'])}" if step else "-"


def _utc(iso: str) -> str:
    return f"{instant(iso)} UTC"


def _status_style(rollout: Json) -> str:
    return STATUS_STYLES.get(rollout["status"], "")
