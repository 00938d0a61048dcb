"""One rollout as the board tells it: plain values for the templates, in the plan's own zone and words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from math import log10
from typing import Any

from gates.bounds import lower_bound, upper_bound
from plans.approval import demanded, demanding
from plans.expressions import Condition
from plans.schema import Metric, Plan
from plans.timeline import local
from rollout.approving import amendment, lapsing, progress, standing
from rollout.blocks import Block, blocks
from rollout.describe import effect, percent, served_exposure, state_name, title
from rollout.incidents import Incident, in_force, said, utc
from rollout.model import Bucket, Counts, Finding, RolloutState, Status, Verb, Verdict
from rollout.obstacles import incident_words
from rollout.schedule import due
from rollout.series import Chart, exposure_chart, rate_charts
from state.rows import JournalEntry, Rollout

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


@dataclass(frozen=True, slots=True)
class Declared:
    """An incident that lasts."""

    number: int
    scope: str
    words: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the page of one rollout shows; `charts` are ready for JSON."""

    card: Card
    question: bool
    asked: Sequence[str]
    amendment: Sequence[str]
    settings: Mapping[str, Any]
    killed: bool
    incident: Declared | None
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
        asked=tuple(_asked(plan, state)),
        amendment=tuple(_amendment(plan, state)),
        settings=dict(state.settings),
        killed=state.killed,
        incident=_lasting(plan, state, now),
        since=local(plan, state.entered or state.since),
        blocks=blocks(plan, state, rollout.evidence, now),
        stages=tuple(_stages(plan, state)),
        criteria=tuple(judged(plan, finding) for finding in rollout.evidence.findings),
        journal=tuple(line(plan, entry) for entry in reversed(journal)),
        charts=[asdict(chart) for chart in charts(plan, journal, buckets, now)],
    )


def _asked(plan: Plan, state: RolloutState) -> Iterator[str]:
    """The open question: what is asked, whose yes it takes and who has given it, and when it lapses."""
    if state.status is Status.AWAITING_APPROVAL:
        leaving, entering = (title(phase.name) for phase in plan.phases[state.phase : state.phase + 2])
        yield f"may {leaving} end and {entering} begin, {percent(plan.exposure(state.phase + 1))}?"
        yield from filter(None, (state.reason, *standing(plan, state)))


def _amendment(plan: Plan, state: RolloutState) -> Iterator[str]:
    """The amendment that waits for an approval: whose it is and why, and whose yes it takes."""
    if state.proposal is not None:
        yield f"amendment {state.proposal.digest[:12]} by {state.proposal.by}: {state.proposal.reason}"
        if demanding(plan):
            yield f"it takes {demanded(plan)}"
            yield progress(plan, amendment(state))


def declared(incidents: Iterable[Incident], now: datetime) -> tuple[Declared, ...]:
    """Those of the incidents that last, in UTC: they are about rollouts of many zones."""
    return tuple(
        Declared(one.number, one.scope, _sentence(said(one, utc(one.since), utc(one.over_at))), one.by)
        for one in incidents
        if one.spans(now)
    )


def charts(plan: Plan, journal: Sequence[JournalEntry], buckets: Sequence[Bucket], now: datetime) -> tuple[Chart, ...]:
    """Exposure, then each metric by cohort."""
    return (exposure_chart(plan, [(entry.at, entry.after) for entry in journal], now), *rate_charts(plan, buckets))


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


def _lasting(plan: Plan, state: RolloutState, now: datetime) -> Declared | None:
    """The incident that keeps a rollout from growing, in the plan's own zone."""
    one, words = in_force(state.incident, now), incident_words(plan, state, now)
    return Declared(one.number, one.scope, _sentence(words), one.by) if one and words and state.status.live else None


def _sentence(words: str) -> str:
    """`since …: no growth until … (why)` behind the incident's own name."""
    words = words.removeprefix("incident ")
    return f"{words[0].upper()}{words[1:]}."


def _stages(plan: Plan, state: RolloutState) -> Iterator[Stage]:
    over = str(state.status) == "completed"
    for index, phase in enumerate(plan.phases):
        place = "past" if over or index < state.phase else "present" if index == state.phase else "ahead"
        exposure = percent(plan.exposure(index))
        yield Stage(title(phase.name), exposure, phase.hold.text, place, phase.approval is not None)


def line(plan: Plan, entry: JournalEntry) -> Line:
    """A transition in words."""
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
    if lapse := lapsing(plan, state):
        return f"a person decides until {local(plan, lapse.at)}, when the question lapses: {lapse.then}"
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
