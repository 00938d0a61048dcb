"""One closing bucket: what of its events per unit is counted, share by share and number by number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rollout.counting import Number, Share, at_risk, drawn, lot, past_key, summed, total_key, totalled
from rollout.model import Cohort, Counts
from state.columns import micros

COHORTS = (Cohort.TREATMENT, Cohort.CONTROL)

Tally = Mapping[int, int]
Tallies = Mapping[tuple[str, str], Tally]


class Counting(NamedTuple):
    """How a shape of plan counts: its shares and numbers, and the zone of its days."""

    shares: tuple[Share, ...]
    numbers: tuple[Number, ...]
    zone: ZoneInfo


class Open(NamedTuple):
    """A bucket that is about to close, with its events, and the sums of their values, per unit by (cohort, event)."""

    rollout: int
    start: datetime
    epoch: int
    until: datetime
    phase: int
    exposure: int
    settings_epoch: int
    tallies: Tallies
    sums: Tallies

    @property
    def key(self) -> tuple[int, datetime, int]:
        """Which bucket of which rollout this is."""
        return self.rollout, self.start, self.epoch

    def events(self, cohort: Cohort, event: str) -> Tally:
        """Events per unit of one name."""
        return self.tallies.get((cohort, event), {})


class Place(NamedTuple):
    """Where a unit is bad until the day is over."""

    rollout_id: int
    day: str
    metric: str
    cohort: str


class Spoiled:
    """Who turned bad today, by place: those of earlier buckets, and those of the ones that close now."""

    def __init__(self, earlier: Iterable[tuple[Place, int]]) -> None:
        self._units: defaultdict[Place, set[int]] = defaultdict(set)
        for place, unit in earlier:
            self._units[place].add(unit)
        self.turned: list[tuple[Place, int]] = []

    def at(self, place: Place) -> AbstractSet[int]:
        """The units that are bad there already."""
        return self._units[place]

    def add(self, place: Place, units: Iterable[int]) -> None:
        """These turned bad just now."""
        self.turned += ((place, unit) for unit in units)
        self._units[place].update(units)


def day(opened: Open, counting: Counting) -> date:
    """The day on which the bucket began, where the plan lives."""
    return opened.start.astimezone(counting.zone).date()


def closed(opened: Open, counting: Counting, spoiled: Spoiled) -> dict[str, list[float]]:
    """The bucket's counts as its row keeps them, by metric; the units that turn bad in it are added to `spoiled`."""
    closing = _Closing(opened, day(opened, counting).isoformat(), spoiled)
    for share in counting.shares:
        closing.share(share)
    for number in counting.numbers:
        closing.number(number)
    return closing.counts


def plain(treatment: Counts, control: Counts) -> list[float]:
    """Both cohorts' counts as a bucket's row keeps them: bad and total of each, then sums where there are any."""
    counts: list[float] = [treatment.bad, treatment.total, control.bad, control.total]
    sums = [treatment.sum, treatment.squares, control.sum, control.squares]
    return counts + sums if any(sums) else counts


class _Closing:
    """One bucket's counts while they are made."""

    def __init__(self, opened: Open, day: str, spoiled: Spoiled) -> None:
        self._opened = opened
        self._day = day
        self._spoiled = spoiled
        self.counts: dict[str, list[float]] = {}

    def share(self, share: Share) -> None:
        """Units at risk and bad ones among them."""
        self._keep(
            share.metric,
            [self._at_risk(share, cohort, self._opened.events(cohort, share.mark)) for cohort in COHORTS],
        )

    def number(self, number: Number) -> None:
        """Sums over units, units past each limit, and the plain sum where it is asked for."""
        self._keep(number.metric, [self._sums(cohort, number, summed) for cohort in COHORTS])
        for limit in number.limits:
            share = Share(past_key(number.metric, limit), number.event, past_key(number.event, limit), good=False)
            self._keep(share.metric, [self._at_risk(share, cohort, self._drawn(cohort, share)) for cohort in COHORTS])
        if number.total:
            plain_sum = [self._sums(cohort, number, lambda _, sums: totalled(sums)) for cohort in COHORTS]
            self._keep(total_key(number.metric), plain_sum)

    def _sums(self, cohort: Cohort, number: Number, made: Callable[[Tally, Tally], Counts]) -> Counts:
        sums = self._opened.sums.get((cohort, number.event), {})
        return made(self._opened.events(cohort, number.event), sums)

    def _drawn(self, cohort: Cohort, share: Share) -> Tally:
        past, at = self._opened.events(cohort, share.mark), micros(self._opened.start)
        return drawn(self._opened.events(cohort, share.of), past, {unit: lot(unit, at) for unit in past})

    def _at_risk(self, share: Share, cohort: Cohort, marked: Tally) -> Counts:
        of = self._opened.events(cohort, share.of)
        if not of and not marked:
            return Counts()
        place = Place(self._opened.rollout, self._day, share.metric, str(cohort))
        counted, bad = at_risk(share, of, marked, self._spoiled.at(place))
        self._spoiled.add(place, bad)
        return counted

    def _keep(self, metric: str, both: Sequence[Counts]) -> None:
        if any(counts.total for counts in both):
            self.counts[metric] = plain(*both)
