"""Pages on a rollout's run: its timeline, the evidence by cohort, plots over time, and how far it is.

A page says in its description what it tells of, a revision and verdicts; only where that has changed is there a new
version. A look that found the same again changes nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from textwrap import shorten
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

from flows import runs
from flows.markdown import escape, evidence_table, timeline_table
from plans.timeline import Step, local, timeline
from rollout.findings import verdict
from rollout.model import Status
from rollout.plot import plot
from rollout.series import Chart, exposure_chart, rate_charts
from state.readings import all_buckets
from state.store import Rollout, Store

WORDS = 40
"""Characters of a task's name in a diagram."""


def publish(client: SyncPrefectClient, run: UUID, store: Store, rollout: Rollout, now: datetime) -> None:
    """Bring the pages of a run up to date; in the UI the latest of each stands on top."""
    name, told = rollout.name, runs.shown(client, run)
    once, state = f"{name}: timeline", _as_of(rollout)
    if told.get(f"{name}-timeline") != once:
        runs.show(client, run, f"{name}-timeline", timeline_page(rollout), once)
    if told.get(f"{name}-evidence") == state:
        return
    runs.show(client, run, f"{name}-plot", plot_page(store, rollout, now), state)
    runs.show_progress(client, run, f"{name}-progress", progress(rollout), f"{name}: {_phase(rollout)}")
    runs.show(client, run, f"{name}-evidence", evidence_page(rollout), state)


def timeline_page(rollout: Rollout) -> str:
    """The plan's dates as they were at submission, when every approval comes at once."""
    steps = timeline(rollout.plan, rollout.state.submitted)
    heading = f"### {escape(rollout.name)}: the plan's dates"
    return f"{heading}\n\n{timeline_table(steps)}\n\n```mermaid\n{diagram(steps)}\n```"


def diagram(steps: Sequence[Step]) -> str:
    """The dated steps as a Mermaid Gantt chart in UTC: a section a phase, a bar or a milestone a step."""
    lines = ["gantt", "  dateFormat YYYY-MM-DDTHH:mm", "  axisFormat %d %b"]
    ends = [*(step.at for step in steps[1:]), steps[-1].at]
    pairs = zip(steps, ends, strict=True)
    for phase, stretch in groupby(pairs, key=lambda pair: pair[0].phase):
        lines.append(f"  section {_plain(phase)}")
        lines += [_task(step, end) for step, end in stretch]
    return "\n".join(lines)


def evidence_page(rollout: Rollout) -> str:
    """What every criterion saw, with the arithmetic."""
    at = rollout.evidence.at
    seen = f"As of {escape(local(rollout.plan, at))}." if at else ""
    return f"### {escape(rollout.name)}: evidence by cohort\n\n{seen}\n\n{evidence_table(rollout.evidence)}"


def plot_page(store: Store, rollout: Rollout, now: datetime) -> str:
    """Exposure and every metric by cohort over time, as pictures that need nothing from anywhere."""
    moments = [(entry.at, entry.after) for entry in store.journal(rollout.name)]
    buckets = all_buckets(store, rollout.id)
    charts = (exposure_chart(rollout.plan, moments, now), *rate_charts(rollout.plan, buckets))
    return "\n\n".join((f"### {escape(rollout.name)}: over time", *map(_picture, charts)))


def progress(rollout: Rollout) -> float:
    """Percent of the plan's phases that are behind; an ended rollout is where it ended."""
    if rollout.state.status is Status.COMPLETED:
        return 100.0
    phase = rollout.state.phase if rollout.state.fell_from is None else rollout.state.fell_from
    return round(100 * max(phase, 0) / len(rollout.plan.phases), 1)


def _as_of(rollout: Rollout) -> str:
    seen = ", ".join(verdict(finding) for finding in rollout.evidence.findings)
    return f"{rollout.name} at revision {rollout.state.revision}: {seen or 'not judged yet'}"


def _phase(rollout: Rollout) -> str:
    phase = rollout.state.phase
    return rollout.plan.phases[phase].name if phase >= 0 else "not started"


def _picture(chart: Chart) -> str:
    data = b64encode(plot(chart).encode()).decode()
    title = f"{chart.title}, {chart.unit}" if chart.unit else chart.title
    return f"**{escape(title)}**\n\n![{escape(chart.title)} over time](data:image/svg+xml;base64,{data})"


def _task(step: Step, end: datetime) -> str:
    kind = "" if end > step.at else "milestone, "
    return f"  {_plain(step.text)} :{kind}{step.at:%Y-%m-%dT%H:%M}, {end:%Y-%m-%dT%H:%M}"


def _plain(text: str) -> str:
    """Words that mean nothing to Mermaid: letters, digits and a few signs."""
    kept = "".join(letter if letter.isalnum() or letter in " .%→-" else " " for letter in text)
    return shorten(kept, WORDS, placeholder="")
