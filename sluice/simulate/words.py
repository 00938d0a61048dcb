"""Rehearsals as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.text import Text

from gates.bounds import upper_bound
from gates.foresight import share, span
from gates.planner import Traffic
from plans.schema import Metric, Plan
from plans.timeline import local
from sluice import render
from sluice.simulate.outcome import CONFIDENCE, TAKEN_BACK
from sluice.simulate.runs import Case

DAY_MINUTES = 1440


def one(case: Case, told: dict[str, Any]) -> Group:
    """One run: how it ended, why, who met it, and its journal."""
    at, began = datetime.fromisoformat(told["at"]), min((spell.begins for spell in case.spells), default=None)
    style = render.STATUS_STYLES.get(told["outcome"], "")
    ended = Text.assemble(
        (case.plan.name, "bold"),
        "  ",
        (render.words(told["outcome"]), style),
        f" {local(case.plan, at)}",
        f" in {told['phase']}" if told["phase"] else "",
        f", {span((at - began).total_seconds() / 86_400)} after the fault began" if began and at > began else "",
    )
    why = [Text(told["reason"])] if told["reason"] else []
    return Group(ended, *why, render.history(told["journal"]), *_met(case, told), _rests_on(case))


def many(case: Case, told: dict[str, Any]) -> Group:
    """Many runs: rates with their bounds, delays, and units that met a fault."""
    return Group(Text(_headline(case, told), "bold"), *map(Text, _details(case, told)), _rests_on(case))


def assumption(plan: Plan, traffic: Traffic) -> str:
    """What traffic is taken for granted."""
    rates = ", ".join(_rate(plan.metrics[name], name, rate) for name, rate in traffic.rates.items())
    return f"{traffic.daily:,.0f} {plan.audience.unit}s a day; {rates}"


def _rate(metric: Metric, name: str, rate: float) -> str:
    if metric.value is None:
        return f"{name} {share(rate)}"
    return f"{name} {rate:.3g}{f' {metric.unit}' if metric.unit else ''} on average"


def _headline(case: Case, told: dict[str, Any]) -> str:
    back = sum(told["outcomes"].get(str(status), 0) for status in TAKEN_BACK)
    lead = f"{told['runs']:,} runs"
    if any(not spell.fault.everyone for spell in case.spells):
        kept = told["runs"] - back
        return f"{lead}: {back:,} taken back, {kept:,} not (95 % upper bound {share(_bound(kept, told['runs']))})"
    plural = "" if back == 1 else "s"
    return f"{lead}: {back:,} false revert{plural}, 95 % upper bound {share(_bound(back, told['runs']))}"


def _details(case: Case, told: dict[str, Any]) -> Iterator[str]:
    for name, count in told["outcomes"].items():
        if count:
            low, high = told["intervals"][name]
            yield f"{render.words(name)} {count:,} of {told['runs']:,}, 95 % interval {share(low)} to {share(high)}"
    delay, met = told["revert_delay_minutes"], told["exposed_to_fault"]
    if delay["p50"] is not None:
        p50, p90 = (span(delay[name] / DAY_MINUTES) for name in ("p50", "p90"))
        yield f"stopped {p50} after the fault began (90 %: {p90})"
    if case.spells:
        yield f"{met['p50']:,} {case.plan.audience.unit}s met the fault (90 %: {met['p90']:,})"


def _met(case: Case, told: dict[str, Any]) -> Iterator[Text]:
    units = f"{case.plan.audience.unit}s"
    faults = f", {told['exposed_to_fault']:,} of them while a fault lasted" if case.spells else ""
    yield Text(f"{told['exposed_units']:,} {units} had the candidate{faults}")


def _rests_on(case: Case) -> Text:
    lines = [f"fault: {spell.fault.text}, from {local(case.plan, spell.begins)}" for spell in case.spells]
    return Text("\n".join([*lines, f"with {assumption(case.plan, case.traffic)}; seed {case.seed}"]), "dim")


def _bound(count: int, runs: int) -> float:
    return upper_bound(count, runs, CONFIDENCE)
