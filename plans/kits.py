"""Metrics and criteria that a plan takes in by name: `use: [llm]`. What the plan says itself wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from plans.conditions import Condition
from plans.schema import Metric, Plan

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kit:
    """Metrics and criteria in the words of a plan file, each criterion on one of its metrics."""

    metrics: Mapping[str, Data]
    criteria: Sequence[Data]


@dataclass(frozen=True, slots=True)
class Taken:
    """One criterion of a plan on a metric that a kit brought, or that the plan wrote in its place."""

    kit: str
    metric: str
    counts: str
    criterion: str
    then: str


LLM = Kit(
    metrics={
        "refusal_rate": {"source": "events", "bad": "refusal", "of": "request"},
        "thumbs_down": {"source": "events", "bad": "thumbs_down", "of": "request"},
        "latency": {"source": "events", "value": "latency", "of": "request", "unit": "ms"},
        "cost": {"source": "events", "value": "cost", "of": "request", "unit": "usd"},
        "judge_score": {"source": "events", "value": "judge_score", "range": [0, 1]},
    },
    criteria=(
        {"when": "refusal_rate > 2x control"},
        {"when": "thumbs_down > 2x control", "then": "hold"},
        {"when": "mean(latency) > 1.5x control", "then": "hold"},
        {"when": "mean(cost) > 1.5x control", "then": "hold"},
        {"when": "mean(judge_score) < 0.9x control", "on_no_data": "ignore"},
    ),
)
"""What is worth watching of any language model: all against control, so that an outage blames nobody."""

KITS: Mapping[str, Kit] = MappingProxyType({"llm": LLM})


def expanded(data: Data) -> dict[str, Any]:
    """A plan's data with what its kits bring; a metric or a criterion that the plan has on that name stands."""
    used = data.get("use")
    kits = [KITS[name] for name in used if isinstance(name, str) and name in KITS] if isinstance(used, list) else []
    plan = dict(data)
    for kit in kits:
        metrics, stop = plan.get("metrics", {}), plan.get("stop", {})
        criteria = stop.get("criteria", []) if isinstance(stop, dict) else None
        if isinstance(metrics, dict) and isinstance(criteria, list):
            plan["metrics"] = {name: dict(metric) for name, metric in kit.metrics.items()} | metrics
            plan["stop"] = {**stop, "criteria": [*criteria, *_wanting(kit, metrics, criteria)]}
    return plan


def taken(plan: Plan) -> tuple[Taken, ...]:
    """Every criterion on a metric of the plan's kits, with how that is counted in this plan."""
    return tuple(
        Taken(name, criterion.when.metric, counts(plan.metrics[criterion.when.metric]), criterion.text, criterion.then)
        for name in dict.fromkeys(plan.use)
        for criterion in plan.stop.criteria
        if criterion.when.metric in KITS[name].metrics
    )


def counts(metric: Metric) -> str:
    """What a metric counts, in words: `refusal of request`, `good: correct of labelled`."""
    if metric.value is not None:
        return f"value of {metric.value}" if metric.value == metric.of else f"value of {metric.value} per {metric.of}"
    return f"{metric.bad} of {metric.of}" if metric.bad else f"good: {metric.good} of {metric.of}"


def _wanting(kit: Kit, metrics: Data, criteria: Sequence[object]) -> Iterator[Data]:
    """The kit's criteria that the plan has none for, on metrics that are still of the kit's kind."""
    own = {left for criterion in criteria for left in _left(criterion)}
    for criterion in kit.criteria:
        for left in _left(criterion):
            written = metrics.get(left[0], kit.metrics[left[0]])
            alike = isinstance(written, Mapping) and ("value" in written) is ("value" in kit.metrics[left[0]])
            if left not in own and alike:
                yield dict(criterion)


def _left(criterion: object) -> Iterator[tuple[str, str | None]]:
    """Metric and aggregate of a criterion as written; nothing where it cannot be read, which is reported elsewhere."""
    written = criterion.get("when") if isinstance(criterion, Mapping) else criterion
    try:
        condition = Condition.parse(str(written))
    except ValueError:
        return
    yield condition.metric, condition.aggregate
