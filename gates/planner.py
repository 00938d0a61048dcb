"""What a plan's criteria will notice, in which phase and how soon, worked out before anyone is exposed.

A fault of size N means N times as many units with the outcome that the criterion dislikes: N times the errors, N times
the answers that are not correct. Units are those of `audience.size`; each of them comes once a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from gates.chances import MOST_LOOKS
from gates.power import Detection
from gates.reckoning import DAY, WORST, Reckoned, Stretch, Traffic, seen, soon, until_pass
from gates.rules import Compares, Reads, Rule, Side, compile, promised, unsupported  # noqa: A004
from gates.spreads import usual_mean
from gates.streaks import Streak
from plans.conditions import Condition
from plans.hours import Hours, expected
from plans.schema import Criterion, Metric, Plan
from plans.timeline import What, timeline
from rollout.counting import QUANTILES
from rollout.model import FULL

__all__ = [
    "DAY",
    "FAULTS",
    "Forecast",
    "Noticed",
    "Outlook",
    "Stretch",
    "Traffic",
    "assumed",
    "faulty",
    "forecast",
    "usual",
]

FAULTS = (2.0, 3.0, 5.0, 10.0)
ASSUMED_SIZE = 20_000
ERRORS, COMPLAINTS, GOOD = 0.02, 0.001, 0.9
FOREVER = 400.0  # days, from which on hours of the week are an average


class Noticed(NamedTuple):
    """A fault of `times` the usual: the metric's `rate` or mean, days until it is noticed, units who meet it by then.

    `past` says that the rate lies past the criterion's limit. Units are those at `days.t50` and at `days.t90`.
    """

    times: float
    rate: float
    past: bool
    days: Detection
    units: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Outlook:
    """One criterion in one phase: what it would notice, and the typical days until its `pass` while all is well.

    `broken` says that the usual lies past the limit already. `alarm_days` are those in which half of all healthy
    rollouts breach it: a promise keeps them away, but looks have none.
    """

    stretch: Stretch
    rule: Rule
    faults: tuple[Noticed, ...]
    pass_days: float
    broken: bool = False
    alarm_days: float = inf

    @property
    def telling(self) -> Noticed | None:
        """The smallest fault past the limit: what the criterion is there for."""
        return next((fault for fault in self.faults if fault.past), None)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A plan's outlooks, phase by phase; `unjudged` says what of the plan has none, and why.

    `hours` are those in which units come, of the criteria that expect data in some alone.
    """

    plan: Plan
    traffic: Traffic
    stretches: tuple[Stretch, ...]
    rules: tuple[Rule, ...]
    outlooks: tuple[Outlook, ...]
    unjudged: tuple[str, ...]
    hours: Mapping[str, Hours]


def assumed(plan: Plan, daily: int | None = None) -> Traffic:
    """The plan's audience and baselines; else 20,000 units a day, 2 % errors, 0.1 % complaints, 90 % good."""
    per_day = daily or plan.audience.size or ASSUMED_SIZE
    rates = {
        name: usual(name, metric) if metric.value is None else usual_mean(plan, name, per_day)
        for name, metric in plan.metrics.items()
    }
    return Traffic(per_day, rates, {name: metric.range for name, metric in plan.metrics.items() if metric.range})


def usual(name: str, metric: Metric) -> float:
    """A metric's rate while nothing is wrong, in its own terms."""
    if metric.baseline is not None:
        return metric.baseline
    if metric.bad is None:
        return GOOD
    return COMPLAINTS if "complain" in f"{name} {metric.bad}".lower() else ERRORS


def forecast(plan: Plan, submitted: datetime, traffic: Traffic) -> Forecast:
    """What each criterion would notice in each phase that exposes anyone, of a plan submitted at an instant."""
    stretches = tuple(_stretches(plan, submitted, traffic.daily))
    rules, unjudged = _rules(plan)
    outlooks = tuple(
        _outlook(plan, rule, stretch, traffic) for stretch in stretches if stretch.exposure for rule in rules
    )
    return Forecast(plan, traffic, stretches, rules, outlooks, unjudged, _hours(plan))


def faulty(usual_rate: float, times: float, *, good: bool) -> float:
    """A metric's rate under a fault: `times` as many units that turn bad, or that miss what is good; at most 99 %.

    Below 1, `times` of a good metric scales the metric itself: 0.9 times an accuracy of 90 % is 81 %.
    """
    if not good:
        return min(usual_rate * times, max(WORST, usual_rate))
    return usual_rate * times if times < 1 else max(1 - (1 - usual_rate) * times, min(1 - WORST, usual_rate))


def _rules(plan: Plan) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules of all criteria that can be forecast, and why the others cannot."""
    kept: list[Criterion] = []
    problems: list[str] = []
    for criterion in plan.stop.criteria:
        alone = _judging(plan, [criterion])
        found = [problem.replace("stop.criteria[0] ", "") for problem in unsupported(alone)]
        if not found and (why := _unforeseen(compile(alone).rules[0], plan.metrics[criterion.when.metric])):
            found = [f"`{criterion.text}`: {why}"]
        problems += found
        if not found:
            kept.append(criterion)
    return (compile(_judging(plan, kept)).rules if kept else ()), tuple(problems)


def _unforeseen(rule: Rule, metric: Metric) -> str | None:
    """Why nothing can be said of a criterion beforehand; None where something can."""
    if isinstance(rule.tests, Streak) and rule.tests.looks > MOST_LOOKS:
        return f"the wait for `for: {rule.tests.needed} of {rule.tests.looks}` is worked out up to {MOST_LOOKS} looks"
    if rule.reads is Reads.VALUE and rule.compares is Compares.DIFFERENCE and metric.baseline is None:
        return f"how large a difference is depends on the usual mean; give {rule.metric} its `baseline`"
    return None


def _judging(plan: Plan, criteria: list[Criterion]) -> Plan:
    """The plan with these criteria and without trees and decisions."""
    phases = tuple(phase.model_copy(update={"decide": None}) for phase in plan.phases)
    stop = plan.stop.model_copy(update={"criteria": tuple(criteria)})
    return plan.model_copy(update={"stop": stop, "tune": (), "phases": phases})


def _stretches(plan: Plan, submitted: datetime, daily: float) -> Iterator[Stretch]:
    steps = timeline(plan, submitted)
    begins = [step.at for step in steps if step.what is What.PHASE]
    controlled = treated = 0.0
    for index, (begun, ends) in enumerate(zip(begins, [*begins[1:], steps[-1].at], strict=True)):
        stretch = Stretch(index, plan.phases[index].name, begun, ends, plan.exposure(index), controlled, treated)
        yield stretch
        share = stretch.exposure / FULL
        controlled += daily * stretch.days * (1 - share)
        treated += daily * stretch.days * share


def _outlook(plan: Plan, rule: Rule, stretch: Stretch, traffic: Traffic) -> Outlook:
    hours = _hours(plan).get(rule.text)
    past = next(_quantiles(plan, rule), None)
    threshold = promised(plan) / round(1 - plan.stop.confidence, 12)
    one = Reckoned(rule, stretch, traffic, threshold, len(plan.phases), past, _open(hours))
    faults = tuple(_noticed(plan, one, hours, times) for times in FAULTS)
    alarm = soon(one, one.usual).t50 if isinstance(rule.tests, Streak) else inf
    passes = _by_calendar(hours, stretch.begins, until_pass(one))
    broken = _past(rule, seen(one, one.usual))
    return Outlook(stretch, rule, faults, passes, broken, _by_calendar(hours, stretch.begins, alarm))


def _past(rule: Rule, value: float) -> bool:
    return value > rule.limit if rule.side is Side.ABOVE else value < rule.limit


def _noticed(plan: Plan, one: Reckoned, hours: Hours | None, times: float) -> Noticed:
    rule, stretch = one.rule, one.stretch
    rate = _worse(one, times)
    level = one.read(rate)
    look = plan.stop.check_every.total_seconds / DAY
    days = Detection(*(max(_by_calendar(hours, stretch.begins, end), look) for end in soon(one, level)))
    return Noticed(times, rate, _past(rule, seen(one, level)), days, (_units(one, days.t50), _units(one, days.t90)))


def _units(one: Reckoned, days: float) -> float:
    """Treated units that come within so many days; whoever comes again is counted once."""
    return one.traffic.daily * one.share * min(days, 1.0)


def _worse(one: Reckoned, times: float) -> float:
    """The metric's rate or mean under a fault of this size; a number stays inside its range."""
    rule, usual_rate = one.rule, one.traffic.rates[one.rule.metric]
    if one.past is not None or rule.reads is Reads.VALUE:
        low, high = one.traffic.bounds.get(rule.metric, (-inf, inf))
        return min(max(usual_rate * times if rule.side is Side.ABOVE else usual_rate / times, low), high)
    if rule.side is Side.ABOVE:
        return faulty(usual_rate, times, good=False)
    return faulty(usual_rate, times, good=True) if rule.reads is Reads.GOOD else usual_rate / times


def _quantiles(plan: Plan, rule: Rule) -> Iterator[float]:
    """The number that a criterion's quantile is held against; nothing for any other criterion."""
    conditions: Iterator[Condition] = (criterion.when for criterion in plan.stop.criteria)
    return (one.target.value for one in conditions if one.text == rule.text and one.aggregate in QUANTILES)


def _hours(plan: Plan) -> dict[str, Hours]:
    """By criterion, the hours in which its units come; those that come all day are left out."""
    found = ((criterion.when.text, expected(plan, criterion)) for criterion in plan.stop.criteria)
    return {text: hours for text, hours in found if hours}


def _open(hours: Hours | None) -> float:
    """The seconds of a day in which units come."""
    if hours is None:
        return DAY
    opens, closes = (60 * (60 * at.hour + at.minute) + at.second for at in (hours.window.opens, hours.window.closes))
    return (closes or DAY) - opens


def _by_calendar(hours: Hours | None, begins: datetime, days: float) -> float:
    """How long so many days of traffic take by the calendar, where units come in these hours of the week alone."""
    if hours is None or not 0 < days < inf:
        return days
    if days > FOREVER:
        return days * 7 / len(hours.window.days)
    low, high = 0.0, 7.0 * (days + 2)
    while high - low > 1 / (24 * 60):
        middle = (low + high) / 2
        enough = hours.seconds(begins, begins + timedelta(days=middle)) >= days * _open(hours)
        low, high = (low, middle) if enough else (middle, high)
    return high
