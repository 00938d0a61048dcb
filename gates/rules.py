"""A plan's conditions compiled into rules: which units are counted, against what, and by which test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from gates.asked import Asked, asked
from gates.forms import (
    COMPARING,
    PROVING,
    QUANTILE_SHARES,
    Against,
    Cap,
    Compares,
    Demand,
    Margin,
    Reads,
    Side,
    Tests,
    against_of,
    arms_of,
    compares_of,
    counted_of,
    frozen_tests,
    level_of,
    reads_of,
    side_of,
    tests_of,
)
from gates.sequential import Onset, Rates, Ratios
from gates.unjudged import LASTING, Unsupported, unsupported
from plans.conditions import Condition
from plans.hours import Hours
from plans.schema import Metric, Plan, Then
from plans.timeline import planned_buckets
from rollout.counting import TOTAL, past_key, total_key
from rollout.model import Counts, Role

__all__ = [
    "Against",
    "Cap",
    "Compares",
    "Gate",
    "Margin",
    "Reads",
    "Rule",
    "Side",
    "Unsupported",
    "compile",
    "count",
    "frozen_tests",
    "promised",
    "unsupported",
]

RULES_KEPT = 65_536
SHORTEST = 288  # a day: a plan of minutes that waits for days for its approval must not run out of prior
PROOF_NEEDED = 10.0  # 1/β with β = 0.1


class Begins(StrEnum):
    """When what a rule looks for may have begun: in any bucket, or before the first that it counts."""

    ANY_TIME = "any_time"
    AT_ONCE = "at_once"


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition, ready to be judged; equal conditions of different rollouts share one object.

    `subject` is what the condition names, `error_rate` or `p95(latency)`, and `key` the name of its counts in buckets.
    `tolerated`, `limit` and `baseline` are in the plan's own terms, `patience` is in seconds, of which
    those outside the hours that it `expects` data in do not count. `reads` is what the
    metric reads, `counted` the units that a test of a share counts. Evidence of `threshold` makes a breach: that a
    criterion's limit is crossed, or that a tree's or a decision's condition is established. Where a rule is `lasting`
    its evidence outlives a change of settings; one of a `phase` counts in that alone. `past` says of a quantile what is
    counted: `above 800 ms`.
    """

    text: str
    subject: str
    wanted: str
    metric: str
    key: str
    source: str
    of: str
    named: str
    unit: str
    then: Then
    role: Role
    place: int
    phase: int | None
    min_samples: int
    patience: float
    expects: Hours | None
    reads: Reads
    counted: Reads
    side: Side
    arms: Side
    against: Against
    compares: Compares
    tolerated: float
    limit: float
    baseline: float | None
    tests: Tests
    begins: Begins
    threshold: float
    lasting: bool
    needs_control: bool
    past: str


@dataclass(frozen=True, slots=True)
class Gate:
    """All rules of a plan, its criteria first and in its order, and how its onset prior is spread.

    `spare` is the promise where no rule has a share of it: a plan in which nothing reverts by itself.
    """

    rules: tuple[Rule, ...]
    onset: Onset
    spare: float = 0.0


def compile(plan: Plan) -> Gate:  # noqa: A001 - the word for it, and never imported bare
    """The gate of a plan; raises `Unsupported` where a condition cannot be judged."""
    problems = unsupported(plan)
    if problems:
        raise Unsupported("\n".join(problems))
    alpha = round(1 - plan.stop.confidence, 12)
    threshold = promised(plan) / alpha
    demand = Demand.PROOF if any(phase.advance == "pass" for phase in plan.phases) else Demand.NO_BREACH
    rules = tuple(_rule(one, plan.metrics[one.when.metric], threshold, demand) for one in asked(plan))
    onset = Onset(len(plan.phases), max(SHORTEST, planned_buckets(plan)))
    return Gate(rules, onset, 0.0 if _sharers(plan) else alpha)


def promised(plan: Plan) -> int:
    """How many judgements share the plan's promise: all that may revert or disable by themselves; at least 1."""
    return max(1, _sharers(plan))


def _sharers(plan: Plan) -> int:
    stops = sum(
        criterion.then in LASTING and criterion.test == "sequential" and criterion.when.aggregate != TOTAL
        for criterion in plan.stop.criteria
    )
    decisions = sum(phase.decide is not None for phase in plan.phases)
    return stops + len(plan.tune) + decisions


def count(counts: Counts, reads: Reads) -> int:
    """The units of one cohort that a metric's rate counts; of a number, all."""
    match reads:
        case Reads.BAD:
            return counts.bad
        case Reads.GOOD:
            return counts.total - counts.bad
        case Reads.VALUE:
            return counts.total


def at_frozen(rule: Rule, tests: Ratios, low: float, high: float) -> Rates:
    """A rule's tests against a rate between `low` and `high`; what is to be proved is harder at the other end."""
    return frozen_tests(tests, rule.arms, *((high, low) if rule.role in PROVING else (low, high)))


@lru_cache(maxsize=RULES_KEPT)
def _rule(one: Asked, metric: Metric, threshold: float, demand: Demand) -> Rule:
    condition, against, reads = one.when, against_of(one, metric), reads_of(one, metric)
    subject = f"{condition.aggregate}({condition.metric})" if condition.aggregate else condition.metric
    unit = f" {metric.unit}" if metric.unit else ""
    tolerated, limit = level_of(one)
    needed = _needed(one, threshold)
    decides = one.role in COMPARING or one.role is Role.ASK
    return Rule(
        text=condition.text,
        subject=subject,
        wanted=condition.text.removeprefix(subject).strip(),
        metric=condition.metric,
        key=_key(condition),
        source=metric.source,
        of=metric.value or metric.of,
        named=metric.bad or metric.good or metric.value or "",
        unit=metric.unit or "",
        then=one.then,
        role=one.role,
        place=one.place,
        phase=one.place if decides else None,
        min_samples=one.min_samples,
        patience=one.patience,
        expects=one.expects,
        reads=reads,
        counted=counted_of(one, reads),
        side=side_of(one),
        arms=arms_of(one),
        against=against,
        compares=compares_of(one),
        tolerated=tolerated,
        limit=limit,
        baseline=metric.baseline,
        tests=tests_of(one, metric, needed, demand),
        begins=Begins.AT_ONCE if one.role in PROVING or decides else Begins.ANY_TIME,
        threshold=needed,
        lasting=decides or (one.role is Role.STOP and one.then in LASTING),
        needs_control=against in {Against.CONTROL, Against.HISTORY},
        past=f"above {condition.target.value:g}{unit}" if condition.aggregate in QUANTILE_SHARES else "",
    )


def _key(condition: Condition) -> str:
    if condition.aggregate in QUANTILE_SHARES:
        return past_key(condition.metric, condition.target.value)
    return total_key(condition.metric) if condition.aggregate == TOTAL else condition.metric


def _needed(one: Asked, threshold: float) -> float:
    """The evidence of a breach: for looks their number, for a cap the sum, for what is proved that of every pass."""
    if one.when.aggregate == TOTAL:
        return one.when.target.value
    if one.streak is not None:
        return float(one.streak.needed)
    return PROOF_NEEDED if one.role in PROVING else threshold
