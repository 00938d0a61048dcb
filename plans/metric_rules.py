"""What must hold of metrics and of the conditions on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import inf

from plans.conditions import METRIC_NAME, Condition, Target, TargetKind
from plans.parts import Parts
from plans.problems import Fault, Path, Severity, suggestion
from plans.schema import Criterion, Metric, Then

EVENT = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUANTILES = frozenset({"p50", "p90", "p95", "p99"})
PER_DAY = " per day"


def metrics(parts: Parts) -> Iterator[Fault]:
    """Each metric counts one thing, in terms that its source understands."""
    for name in sorted(parts.metric_names):
        if re.fullmatch(METRIC_NAME, name) is None:
            yield Fault(
                ("metrics", name), "does not fit; name a metric with a letter, then letters, digits, `_` or `-`"
            )
    for name, metric in parts.metrics.items():
        place: Path = ("metrics", name)
        if parts.knows(place):
            yield from _one_count(metric, place)
        yield from _numbers_only(metric, place)
        yield from _event_names(metric, place)
        yield from _baseline(metric, place)


def conditions(parts: Parts) -> Iterator[Fault]:
    """Each condition is on a known metric, in a form and a unit that fit it."""
    for path, condition in parts.conditions():
        if condition.metric not in parts.metric_names:
            known = parts.metric_names
            yield Fault(path, f"no metric {condition.metric!r} is declared; {suggestion(condition.metric, known)}")
        elif (metric := parts.metrics.get(condition.metric)) and parts.knows(("metrics", condition.metric)):
            misfit = _number_misfit if metric.value else _share_misfit
            if message := misfit(condition, metric):
                yield Fault(path, message)


def limits(parts: Parts) -> Iterator[Fault]:
    """A stopping criterion's limit lies where a healthy candidate does not cross it, its tolerance before it."""
    for index, criterion in parts.criteria:
        place: Path = ("stop", "criteria", index)
        if message := _limit_misfit(criterion.when):
            yield Fault(place, message)
        elif message := _tolerance_misfit(criterion):
            yield Fault((*place, "tolerate"), message)
        metric = parts.metrics.get(criterion.when.metric)
        if metric and (message := _direction(criterion, metric)):
            yield Fault(place, message, Severity.WARNING)


def _one_count(metric: Metric, place: Path) -> Iterator[Fault]:
    named = [word for word in ("bad", "good", "value") if getattr(metric, word) is not None]
    if not named:
        yield Fault(place, "counts nothing; add `bad: error`, `good: correct` or `value: latency`")
    if len(named) > 1:
        yield Fault(place, f"has {' and '.join(named)}; keep one of them")


def _numbers_only(metric: Metric, place: Path) -> Iterator[Fault]:
    if metric.value is None:
        for word in ("unit", "range"):
            if getattr(metric, word) is not None:
                yield Fault((*place, word), f"a share has no {word}; remove it, or count a `value`")
    elif metric.range is not None and metric.range[0] >= metric.range[1]:
        low, high = metric.range
        yield Fault((*place, "range"), f"[{low:g}, {high:g}] is empty; write the lower bound first")


def _event_names(metric: Metric, place: Path) -> Iterator[Fault]:
    if metric.source != "events":
        return
    for word in ("bad", "good", "value", "of"):
        name = getattr(metric, word)
        if name is not None and EVENT.fullmatch(name) is None:
            message = f"{name!r} is no event; name it with letters, digits, `.`, `_` or `-`, or use another source"
            yield Fault((*place, word), message)
        if word in {"bad", "good"} and name == metric.of:
            yield Fault((*place, word), f"{name!r} is counted of itself, which is always 100%; name another event")


def _baseline(metric: Metric, place: Path) -> Iterator[Fault]:
    if metric.baseline is None:
        return
    if metric.value is None and not 0 < metric.baseline < 1:
        yield Fault(
            (*place, "baseline"), f"{metric.baseline:g} is no share; write a number between 0 and 1, such as 0.02"
        )
    if metric.range and not metric.range[0] <= metric.baseline <= metric.range[1]:
        yield Fault((*place, "baseline"), f"{metric.baseline:g} is outside the metric's own range")


def _share_misfit(condition: Condition, metric: Metric) -> str | None:
    target = condition.target
    if condition.aggregate:
        return f"{condition.metric} is a share, which has no {condition.aggregate}; write `{condition.metric}` alone"
    if target.unit not in {None, "pp"}:
        return f"{condition.metric} is a share, not a number of {target.unit}; write a percentage such as 5%"
    if target.kind is TargetKind.DIFFERENCE and target.value and target.unit is None:
        return f"{condition.metric} is a share; write the difference in percentage points, such as `control + 2pp`"
    if target.kind in {TargetKind.SHARE, TargetKind.NUMBER} and not 0 < target.value < 1:
        return "the limit always or never holds; write a share between 0% and 100%"
    if target.kind is TargetKind.DIFFERENCE and not -1 < target.value < 1:
        return "no two shares differ by 100% or more; write a smaller difference"
    del metric
    return None


def _number_misfit(condition: Condition, metric: Metric) -> str | None:
    target, name = condition.target, condition.metric
    if condition.aggregate is None:
        return f"{name} is a number; say which: `p95({name})` or `mean({name})`"
    if target.kind is TargetKind.SHARE or target.unit == "pp":
        return f"{name} is a number, not a share; write a number{_in(metric)} or a ratio such as `1.2x control`"
    if condition.aggregate == "total":
        return _total_misfit(condition, metric)
    if target.unit and target.unit != metric.unit:
        remedy = f"write it in {metric.unit}" if metric.unit else f"add `unit: {target.unit}` to metrics.{name}"
        return f"the limit is in {target.unit}, {name} in {metric.unit or 'no unit'}; {remedy}"
    return _out_of_range(target, metric)


def _total_misfit(condition: Condition, metric: Metric) -> str | None:
    unit = condition.target.unit or ""
    if condition.target.kind is not TargetKind.NUMBER or not unit.endswith(PER_DAY):
        return f"a total is held against a number per day; write `{metric.unit or 'usd'} per day` after it"
    if metric.unit and unit.removesuffix(PER_DAY) != metric.unit:
        return f"the limit is in {unit}, {condition.metric} in {metric.unit}; write it in {metric.unit}"
    return None


def _out_of_range(target: Target, metric: Metric) -> str | None:
    low, high = metric.range or (-inf, inf)
    if target.kind is TargetKind.NUMBER and low < high and not low <= target.value <= high:
        return f"{target.value:g} is outside the metric's range [{low:g}, {high:g}]; write a limit inside it"
    return None


def _limit_misfit(condition: Condition) -> str | None:
    target, more = condition.target, condition.worse_is_more
    if target.kind is TargetKind.RATIO and (target.value < 1 if more else not 0 < target.value <= 1):
        side = "1x or more" if more else "between 0x and 1x"
        return f"a candidate that equals {target.reference} would be stopped; write a ratio of {side}"
    if target.kind is TargetKind.DIFFERENCE and not target.value:
        margin = f"`{'1.5x' if more else '0.8x'} {target.reference}`"
        return f"an equal candidate crosses this limit half of the time; write a margin, such as {margin}"
    if target.kind is TargetKind.DIFFERENCE and (target.value < 0) is more:
        return f"a candidate that equals {target.reference} would be stopped; change the sign"
    return None


def _tolerance_misfit(criterion: Criterion) -> str | None:
    tolerate, limit = criterion.tolerate, criterion.when.target.value
    if tolerate is None:
        return None
    if criterion.when.target.kind is TargetKind.DIFFERENCE:
        return "a difference takes no tolerance; remove it, or write a ratio"
    if tolerate > limit if criterion.when.worse_is_more else tolerate < limit:
        return f"{tolerate:g} is beyond the limit of {limit:g}; tolerate something on its harmless side"
    return None


def _direction(criterion: Criterion, metric: Metric) -> str | None:
    """A criterion that breaches where the metric reads well; one that only notifies may mean it."""
    worse = criterion.when.worse_is_more
    if criterion.then is Then.NOTIFY or metric.value is not None or (metric.bad is None and metric.good is None):
        return None
    if worse is (metric.good is not None):
        other = "<" if worse else ">"
        return f"this stops the rollout when {criterion.when.metric} reads well; did you mean {other!r}?"
    return None


def _in(metric: Metric) -> str:
    return f" of {metric.unit}" if metric.unit else ""
