"""Pretended traffic: closed buckets of a rollout, drawn from a seeded generator.

Units come as a Poisson stream, each bad with its metric's rate; so the bad and the good of a bucket are two independent
Poisson numbers, and what both add up to is what a binomial share of the stream would have given.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from math import exp, lgamma, log, sqrt
from random import Random
from typing import NamedTuple, Protocol

from gates.planner import DAY, Traffic
from gates.spreads import Spread
from plans.schema import Metric, Plan
from rollout.counting import MET, Number, numbers
from rollout.model import FULL, Bucket, Counts, RolloutState
from sluice.simulate.faults import Kind, Spell, mean_under, rate
from sluice.simulate.numbers import counted

FINEST = 20_000  # entries of a table at most
WIDTH = 10  # standard deviations that a table spans to either side
ONE_DAY = timedelta(days=1)


class Table(NamedTuple):
    """A distribution to draw from: `first` plus so many `steps` as lie below a random number."""

    first: int
    step: int
    below: list[float]


class Values(NamedTuple):
    """What one number does in a bucket: how many units of either cohort, and how their numbers lie."""

    number: Number
    units: tuple[Table, Table]
    spreads: tuple[Spread, Spread]


class Expected(NamedTuple):
    """What all metrics do in a bucket, and how many units of either cohort come."""

    units: tuple[Table, Table]
    shares: tuple[Tables, ...]
    values: tuple[Values, ...]


class Tables(NamedTuple):
    """What one share does in a bucket: bad and good units of either cohort."""

    metric: str
    bad: Table
    good: Table
    control_bad: Table
    control_good: Table


class Crowd(Protocol):
    """Whatever can say what both cohorts did, stretch after stretch."""

    def bucket(self, state: RolloutState, start: datetime, end: datetime) -> Bucket:
        """What both cohorts did between two instants in which `state` was in force."""
        ...

    def heard(self, buckets: Sequence[Bucket]) -> set[str]:
        """The event names that such counts imply."""
        ...


class Stream:
    """The traffic of one rollout with everything that goes wrong in it; the same seed gives the same counts.

    Where faults of one metric overlap, the last one named counts.
    """

    def __init__(self, plan: Plan, traffic: Traffic, faults: Sequence[Spell], random: Random) -> None:
        self._plan = plan
        self._traffic = traffic
        self._faults = faults
        self._random = random
        self._tables = lru_cache(maxsize=64)(self._expected)

    def bucket(self, state: RolloutState, start: datetime, end: datetime) -> Bucket:
        """What both cohorts did between two instants in which `state` was in force."""
        active = tuple([spell for spell in self._faults if spell.begins <= start < spell.ends])
        units, shares, values = self._tables(state.exposure, (end - start).total_seconds(), active)
        return Bucket(
            start=start,
            end=end,
            epoch=state.epoch,
            phase=state.phase,
            exposure=state.exposure,
            settings_epoch=state.settings_epoch,
            counts={of.metric: self._counts(of) for of in shares}
            | self._numbers(values)
            | self._met(units, state, start),
        )

    def heard(self, buckets: Sequence[Bucket]) -> set[str]:
        """The event names that such counts imply."""
        return events_in(self._plan, buckets)

    def _counts(self, of: Tables) -> tuple[Counts, Counts]:
        """Both cohorts' counts; drawn in place, because this is done 24,000 times in three weeks."""
        luck = self._random.random
        _, (a, i, bads), (b, j, goods), (c, k, control_bads), (d, m, control_goods) = of
        bad = a + i * bisect_left(bads, luck())
        control_bad = c + k * bisect_left(control_bads, luck())
        total = bad + b + j * bisect_left(goods, luck())
        return made(bad, total), made(control_bad, control_bad + d + m * bisect_left(control_goods, luck()))

    def _numbers(self, values: Sequence[Values]) -> dict[str, tuple[Counts, Counts]]:
        found: dict[str, tuple[Counts, Counts]] = {}
        for number, units, spreads in values:
            both = [
                counted(number, spread, self._drawn(table), self._random)
                for table, spread in zip(units, spreads, strict=True)
            ]
            found |= {name: (treated, control) for (name, treated), (_, control) in zip(*both, strict=True)}
        return found

    def _met(
        self, units: tuple[Table, Table], state: RolloutState, start: datetime
    ) -> dict[str, tuple[Counts, Counts]]:
        """Units heard of for the first time in a phase: each comes once a day, so on its first day they are all new."""
        if not 0 < state.exposure < FULL or state.entered is None or start >= state.entered + ONE_DAY:
            return {}
        return {MET: (Counts(0, self._drawn(units[0])), Counts(0, self._drawn(units[1])))}

    def _drawn(self, table: Table) -> int:
        return table.first + table.step * bisect_left(table.below, self._random.random())

    def _expected(self, exposure: int, seconds: float, active: tuple[Spell, ...]) -> Expected:
        units = self._traffic.daily * seconds / DAY
        treated = units * _share(exposure, active)
        everyone = tuple(spell for spell in active if spell.fault.everyone)
        cohorts = ((treated, active), (units - treated, everyone))
        shares = [name for name, metric in self._plan.metrics.items() if metric.value is None]
        return Expected(
            (poisson(treated), poisson(units - treated)),
            tuple(Tables(name, *self._cohort(name, *cohorts[0]), *self._cohort(name, *cohorts[1])) for name in shares),
            tuple(self._values(number, cohorts) for number in numbers(self._plan)),
        )

    def _values(self, number: Number, cohorts: Sequence[tuple[float, Sequence[Spell]]]) -> Values:
        """The numbers of both cohorts; a source that is silent or gives NaN has no units."""
        tables, spreads = [], []
        for units, active in cohorts:
            mean: float | None = self._traffic.rates[number.metric]
            for spell in active:
                if spell.fault.metric == number.metric:
                    mean = mean_under(spell.fault, self._traffic.rates[number.metric])
            tables.append(poisson(0.0 if mean is None else units))
            spreads.append(Spread(mean or 0.0, self._plan.metrics[number.metric].range))
        return Values(number, (tables[0], tables[1]), (spreads[0], spreads[1]))

    def _cohort(self, name: str, units: float, active: Sequence[Spell]) -> tuple[Table, Table]:
        good, found = self._plan.metrics[name].bad is None, self._traffic.rates[name]
        shown: float | None = found
        for spell in active:
            if spell.fault.metric == name:
                shown = rate(spell.fault, found, good=good)
        if shown is None:
            return poisson(0.0), poisson(0.0)
        bad = 1 - shown if good else shown
        return poisson(units * bad), poisson(units * (1 - bad))


def events_in(plan: Plan, buckets: Sequence[Bucket]) -> set[str]:
    """The event names that counts of a plan's metrics imply."""
    return {
        event
        for bucket in buckets
        for name, metric in plan.metrics.items()
        if name in bucket.counts
        for event in _events(metric, bucket, name)
    }


def _events(metric: Metric, bucket: Bucket, name: str) -> Iterator[str]:
    both = bucket.counts[name][0] + bucket.counts[name][1]
    if both.total:
        yield metric.of
        if metric.value:
            yield metric.value
    if metric.bad and both.bad:
        yield metric.bad
    if metric.good and both.total > both.bad:
        yield metric.good


def _share(exposure: int, active: Sequence[Spell]) -> float:
    """The share that gets the candidate: as the phase says, unless the split is lopsided."""
    skewed = [spell.fault.value for spell in active if spell.fault.kind is Kind.SPLIT]
    return skewed[-1] if skewed and 0 < exposure < FULL else exposure / FULL


@lru_cache(maxsize=65_536)
def made(bad: int, total: int) -> Counts:
    """Counts as a value that is made once: few different ones come up, again and again."""
    return Counts(bad, total)


@lru_cache(maxsize=1_024)
def poisson(mean: float) -> Table:
    """The Poisson distribution around its mean; a very wide one in coarse steps."""
    if mean <= 0:
        return Table(0, 1, [1.0])
    width = WIDTH * sqrt(mean) + WIDTH
    first, last = max(0, int(mean - width)), int(mean + width)
    step = 1 + (last - first) // FINEST
    scale = log(mean)
    likely = [exp(k * scale - mean - lgamma(k + 1)) for k in range(first, last, step)]
    total = sum(likely)
    below = list(accumulate(share / total for share in likely))
    return Table(first, step, [*below[:-1], 1.0])
