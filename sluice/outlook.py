"""A forecast in a terminal: what each criterion would notice in each phase, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from rich.console import Group
from rich.table import Table
from rich.text import Text

from gates.foresight import assumption, brief, lasts, margins
from gates.planner import FAULTS, Forecast, Noticed, Outlook, Stretch
from rollout.describe import percent
from sluice import render

CRITERION = 27  # columns; the rest is for the four sizes of fault
CELL = 10


def shown(found: Forecast) -> Group:
    """A table a phase: how long until half, and nine in ten, of such faults are noticed, and how many meet them."""
    title = Text("How soon a fault would be noticed", "bold")
    legend = (
        f"For faults of 2 to 10 times the usual: the time in which half of them are\n"
        f"noticed · 9 in 10, and how many {found.plan.audience.unit}s met them by then (half).\n"
        f"* half of them outlast the phase. Taken for granted:\n{assumption(found)}"
    )
    tables = [part for stretch in found.stretches for part in _phase(found, stretch)]
    return Group(title, Text(legend, "dim"), *tables)


def _phase(found: Forecast, stretch: Stretch) -> Iterator[Text | Table]:
    here = [outlook for outlook in found.outlooks if outlook.stretch is stretch]
    if not here:
        return
    units = round(found.traffic.daily * stretch.exposure / 100_000)
    yield Text.assemble(
        ("\n" + stretch.name, "bold"),
        f"  {percent(stretch.exposure)} · {units:,} {found.plan.audience.unit}s a day · {lasts(stretch)}",
    )
    table = render.plain_table("criterion", *(f"{times:g}x" for times in FAULTS))
    table.columns[0].width, table.columns[0].min_width = CRITERION, CRITERION
    table.padding = (0, 1, 0, 0)
    for column in table.columns[1:]:
        column.min_width = CELL
    for outlook in here:
        table.add_row(_criterion(found, outlook), *(_cell(stretch, fault) for fault in outlook.faults))
    yield table


def _criterion(found: Forecast, outlook: Outlook) -> Text:
    demanded = found.plan.phases[outlook.stretch.index].advance == "pass"
    proof = f"\npass after {brief(outlook.pass_days)}" if demanded else ""
    return Text.assemble(outlook.rule.text, (f"\n{margins(outlook.rule)}{proof}", "dim"))


def _cell(stretch: Stretch, fault: Noticed) -> Text:
    if not isfinite(fault.days.t50):
        return Text("tolerated", "dim")
    late = fault.days.t50 > stretch.days
    times = f"{brief(fault.days.t50)}·{brief(fault.days.t90)}"
    return Text.assemble(
        (f"{times}{'*' if late else ''}", "yellow" if late else "green"), (f"\n{round(fault.units[0]):,} met", "dim")
    )
