"""`sluice report`: one page about one rollout that needs nothing but itself, for a post-mortem or an archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from plans.schema import Plan
from plans.timeline import Step, local, timeline
from rollout.describe import percent, served_exposure, state_name, title
from rollout.incidents import Incident
from rollout.model import Cause
from rollout.plot import plot
from serving.board.pages import FILES
from serving.board.story import Judged, Line, charts, judged, line
from sluice import render
from sluice.access import here
from sluice.errors import UsageError
from sluice.options import Data, Name
from state.readings import all_buckets
from state.rows import JournalEntry, Rollout
from state.store import Store

STYLE = "board.css"


@dataclass(frozen=True, slots=True)
class Decision:
    """One transition with what it rested on: how far the candidate was, with which settings, and every criterion."""

    line: Line
    phase: str
    exposure: str
    settings: str
    criteria: Sequence[Judged]


@dataclass(frozen=True, slots=True)
class Met:
    """An incident that a rollout met, in its plan's zone: from when to when, about what, and who declared it why."""

    instant: str
    since: str
    until: str
    scope: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the page tells; `plots` are SVG of our own, everything else is text."""

    name: str
    summary: str
    owner: str
    flag: str
    status: str
    headline: str
    submitted: str
    digest: str
    plan: str
    planned: Sequence[Step]
    happened: Sequence[Line]
    incidents: Sequence[Met]
    people: Sequence[Line]
    decisions: Sequence[Decision]
    plots: Sequence[tuple[str, str]]
    head: str
    written: str


def report(
    name: Name,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Into this file (default: NAME.html here).", show_default=False)
    ] = None,
    data: Data = None,
) -> None:
    """One HTML page about a rollout: plan, journal, people and evidence.

    It needs no network, prints well, and carries the head of the journals.
    Reads the data folder or the database itself.
    """
    file = out or Path(f"{name}.html")
    with here(data) as desk:
        page = written(told(desk.store, name, desk.clock.now()))
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}; name another with --out") from error
    render.console(stderr=True).print(f"{len(page.encode()) // 1024:,} kB in {file}")


def told(store: Store, name: str, now: datetime) -> Report:
    """A rollout as its page tells it; raises UnknownError."""
    rollout, journal = store.rollout(name), store.journal(name)
    plan, state = rollout.plan, rollout.state
    until = now if state.status.live or not journal else journal[-1].at
    return Report(
        name=name,
        summary=plan.summary,
        owner=plan.owner,
        flag=state.flag,
        status=str(state.status),
        headline=state_name(plan, state, rollout.evidence, now),
        submitted=f"{local(plan, state.submitted)} by {rollout.submitted_by}",
        digest=rollout.digest,
        plan=rollout.plan_text,
        planned=timeline(plan, state.submitted),
        happened=[line(plan, entry) for entry in journal],
        incidents=[_met(plan, one) for one in rollout.incidents if one.since <= until],
        people=[line(plan, entry) for entry in journal if entry.cause is Cause.PERSON],
        decisions=[_decision(plan, entry) for entry in journal if entry.evidence.findings],
        plots=_plots(store, rollout, journal, until),
        head=str(store.head()),
        written=local(plan, now),
    )


def written(told: Report) -> str:
    """The page, with the board's own look and everything escaped that people wrote."""
    loader = ChoiceLoader([PackageLoader("sluice"), PackageLoader("serving.board")])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = percent
    environment.filters["settings"] = render.settings
    style = FILES[STYLE][0].decode()
    return environment.get_template("report.html").render(report=told, style=style)


def _plots(store: Store, rollout: Rollout, journal: Sequence[JournalEntry], until: datetime) -> list[tuple[str, str]]:
    """Exposure and every metric by cohort: a caption and a picture each; an ended rollout is drawn to its end."""
    buckets = all_buckets(store, rollout.id)
    drawn = charts(rollout.plan, journal, buckets, until)
    return [(", ".join(filter(None, (one.title, one.unit))), plot(one)) for one in drawn]


def _met(plan: Plan, incident: Incident) -> Met:
    since, until = local(plan, incident.since), local(plan, incident.over_at)
    return Met(incident.since.isoformat(), since, until, incident.scope, incident.by, incident.reason)


def _decision(plan: Plan, entry: JournalEntry) -> Decision:
    before = entry.before
    return Decision(
        line=line(plan, entry),
        phase=title(plan.phases[before.phase].name) if before.phase >= 0 else "not started",
        exposure=percent(served_exposure(before)),
        settings=render.settings(before.settings),
        criteria=[judged(plan, finding) for finding in entry.evidence.findings],
    )
