"""`sluice preview`: when a plan does what, and what its criteria would notice by then."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from gates.foresight import detection_json, warnings
from gates.planner import assumed, forecast
from plans.timeline import timeline
from sluice import outlook, picture, plan_files, render
from sluice.chart import chart
from sluice.options import AsJson, PlanFile, emit, settings
from sluice.sources import known


def preview(
    file: PlanFile,
    *,
    start: Annotated[
        str | None, typer.Option(help="Start then instead: 2026-12-01 09:00, in the plan's zone.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it into this .svg or .png as well.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The dated timeline of a plan, and how soon it would notice a fault.

    Windows and freezes are applied; approvals come at once. Traffic is
    audience.size, rates are each metric's `baseline`, else 2 % errors,
    0.1 % complaints and 90 % good.
    """
    if plot is not None:
        picture.check(plot)
    plan, submitted = plan_files.placed(plan_files.loaded(file, known(settings())), start, datetime.now(UTC))
    told, found = plan_files.previewed(plan, submitted), forecast(plan, submitted, assumed(plan))
    if plot is not None:
        picture.write(plot, chart(found, timeline(plan, submitted)))
    alarms = [*told["warnings"], *warnings(found)]
    shown = Group(
        render.preview({**told, "warnings": []}),
        outlook.shown(found),
        *(Text(f"warning: {alarm}", "yellow") for alarm in alarms),
    )
    emit({**told, "warnings": alarms, "detection": detection_json(found)}, shown, as_json=as_json)
