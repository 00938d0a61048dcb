"""A plan's stopping criteria compiled into rules: which units are counted, against what, and by which test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import sqrt

from gates.sequential import (
    Onset,
    Rates,
    Ratios,
    better_rate,
    better_ratio,
    fixed_complements,
    fixed_rates,
    worse_rate,
    worse_ratio,
)
from plans.expressions import Reference, TargetKind
from plans.schema import Criterion, Metric, Plan, Then
from plans.timeline import planned_buckets
from rollout.model import Counts

LASTING = frozenset({Then.REVERT, Then.DISABLE})
RULES_KEPT = 65_536
SHORTEST = 288  # a day: a plan of minutes that waits for days for its approval must not run out of prior


class Unsupported(ValueError):
    """The plan holds something that no gate can judge; the message lists every such thing, one a line."""


class Side(StrEnum):
    """On which side of the limit the breach lies."""

    ABOVE = "above"
    BELOW = "below"


class Reads(StrEnum):
    """Which units a metric's rate counts: the bad ones, or those that stayed good."""

    BAD = "bad"
    GOOD = "good"


class Demand(StrEnum):
    """What the phases of a plan ask of a criterion: that it is not breached, or proof that its limit is kept."""

    NO_BREACH = "no_breach"
    PROOF = "proof"


class Against(StrEnum):
    """What a criterion's limit is relative to."""

    CONTROL = "control"  # the concurrent control cohort, frozen at 100 %
    HISTORY = "history"  # control's rate over the earlier phases, frozen at each new one
    BASELINE = "baseline"  # the metric's own, a number
    NOTHING = "nothing"  # the limit is a share by itself


@dataclass(frozen=True, slots=True)
class Rule:
    """One criterion, ready to be judged; equal criteria of different rollouts share one object.

    `tolerated`, `limit` and `baseline` are in the plan's own terms, `patience` is in seconds. `reads` are the units in
    the metric's rate, `counted` those that the criterion dislikes. Evidence of `threshold` makes a breach. Where the
    consequence is `lasting`, to revert or disable, evidence outlives a change of settings and carries the promise.
    """

    text: str
    wanted: str
    metric: str
    source: str
    of: str
    named: str
    then: Then
    min_samples: int
    patience: float
    reads: Reads
    counted: Reads
    side: Side
    against: Against
    tolerated: float
    limit: float
    baseline: float | None
    tests: Ratios | Rates
    threshold: float
    lasting: bool
    needs_control: bool


@dataclass(frozen=True, slots=True)
class Gate:
    """All rules of a plan, in its order, and how its onset prior is spread."""

    rules: tuple[Rule, ...]
    onset: Onset


def compile(plan: Plan) -> Gate:  # noqa: A001 - the word for it, and never imported bare
    """The gate of a plan; raises `Unsupported` where a criterion cannot be judged."""
    problems = unsupported(plan)
    if problems:
        raise Unsupported("\n".join(problems))
    threshold = promised(plan) / round(1 - plan.stop.confidence, 12)
    demand = Demand.PROOF if any(phase.advance == "pass" for phase in plan.phases) else Demand.NO_BREACH
    rules = tuple(
        _rule(criterion, plan.metrics[criterion.when.metric], _patience(plan, criterion), threshold, demand)
        for criterion in plan.stop.criteria
    )
    return Gate(rules, Onset(len(plan.phases), max(SHORTEST, planned_buckets(plan))))


def promised(plan: Plan) -> int:
    """How many judgements share the plan's promise: all that may revert or disable by themselves; at least 1."""
    stops = sum(criterion.then in LASTING and criterion.test == "sequential" for criterion in plan.stop.criteria)
    decisions = sum(phase.decide is not None for phase in plan.phases)
    return max(1, stops + len(plan.tune) + decisions)


def count(counts: Counts, reads: Reads) -> int:
    """The units of one cohort that a metric's rate counts."""
    return counts.bad if reads is Reads.BAD else counts.total - counts.bad


def frozen_tests(tests: Ratios, side: Side, low: float, high: float) -> Rates:
    """A ratio limit's tests against a rate between `low` and `high`, each at the bound where it finds it harder."""
    at_rate, breach, proof = (fixed_rates, high, low) if side is Side.ABOVE else (fixed_complements, low, high)
    return Rates(at_rate(tests.breach, breach), tests.proof and at_rate(tests.proof, proof))


def unsupported(plan: Plan) -> tuple[str, ...]:
    """Everything in the plan that would go unjudged, one sentence each; empty where all of it is judged."""
    problems = [
        f"stop.criteria[{index}] `{criterion.text}`: {problem}"
        for index, criterion in enumerate(plan.stop.criteria)
        for problem in _problems(criterion, plan.metrics[criterion.when.metric])
    ]
    if not 0 < plan.stop.confidence < 1:
        problems.append(f"stop.confidence: {plan.stop.confidence:.4g} cannot be promised; use a share such as 95%")
    problems += [
        f"tune[{index}]: the confidence-threshold tree is not judged yet; remove it" for index in range(len(plan.tune))
    ]
    problems += [
        f"phases[{index}].decide: the A/B decision is not judged yet; use `approval: required`"
        for index, phase in enumerate(plan.phases)
        if phase.decide
    ]
    return tuple(problems)


def _problems(criterion: Criterion, metric: Metric) -> list[str]:
    """Why a criterion cannot be judged; the first reason of each kind."""
    form = _unjudged_form(criterion, metric)
    if form:
        return [form]
    return [problem for problem in (_bad_limit(criterion, metric), _bad_tolerance(criterion)) if problem]


def _unjudged_form(criterion: Criterion, metric: Metric) -> str | None:
    target = criterion.when.target
    if criterion.when.aggregate or metric.value:
        return "percentiles, means and totals are not judged yet; count units past a limit as `bad` instead"
    if target.kind is TargetKind.DIFFERENCE:
        return f"differences from {target.reference or 'control'} are not judged yet; use a ratio: `> 1.2x control`"
    if target.kind is TargetKind.NUMBER and target.unit:
        return f"a share is compared with a share, not with {target.unit}; write `85%`"
    if criterion.test == "threshold" or criterion.for_:
        return "`test: threshold` is not judged yet; leave `test` and `for` out"
    return None


def _bad_limit(criterion: Criterion, metric: Metric) -> str | None:
    limit, side = criterion.when.target.value, _side(criterion)
    if criterion.when.target.kind is not TargetKind.RATIO:
        return None if 0 < limit < 1 else f"a share limit lies between 0% and 100%; {limit:.4g} always or never holds"
    if (limit < 1) if side is Side.ABOVE else not (0 < limit <= 1):
        return f"would stop a candidate that equals {criterion.when.target.reference}; the limit is past 1x"
    if metric.baseline is not None and not 0 < metric.baseline * max(limit, 1) < 1:
        return f"{limit:g} times the metric's baseline of {metric.baseline:g} is no share between 0% and 100%"
    return None


def _bad_tolerance(criterion: Criterion) -> str | None:
    limit, tolerate = criterion.when.target.value, criterion.tolerate
    if tolerate is None:
        return None
    beyond = tolerate > limit if _side(criterion) is Side.ABOVE else tolerate < limit
    share = criterion.when.target.kind is not TargetKind.RATIO
    if beyond or tolerate <= 0 or (share and tolerate >= 1):
        return f"`tolerate: {tolerate:g}` does not lie on the harmless side of the limit {limit:g}"
    return None


@lru_cache(maxsize=RULES_KEPT)
def _rule(criterion: Criterion, metric: Metric, patience: float, threshold: float, demand: Demand) -> Rule:
    reads = Reads.BAD if metric.bad else Reads.GOOD
    side, against = _side(criterion), _against(criterion, metric)
    tolerated, limit = _tolerated(criterion), criterion.when.target.value
    return Rule(
        text=criterion.text,
        wanted=criterion.text.removeprefix(criterion.when.metric).strip(),
        metric=criterion.when.metric,
        source=metric.source,
        of=metric.of,
        named=metric.bad or metric.good or "",
        then=criterion.then,
        min_samples=criterion.min_samples,
        patience=patience,
        reads=reads,
        counted=reads if side is Side.ABOVE else _other(reads),
        side=side,
        against=against,
        tolerated=tolerated,
        limit=limit,
        baseline=metric.baseline,
        tests=_tests(criterion, metric, tolerated, limit, demand),
        threshold=threshold,
        lasting=criterion.then in LASTING,
        needs_control=against in {Against.CONTROL, Against.HISTORY},
    )


def _tests(criterion: Criterion, metric: Metric, tolerated: float, limit: float, demand: Demand) -> Ratios | Rates:
    """Where the breach lies below, the arms of a ratio are swapped and a share is counted in its complement."""
    side, target, proves = _side(criterion), criterion.when.target, demand is Demand.PROOF
    if target.kind is not TargetKind.RATIO:
        if side is Side.BELOW:
            tolerated, limit = round(1 - tolerated, 12), round(1 - limit, 12)
        return Rates(worse_rate(tolerated, limit), better_rate(limit) if proves else None)
    if side is Side.BELOW:
        tolerated, limit = 1 / tolerated, 1 / limit
    tests = Ratios(worse_ratio(tolerated, limit), better_ratio(limit) if proves else None)
    if target.reference is Reference.BASELINE and metric.baseline is not None:
        return frozen_tests(tests, side, metric.baseline, metric.baseline)
    return tests


def _tolerated(criterion: Criterion) -> float:
    """What is never stopped: the plan's `tolerate`, else half way to a ratio limit, else the share limit itself.

    Half way is the midpoint from 1x; where the breach lies below, of the swapped ratio. A baseline does not cancel an
    outage that everybody shares, so there it is the geometric middle, the square root of the limit.
    """
    limit = criterion.when.target.value
    if criterion.tolerate is not None:
        return criterion.tolerate
    if criterion.when.target.kind is not TargetKind.RATIO:
        return limit
    if criterion.when.target.reference is Reference.BASELINE:
        return sqrt(limit)
    return (1 + limit) / 2 if _side(criterion) is Side.ABOVE else 2 / (1 + 1 / limit)


def _against(criterion: Criterion, metric: Metric) -> Against:
    target = criterion.when.target
    if target.kind is not TargetKind.RATIO:
        return Against.NOTHING
    if target.reference is not Reference.BASELINE:
        return Against.CONTROL
    return Against.HISTORY if metric.baseline is None else Against.BASELINE


def _patience(plan: Plan, criterion: Criterion) -> float:
    return (criterion.no_data_after or plan.stop.no_data_after).timedelta.total_seconds()


def _side(criterion: Criterion) -> Side:
    return Side.ABOVE if criterion.when.worse_is_more else Side.BELOW


def _other(reads: Reads) -> Reads:
    return Reads.GOOD if reads is Reads.BAD else Reads.BAD
