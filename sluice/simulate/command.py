"""`sluice simulate`: a plan rehearsed before anyone is exposed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from gates.planner import assumed
from plans.load import Known
from plans.schema import Plan
from plans.timeline import start_due, zone
from sluice import plan_files, render
from sluice.options import AsJson, PlanFile, emit
from sluice.progress import cores, watched
from sluice.simulate import runs, words
from sluice.simulate.faults import parse
from sluice.simulate.outcome import many_json, one_json

EVER = datetime(1970, 1, 1, tzinfo=UTC)


def simulate(
    file: PlanFile,
    *,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="What goes wrong: 'error_rate 5x from day 9'. May be given again.", show_default=False),
    ] = None,
    traffic: Annotated[
        int | None, typer.Option(help="Units a day (default: the plan's audience.size).", show_default=False, min=1)
    ] = None,
    runs_: Annotated[int, typer.Option("--runs", help="How many rehearsals.", min=1, max=1_000_000)] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same rehearsal.")] = 1,
    start: Annotated[
        str | None, typer.Option(help="Start then instead: 2026-12-01 09:00, in the plan's zone.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rehearse a plan: weeks in a second, with the real decisions and statistics.

    Traffic is made up: audience.size units a day, each metric at its `baseline`,
    else 2 % errors, 0.1 % complaints and 90 % good. Approvals come at once.

    A fault is METRIC 5x, METRIC = 6%, METRIC silent or METRIC nan, with `everyone`
    before it where control suffers too, or split 60/40 for what candidate and
    stable really get; `from day 9`, `from 36h` or `to day 12` may follow.
    """
    plan = plan_files.loaded(file, Known(offline=True))
    plan, submitted = _from(plan, start, datetime.now(UTC))
    faults = [parse(text, plan) for text in fault or ()]
    case = runs.prepared(plan, plan_files.read_text(file), assumed(plan, traffic), faults, submitted, seed)
    if plan.audience.size is None and traffic is None:
        note = f"note: audience.size is not given; with {case.traffic.daily:,.0f} a day (--traffic says otherwise)"
        render.console(stderr=True).print(note, style="yellow")
    if runs_ == 1:
        told = one_json(runs.one(case), case.traffic, case.spells)
        emit(told, words.one(case, told), as_json=as_json)
    else:
        told = many_json(list(watched(runs.many(case, runs_, cores()), runs_, "rehearsing")), seed)
        emit(told, words.many(case, told), as_json=as_json)


def _from(plan: Plan, start: str | None, now: datetime) -> tuple[Plan, datetime]:
    """The plan and when it is submitted: at its own start whenever that is, else today, so that a seed is enough."""
    if start is not None or plan.schedule.start is None:
        today = now.astimezone(zone(plan)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return plan_files.placed(plan, start, today.astimezone(UTC))
    return plan, start_due(plan, EVER)
