"""One rollout as the board tells it: plain values for the templates, in the plan's own zone and words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import log10
from typing import Any

from gates.bounds import lower_bound, upper_bound
from plans.expressions import Condition
from plans.schema import Metric, Plan
from plans.timeline import local
from rollout.blocks import Block, blocks
from rollout.describe import effect, percent, served_exposure, state_name, title
from rollout.model import Bucket, Counts, Finding, RolloutState, Verb, Verdict
from rollout.schedule import due
from state.rows import JournalEntry, Rollout

POINTS = 40
"""Points of a line, each of about as many treatment units: of fewer, chance is all that a line would show."""
TAIL = 0.975
"""Each end of a 95 % interval."""
NO_BREACH = "no breach"
WORST = (Verdict.BREACH, Verdict.INVALID, Verdict.NO_DATA, Verdict.UNPROVEN, Verdict.INSUFFICIENT, Verdict.PASS)
DOING = {
    Verb.START: "begin",
    Verb.ADJUST: "adjust the settings",
    Verb.AWAIT_APPROVAL: "ask for approval",
    Verb.DECIDE: "judge the A/B test",
    Verb.KEEP: "judge the raised setting",
    Verb.REVERT: "give the raised setting up",
    Verb.ADVANCE: "raise exposure",
    Verb.COMPLETE: "be complete",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A rollout in one line of the list; `health` is the worst verdict, None where nothing is judged."""

    name: str
    summary: str
    owner: str
    flag: str
    status: str
    headline: str
    exposure: float
    health: str | None
    next: str
    run: str | None


@dataclass(frozen=True, slots=True)
class Side:
    """One cohort of one criterion: bad of total as shares with their 95 % interval (Clopper-Pearson), in percent."""

    counts: str
    rate: str
    interval: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One criterion; `reached` is the evidence on a logarithmic scale from none (0) to its threshold (1)."""

    criterion: str
    then: str
    verdict: str
    treatment: Side
    control: Side | None
    evidence: str
    reached: float
    reason: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One phase of the plan: `place` is past, present or ahead."""

    name: str
    exposure: str
    hold: str
    place: str
    approval: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One transition in words."""

    at: str
    instant: str
    what: str
    effect: str
    reason: str
    by: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the page of one rollout shows; `charts` are ready for JSON."""

    card: Card
    question: bool
    settings: Mapping[str, Any]
    killed: bool
    since: str
    blocks: Sequence[Block]
    stages: Sequence[Stage]
    criteria: Sequence[Judged]
    journal: Sequence[Line]
    charts: Sequence[dict[str, Any]]


def card(rollout: Rollout, now: datetime, run: str | None) -> Card:
    """A rollout in one line."""
    plan, state = rollout.plan, rollout.state
    return Card(
        name=state.name,
        summary=plan.summary,
        owner=plan.owner,
        flag=state.flag,
        status=str(state.status),
        headline=state_name(plan, state, rollout.evidence, now),
        exposure=served_exposure(state) / 1000,
        health=_health(rollout.evidence.findings) if state.status.live else None,
        next=_next(plan, state, now),
        run=run,
    )


def page(
    rollout: Rollout, journal: Sequence[JournalEntry], buckets: Sequence[Bucket], now: datetime, run: str | None
) -> Page:
    """All of a rollout at an instant."""
    plan, state = rollout.plan, rollout.state
    return Page(
        card=card(rollout, now, run),
        question=state.question > 0 and bool(run) and str(state.status) == "awaiting_approval",
        settings=dict(state.settings),
        killed=state.killed,
        since=local(plan, state.entered or state.since),
        blocks=blocks(plan, state, rollout.evidence, now),
        stages=tuple(_stages(plan, state)),
        criteria=tuple(judged(plan, finding) for finding in rollout.evidence.findings),
        journal=tuple(_line(plan, entry) for entry in reversed(journal)),
        charts=(exposure_chart(plan, journal, now), *rate_charts(plan, buckets)),
    )


def judged(plan: Plan, finding: Finding) -> Judged:
    """A criterion with both cohorts, its rates as the metric reads: 90 % accurate, not 10 % wrong."""
    condition = Condition.parse(finding.criterion)
    metric = plan.metrics[condition.metric]
    show = partial(number_side, metric) if condition.aggregate in {"mean", "total"} else partial(side, metric)
    reached = min(1.0, max(0.0, _log(finding.evidence) / _log(finding.threshold))) if finding.threshold > 1 else 0.0
    against = finding.control if finding.control.total else None
    return Judged(
        criterion=finding.criterion,
        then=str(finding.then),
        verdict=str(finding.verdict),
        treatment=show(finding.treatment),
        control=None if against is None else show(against),
        evidence=f"{finding.evidence:.3g} of {finding.threshold:g}",
        reached=round(reached, 3),
        reason=finding.reason,
    )


def number_side(metric: Metric, counts: Counts) -> Side:
    """One cohort's mean; the interval of what it is compared with is in the reason."""
    if not counts.total:
        return Side("0", "–", "")
    return Side(f"{counts.total:,}", f"{counts.sum / counts.total:,.4g} {metric.unit or ''}".strip(), "")


def side(metric: Metric, counts: Counts) -> Side:
    """One cohort's share with its interval; a dash where nothing was counted."""
    if not counts.total:
        return Side("0 of 0", "–", "")
    n = counts.total
    x = n - counts.bad if metric.counts_good else counts.bad
    low, high = lower_bound(x, n, TAIL), upper_bound(x, n, TAIL)
    return Side(f"{x:,} of {n:,}", f"{x / n:.1%}", f"{low:.1%} to {high:.1%}")


def exposure_chart(plan: Plan, journal: Sequence[JournalEntry], now: datetime) -> dict[str, Any]:
    """Exposure in percent as steps from the first transition to now."""
    steps = [(entry.at, served_exposure(entry.after) / 1000) for entry in journal]
    if steps:
        steps.append((max(now, steps[-1][0]), steps[-1][1]))
    return {
        "title": "Exposure",
        "unit": "%",
        "zone": plan.schedule.timezone or "UTC",
        "stepped": True,
        "at": [at.timestamp() for at, _ in steps],
        "lines": [{"label": "exposed", "values": [value for _, value in steps]}],
    }


def rate_charts(plan: Plan, buckets: Sequence[Bucket]) -> Iterator[dict[str, Any]]:
    """One chart for each of the plan's metrics that was counted, by cohort: shares in percent, means of numbers."""
    counted = {name for bucket in buckets for name in bucket.counts}
    for name, metric in plan.metrics.items():
        if name not in counted:
            continue
        pieces = list(_pieces(buckets, name))
        yield {
            "title": name,
            "unit": (metric.unit or "") if metric.value else "%",
            "zone": plan.schedule.timezone or "UTC",
            "stepped": False,
            "at": [at for at, _, _ in pieces],
            "lines": [
                {"label": "treatment", "values": [_level(metric, counts) for _, counts, _ in pieces]},
                {"label": "control", "values": [_level(metric, counts) for _, _, counts in pieces]},
            ],
        }


def _pieces(buckets: Sequence[Bucket], name: str) -> Iterator[tuple[float, Counts, Counts]]:
    """Buckets told together in about POINTS stretches of as many treatment units, each dated by its end."""
    counted = [bucket for bucket in buckets if name in bucket.counts]
    enough = sum(bucket.counts[name][0].total for bucket in counted) / POINTS
    treatment = control = Counts()
    for bucket in counted:
        treatment, control = treatment + bucket.counts[name][0], control + bucket.counts[name][1]
        if treatment.total >= enough or bucket is counted[-1]:
            yield bucket.end.timestamp(), treatment, control
            treatment = control = Counts()


def _level(metric: Metric, counts: Counts) -> float | None:
    """A share in percent as the metric reads, or the mean of a number; None where nothing was counted."""
    if not counts.total:
        return None
    if metric.value:
        return round(counts.sum / counts.total, 6)
    share = counts.bad / counts.total
    return round(100 * (1 - share if metric.counts_good else share), 3)


def _stages(plan: Plan, state: RolloutState) -> Iterator[Stage]:
    over = str(state.status) == "completed"
    for index, phase in enumerate(plan.phases):
        place = "past" if over or index < state.phase else "present" if index == state.phase else "ahead"
        exposure = percent(plan.exposure(index))
        yield Stage(title(phase.name), exposure, phase.hold.text, place, phase.approval == "required")


def _line(plan: Plan, entry: JournalEntry) -> Line:
    return Line(
        at=local(plan, entry.at),
        instant=entry.at.isoformat(),
        what=str(entry.verb).replace("_", " "),
        effect=effect(plan, entry.before, entry.after),
        reason=entry.reason,
        by=f"{entry.by}, {entry.process}" if entry.by != entry.process else entry.by,
        revision=entry.revision,
    )


def _next(plan: Plan, state: RolloutState, now: datetime) -> str:
    step = due(plan, state, now)
    if step is not None:
        return f"{DOING.get(step.what, str(step.what))} {local(plan, step.at)}"
    return "a person decides" if state.status.live else "nothing: it has ended"


def _health(findings: Iterable[Finding]) -> str | None:
    """The worst verdict of all; None where nothing was judged."""
    seen = {finding.verdict for finding in findings}
    worst = next((verdict for verdict in WORST if verdict in seen), None)
    return NO_BREACH if worst is Verdict.INSUFFICIENT else worst


def _log(value: float) -> float:
    return log10(max(value, 1.0))
