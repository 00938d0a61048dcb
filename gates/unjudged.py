"""What of a valid plan would go unjudged, so that it is refused and not forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from gates.asked import Asked, asked
from gates.forms import COMPARING, PROVING, QUANTILE_SHARES, Compares, Side, compares_of, side_of
from plans.schema import Criterion, Metric, Plan, Then
from rollout.counting import EVENTS, TOTAL
from rollout.model import Role

LASTING = frozenset({Then.REVERT, Then.DISABLE})


class Unsupported(ValueError):
    """The plan holds something that no gate can judge; the message lists every such thing, one a line."""


def unsupported(plan: Plan) -> tuple[str, ...]:
    """Everything in the plan that would go unjudged, one sentence each; empty where all of it is judged."""
    problems = [
        f"{one.where} `{one.when.text}`: {problem}"
        for one in asked(plan)
        for problem in _problems(one, plan.metrics[one.when.metric])
    ]
    problems += [
        f"stop.criteria[{place}] `{criterion.text}`: {problem}"
        for place, criterion in enumerate(plan.stop.criteria)
        for problem in _misplaced(criterion)
    ]
    if not 0 < plan.stop.confidence < 1:
        problems.append(f"stop.confidence: {plan.stop.confidence:.4g} cannot be promised; use a share such as 95%")
    return tuple(problems)


def _problems(one: Asked, metric: Metric) -> list[str]:
    """Why a condition cannot be judged; the first reason of each kind."""
    form = _unjudged_form(one, metric)
    if form:
        return [form]
    return [problem for problem in (_bad_limit(one, metric), _bad_tolerance(one, metric)) if problem]


def _unjudged_form(one: Asked, metric: Metric) -> str | None:
    aggregate, compares = one.when.aggregate, compares_of(one)
    if metric.value is not None and metric.source != EVENTS:
        return f"numbers are judged of `events` only; let {metric.source} count units past a limit as `bad`"
    if aggregate in QUANTILE_SHARES:
        return _unjudged_quantile(one, compares)
    if aggregate == TOTAL:
        return _unjudged_total(one, compares)
    if metric.value is None and compares is Compares.LEVEL and one.when.target.unit:
        return f"a share is compared with a share, not with {one.when.target.unit}; write `85%`"
    return None


def _unjudged_quantile(one: Asked, compares: Compares) -> str | None:
    if compares is not Compares.LEVEL:
        reference = one.when.target.reference
        return f"a quantile is held against a number, not against {reference}; write one, such as `> 800ms`"
    if one.tolerate is not None:
        return "a quantile tolerates its own share of units past the limit; leave `tolerate` out"
    return None


def _unjudged_total(one: Asked, compares: Compares) -> str | None:
    if one.role is not Role.STOP or compares is not Compares.LEVEL or side_of(one) is Side.BELOW:
        return "a total is a cap on one day's sum; write `total(cost) > 500 usd per day` as a criterion"
    if one.streak is not None or one.tolerate is not None:
        return "a cap is reached or not; leave `test`, `for` and `tolerate` out"
    return None


def _misplaced(criterion: Criterion) -> Iterator[str]:
    if criterion.for_ and criterion.test != "threshold":
        yield "`for` counts looks, which only `test: threshold` does; add that, or leave `for` out"
    if criterion.tolerate is not None and criterion.test == "threshold":
        yield "`test: threshold` tolerates nothing short of its limit; leave `tolerate` out"


def _bad_limit(one: Asked, metric: Metric) -> str | None:
    limit, side = one.when.target.value, side_of(one)
    match compares_of(one):
        case Compares.DIFFERENCE:
            return _bad_difference(one)
        case Compares.LEVEL:
            if metric.value is not None or 0 < limit < 1:
                return None
            return f"a share limit lies between 0% and 100%; {limit:.4g} always or never holds"
    if one.role in PROVING or one.role in COMPARING:
        return None if limit > 0 else "a ratio of 0 is never reached; write one above 0x"
    if (limit < 1) if side is Side.ABOVE else not (0 < limit <= 1):
        return f"would stop a candidate that equals {one.when.target.reference}; the limit is past 1x"
    if metric.baseline is not None and not 0 < metric.baseline * max(limit, 1) < 1 and metric.value is None:
        return f"{limit:g} times the metric's baseline of {metric.baseline:g} is no share between 0% and 100%"
    return None


def _bad_difference(one: Asked) -> str | None:
    limit, reference = one.when.target.value, one.when.target.reference
    if one.role not in {Role.STOP, Role.TUNE_WHEN} or (limit > 0 if side_of(one) is Side.ABOVE else limit < 0):
        return None
    return f"would stop a candidate that equals {reference}; write a difference on the harmful side"


def _bad_tolerance(one: Asked, metric: Metric) -> str | None:
    limit, tolerate = one.when.target.value, one.tolerate
    if tolerate is None:
        return None
    if compares_of(one) is Compares.DIFFERENCE:
        return "a difference takes no tolerance: half of it is tolerated; remove it, or write a ratio"
    beyond = tolerate > limit if side_of(one) is Side.ABOVE else tolerate < limit
    share = compares_of(one) is not Compares.RATIO and metric.value is None
    if beyond or tolerate <= 0 or (share and tolerate >= 1):
        return f"`tolerate: {tolerate:g}` does not lie on the harmless side of the limit {limit:g}"
    return None
