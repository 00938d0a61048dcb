"""How soon one criterion notices a fault in one phase, by the growth of whatever evidence it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf, log, sqrt
from typing import NamedTuple

from gates import chances
from gates.power import Detection, detection_days, divergence, rate_information, ratio_information
from gates.prospects import Contest, Group, cap_days, contest_days
from gates.rules import PROOF_NEEDED, Against, Cap, Compares, Margin, Reads, Rule, Side, frozen_tests
from gates.sequential import Rates, Ratios
from gates.spreads import Spread
from gates.streaks import Streak
from rollout.model import FULL

WORST = 0.99
DAY = 86_400
NORMAL_95 = 1.645
TO_PASS = log(PROOF_NEEDED)  # simulated medians are 0.5 to 1.2 times the days it gives


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is taken for granted: units a day, and each metric's rate or mean, in its own terms, while nothing is wrong.

    `bounds` are the ranges of numbers that have one.
    """

    daily: float
    rates: Mapping[str, float]
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A phase with its dates: `exposure` in thousandths of a percent, `controlled` unit-days of control before it.

    `treated` are those of treatment.
    """

    index: int
    name: str
    begins: datetime
    ends: datetime
    exposure: int
    controlled: float
    treated: float = 0.0

    @property
    def days(self) -> float:
        """How long it lasts."""
        return (self.ends - self.begins).total_seconds() / DAY


class Reckoned(NamedTuple):
    """One criterion in one phase, with the `threshold` of its evidence and over how many `phases` its prior is spread.

    `past` is the number that a quantile is held against, `open` the seconds of a day in which units come.
    """

    rule: Rule
    stretch: Stretch
    traffic: Traffic
    threshold: float
    phases: int
    past: float | None
    open: float

    @property
    def share(self) -> float:
        """Treatment's share of all units."""
        return self.stretch.exposure / FULL

    @property
    def usual(self) -> float:
        """What the criterion reads of its metric while nothing is wrong: a share, or a mean."""
        return self.read(self.traffic.rates[self.rule.metric])

    def read(self, rate: float) -> float:
        """What the criterion reads where the metric's rate or mean is this: of a quantile the share past its limit."""
        return rate if self.past is None else Spread(rate, self.traffic.bounds.get(self.rule.metric)).past(self.past)

    def variance(self, level: float) -> float:
        """The variance of one unit where what is read has this level."""
        if self.rule.reads is not Reads.VALUE:
            return level * (1 - level)
        return Spread(level, self.traffic.bounds.get(self.rule.metric)).deviation ** 2


def seen(one: Reckoned, level: float) -> float:
    """What the criterion compares with its limit, where treatment's level is this and control's the usual one."""
    if isinstance(one.rule.tests, Cap):
        return level * one.traffic.daily * one.share
    match one.rule.compares:
        case Compares.RATIO:
            return level / one.usual if one.usual else inf
        case Compares.DIFFERENCE:
            return level - one.usual
        case Compares.LEVEL:
            return level


def soon(one: Reckoned, level: float) -> Detection:
    """Days of traffic until the criterion is breached where treatment's level is this."""
    match one.rule.tests:
        case Margin() as margin:
            contest = _contest(one, level, margin, margin.factor, margin.point, one.rule.side)
            return Detection(inf, inf) if contest is None else contest_days(contest, one.threshold)
        case Streak() as streak:
            return _looks(one, streak, level)
        case Cap():
            return cap_days(one.traffic.daily * one.share, level, one.rule.limit)
        case Ratios() | Rates():
            return detection_days(_information(one, level), criteria=1, alpha=1 / one.threshold, phases=one.phases)


def until_pass(one: Reckoned) -> float:
    """Typical days of traffic until the limit is proved to be kept, where treatment is as healthy as control."""
    match one.rule.tests:
        case Margin() as margin:
            side = Side.BELOW if one.rule.side is Side.ABOVE else Side.ABOVE
            contest = _contest(one, one.usual, margin, *_put(one.rule), side)
            return inf if contest is None else contest_days(contest, PROOF_NEEDED).t50
        case Streak(looks=looks, seconds=seconds):
            return looks * seconds / one.open
        case Cap():
            return 0.0
        case Ratios() | Rates():
            growth = _proof_information(one)
            return TO_PASS / growth if growth else inf


def frozen(rule: Rule, stretch: Stretch) -> bool:
    """Whether the criterion compares with a rate of earlier phases there."""
    return rule.needs_control and (stretch.exposure == FULL or (rule.against is Against.HISTORY and stretch.index > 0))


def _put(rule: Rule) -> tuple[float, float]:
    """The limit as treatment's level less `factor` times the other's, and the point that it must not pass."""
    return {
        Compares.LEVEL: (0.0, rule.limit),
        Compares.RATIO: (rule.limit, 0.0),
        Compares.DIFFERENCE: (1.0, rule.limit),
    }[rule.compares]


def _contest(one: Reckoned, level: float, margin: Margin, factor: float, point: float, side: Side) -> Contest | None:
    """The interval of treatment beside what it is compared with; None where there is nothing."""
    stretch, usual, varied = one.stretch, one.usual, one.variance(one.usual)
    treated = one.traffic.daily * one.share
    treatment = Group(treated, level, one.variance(level), stretch.treated, usual, varied)
    fixed = _fixed(one)
    if fixed is None:
        return None
    beside = one.rule.needs_control and not frozen(one.rule, stretch)
    control = Group(one.traffic.daily - treated, usual, varied, stretch.controlled, usual, varied) if beside else None
    sign = 1 if side is Side.ABOVE else -1
    return Contest(treatment, control, fixed, factor, point, margin.rho2, sign)


def _fixed(one: Reckoned) -> float | None:
    """The number that stands in for control: the baseline, or the bound at which its level will be frozen."""
    if not frozen(one.rule, one.stretch):
        return one.rule.baseline or 0.0
    if not one.stretch.controlled:
        return None
    reach = NORMAL_95 * sqrt(one.variance(one.usual) / one.stretch.controlled)
    return one.usual + (reach if one.rule.side is Side.ABOVE else -reach)


def _looks(one: Reckoned, streak: Streak, level: float) -> Detection:
    crossed = _crossed(one, one.traffic.daily * streak.seconds / one.open, level)
    least = one.rule.min_samples / (one.traffic.daily * one.share)
    looks = chances.looks_until(streak, crossed) if crossed else Detection(inf, inf)
    return Detection(*(max(number * streak.seconds / one.open, least) for number in looks))


def _crossed(one: Reckoned, units: float, level: float) -> float:
    """The chance that a look at so many units, of both cohorts, finds the limit crossed."""
    rule, fixed, (factor, more) = one.rule, _fixed(one), _put(one.rule)
    here, there = units * one.share, units * (1 - one.share)
    beside = rule.needs_control and not frozen(rule, one.stretch)
    if fixed is None:
        return 0.0
    other = one.usual if beside else fixed
    rare = [here * min(level, 1 - level), *([there * min(other, 1 - other)] if beside else [])]
    if rule.reads is not Reads.VALUE and min(rare) < chances.ENOUGH:
        control = chances.shares(there, other) if beside else [(other, 1.0)]
        treatment = chances.shares(here, level)
        return chances.crossing(treatment, control, factor=factor, more=more, above=rule.side is Side.ABOVE)
    variance = one.variance(level) / here + (factor**2 * one.variance(other) / there if beside else 0.0)
    gap = (factor * other + more - level) * (1 if rule.side is Side.ABOVE else -1)
    return min(1.0, here) * chances.normal_crossing(gap, sqrt(variance))


def _information(one: Reckoned, level: float) -> float:
    """Evidence a day (nats) where treatment's level is this and control's the usual one."""
    rule, daily, treated, tests, usual = one.rule, one.traffic.daily, one.share, one.rule.tests, one.usual
    if isinstance(tests, Ratios):
        if not frozen(rule, one.stretch):
            r0 = tests.breach.r0
            if rule.side is Side.ABOVE:
                return ratio_information(daily, usual, treated, 1 - treated, level / usual, tolerated=r0)
            return ratio_information(daily, level, 1 - treated, treated, usual / level, tolerated=r0)
        if not one.stretch.controlled:
            return 0.0
        tests = frozen_tests(tests, rule.side, *_bounds(usual, one.stretch.controlled))
    assert isinstance(tests, Rates)  # noqa: S101 - all others grow otherwise
    counted = level if rule.counted is rule.reads else 1 - level
    return rate_information(daily, treated, counted, tolerated=tests.breach.q0)


def _proof_information(one: Reckoned) -> float:
    """Evidence a day (nats) that the limit is kept, where treatment is as healthy as control."""
    rule, daily, treated, rate = one.rule, one.traffic.daily, one.share, one.usual
    if not rule.needs_control or frozen(rule, one.stretch):
        limit = rule.limit * (1 if rule.compares is Compares.LEVEL else rate)
        healthy = rate < limit if rule.side is Side.ABOVE else rate > limit
        return daily * treated * divergence(rate, limit) if healthy and 0 < limit < 1 else 0.0
    arm, limit = (treated, rule.limit) if rule.side is Side.ABOVE else (1 - treated, 1 / rule.limit)
    return daily * rate * divergence(arm, arm * limit / (arm * limit + 1 - arm))


def _bounds(rate: float, n: float) -> tuple[float, float]:
    """Roughly the 95 % bounds by which control's rate will be frozen, as n unit-days of it will give them."""
    spread = NORMAL_95 * sqrt(rate * (1 - rate) / n)
    return max(rate - spread, 0.0), min(rate + spread, WORST)
