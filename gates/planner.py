"""What a plan's criteria will notice, in which phase and how soon, worked out before anyone is exposed.

A fault of size N means N times as many units with the outcome that the criterion dislikes: N times the errors, N times
the answers that are not correct. Units are those of `audience.size`; each of them comes once a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf, log, sqrt
from typing import NamedTuple

from gates.power import Detection, detection_days, divergence, rate_information, ratio_information
from gates.rules import Against, Reads, Rule, Side, compile, frozen_tests, promised, unsupported  # noqa: A004
from gates.sequential import Rates, Ratios
from plans.schema import Criterion, Metric, Plan
from plans.timeline import What, timeline
from rollout.model import FULL

FAULTS = (2.0, 3.0, 5.0, 10.0)
ASSUMED_SIZE = 20_000
ERRORS, COMPLAINTS, GOOD = 0.02, 0.001, 0.9
WORST = 0.99
DAY = 86_400
NORMAL_95 = 1.645
FORECAST = (Ratios, Rates)  # the kinds of test whose growth is known beforehand
TO_PASS = log(1 / 0.1)  # proof at β = 0.1; simulated medians are 0.5 to 1.2 times the days it gives


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is taken for granted: units a day, and each metric's rate, in its own terms, while nothing is wrong."""

    daily: float
    rates: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A phase with its dates: `exposure` in thousandths of a percent, `controlled` unit-days of control before it."""

    index: int
    name: str
    begins: datetime
    ends: datetime
    exposure: int
    controlled: float

    @property
    def days(self) -> float:
        """How long it lasts."""
        return (self.ends - self.begins).total_seconds() / DAY


class Noticed(NamedTuple):
    """A fault of `times` the usual: the metric's `rate` then, days until it is noticed, and units who meet it by then.

    `past` says that the rate lies past the criterion's limit. Units are those at `days.t50` and at `days.t90`.
    """

    times: float
    rate: float
    past: bool
    days: Detection
    units: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Outlook:
    """One criterion in one phase: what it would notice, and the typical days until its `pass` while all is well."""

    stretch: Stretch
    rule: Rule
    faults: tuple[Noticed, ...]
    pass_days: float

    @property
    def telling(self) -> Noticed | None:
        """The smallest fault past the limit: what the criterion is there for."""
        return next((fault for fault in self.faults if fault.past), None)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A plan's outlooks, phase by phase; `unjudged` says what of the plan has none, and why."""

    plan: Plan
    traffic: Traffic
    stretches: tuple[Stretch, ...]
    rules: tuple[Rule, ...]
    outlooks: tuple[Outlook, ...]
    unjudged: tuple[str, ...]


def assumed(plan: Plan, daily: int | None = None) -> Traffic:
    """The plan's audience and baselines; else 20,000 units a day, 2 % errors, 0.1 % complaints, 90 % good."""
    rates = {name: usual(name, metric) for name, metric in plan.metrics.items()}
    return Traffic(daily or plan.audience.size or ASSUMED_SIZE, rates)


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
    return Forecast(plan, traffic, stretches, rules, outlooks, unjudged)


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
        if found := unsupported(alone):
            problems += [problem.replace("stop.criteria[0] ", "") for problem in found]
        elif plan.metrics[criterion.when.metric].value is None and isinstance(compile(alone).rules[0].tests, FORECAST):
            kept.append(criterion)
        else:
            problems.append(f"`{criterion.text}`: only shares and their ratios are")
    return (compile(_judging(plan, kept)).rules if kept else ()), tuple(problems)


def _judging(plan: Plan, criteria: list[Criterion]) -> Plan:
    """The plan with these criteria and without trees and decisions."""
    phases = tuple(phase.model_copy(update={"decide": None}) for phase in plan.phases)
    stop = plan.stop.model_copy(update={"criteria": tuple(criteria)})
    return plan.model_copy(update={"stop": stop, "tune": (), "phases": phases})


def _stretches(plan: Plan, submitted: datetime, daily: float) -> Iterator[Stretch]:
    steps = timeline(plan, submitted)
    begins = [step.at for step in steps if step.what is What.PHASE]
    controlled = 0.0
    for index, (begun, ends) in enumerate(zip(begins, [*begins[1:], steps[-1].at], strict=True)):
        stretch = Stretch(index, plan.phases[index].name, begun, ends, plan.exposure(index), controlled)
        yield stretch
        controlled += daily * stretch.days * (1 - stretch.exposure / FULL)


def _outlook(plan: Plan, rule: Rule, stretch: Stretch, traffic: Traffic) -> Outlook:
    rate = traffic.rates[rule.metric]
    faults = tuple(_noticed(plan, rule, stretch, traffic, times) for times in FAULTS)
    growth = _proof_information(rule, stretch, traffic.daily, rate)
    return Outlook(stretch, rule, faults, TO_PASS / growth if growth else inf)


def _noticed(plan: Plan, rule: Rule, stretch: Stretch, traffic: Traffic, times: float) -> Noticed:
    before = traffic.rates[rule.metric]
    rate = _worse(rule, before, times)
    value = rate if rule.against is Against.NOTHING else rate / before
    past = value > rule.limit if rule.side is Side.ABOVE else value < rule.limit
    growth = _information(rule, stretch, traffic.daily, before, rate)
    alpha = round(1 - plan.stop.confidence, 12)
    found = detection_days(growth, criteria=promised(plan), alpha=alpha, phases=len(plan.phases))
    look = plan.stop.check_every.total_seconds / DAY
    days = Detection(max(found.t50, look), max(found.t90, look))
    return Noticed(times, rate, past, days, (_units(stretch, traffic, days.t50), _units(stretch, traffic, days.t90)))


def _units(stretch: Stretch, traffic: Traffic, days: float) -> float:
    """Treated units that come within so many days; whoever comes again is counted once."""
    return traffic.daily * stretch.exposure / FULL * min(days, 1.0)


def _worse(rule: Rule, rate: float, times: float) -> float:
    if rule.side is Side.ABOVE:
        return faulty(rate, times, good=False)
    return faulty(rate, times, good=True) if rule.reads is Reads.GOOD else rate / times


def _information(rule: Rule, stretch: Stretch, daily: float, before: float, rate: float) -> float:
    """Evidence a day (nats) where treatment's rate is `rate` and control's `before`, both in the metric's own terms."""
    treated, tests = stretch.exposure / FULL, rule.tests
    if isinstance(tests, Ratios):
        if not _frozen(rule, stretch):
            r0 = tests.breach.r0
            if rule.side is Side.ABOVE:
                return ratio_information(daily, before, treated, 1 - treated, rate / before, tolerated=r0)
            return ratio_information(daily, rate, 1 - treated, treated, before / rate, tolerated=r0)
        if not stretch.controlled:
            return 0.0
        tests = frozen_tests(tests, rule.side, *_bounds(before, stretch.controlled))
    assert isinstance(tests, Rates)  # noqa: S101 - all others have no forecast
    counted = rate if rule.counted is rule.reads else 1 - rate
    return rate_information(daily, treated, counted, tolerated=tests.breach.q0)


def _proof_information(rule: Rule, stretch: Stretch, daily: float, rate: float) -> float:
    """Evidence a day (nats) that the limit is kept, where treatment is as healthy as control."""
    treated = stretch.exposure / FULL
    if rule.against is Against.NOTHING or _frozen(rule, stretch):
        limit = rule.limit * (1 if rule.against is Against.NOTHING else rate)
        healthy = rate < limit if rule.side is Side.ABOVE else rate > limit
        return daily * treated * divergence(rate, limit) if healthy and 0 < limit < 1 else 0.0
    arm, limit = (treated, rule.limit) if rule.side is Side.ABOVE else (1 - treated, 1 / rule.limit)
    return daily * rate * divergence(arm, arm * limit / (arm * limit + 1 - arm))


def _frozen(rule: Rule, stretch: Stretch) -> bool:
    """Whether the criterion compares with a rate of earlier phases there."""
    return stretch.exposure == FULL or (rule.against is Against.HISTORY and stretch.index > 0)


def _bounds(rate: float, n: float) -> tuple[float, float]:
    """Roughly the 95 % bounds by which control's rate will be frozen, as n unit-days of it will give them."""
    spread = NORMAL_95 * sqrt(rate * (1 - rate) / n)
    return max(rate - spread, 0.0), min(rate + spread, WORST)
