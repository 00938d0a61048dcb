"""One closing bucket: what of its events per unit is counted, share by share and number by number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, select, text

from rollout.counting import MET, Number, Share, at_risk, drawn, lot, past_key, summed, total_key, totalled
from rollout.model import FULL, Cohort, Counts
from state.columns import micros
from state.count_tables import bad_units

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


class Closing:
    """One bucket's counts, share by share and number by number, and the units that turned bad in it."""

    def __init__(self, tx: Connection, opened: Open, counting: Counting) -> None:
        self._tx = tx
        self._opened = opened
        self._day = opened.start.astimezone(counting.zone).date().isoformat()
        self.turned: list[dict[str, Any]] = []
        self.counts: dict[str, list[float]] = {}

    def share(self, share: Share) -> None:
        """Units at risk and bad ones among them."""
        self._keep(share.metric, [self._at_risk(share, cohort, self._events(cohort, share.mark)) for cohort in COHORTS])

    def number(self, number: Number) -> None:
        """Sums over units, units past each limit, and the plain sum where it is asked for."""
        self._keep(number.metric, [self._sums(cohort, number, summed) for cohort in COHORTS])
        for limit in number.limits:
            share = Share(past_key(number.metric, limit), number.event, past_key(number.event, limit), good=False)
            self._keep(share.metric, [self._at_risk(share, cohort, self._drawn(cohort, share)) for cohort in COHORTS])
        if number.total:
            plain_sum = [self._sums(cohort, number, lambda _, sums: totalled(sums)) for cohort in COHORTS]
            self._keep(total_key(number.metric), plain_sum)

    def met(self, counting: Counting) -> None:
        """Units of which this is the first in the phase; those of other phases are forgotten."""
        if not 0 < self._opened.exposure < FULL:
            return
        here = {"rollout_id": self._opened.rollout, "phase": self._opened.phase}
        self._tx.execute(_OTHER_PHASES, here)
        names = {share.of for share in counting.shares} | {number.event for number in counting.numbers}
        self._keep(MET, [Counts(0, self._met(cohort, names, here)) for cohort in COHORTS])

    def _met(self, cohort: Cohort, names: Iterable[str], here: Mapping[str, int]) -> int:
        heard = sorted({unit for name in names for unit in self._events(cohort, name)})
        if not heard:
            return 0
        return self._tx.execute(_MEET, [{**here, "unit": unit} for unit in heard]).rowcount

    def _events(self, cohort: Cohort, event: str) -> Tally:
        return self._opened.tallies.get((cohort, event), {})

    def _sums(self, cohort: Cohort, number: Number, made: Callable[[Tally, Tally], Counts]) -> Counts:
        return made(self._events(cohort, number.event), self._opened.sums.get((cohort, number.event), {}))

    def _drawn(self, cohort: Cohort, share: Share) -> Tally:
        past, at = self._events(cohort, share.mark), micros(self._opened.start)
        return drawn(self._events(cohort, share.of), past, {unit: lot(unit, at) for unit in past})

    def _at_risk(self, share: Share, cohort: Cohort, marked: Tally) -> Counts:
        of = self._events(cohort, share.of)
        where = {"rollout_id": self._opened.rollout, "day": self._day, "metric": share.metric, "cohort": str(cohort)}
        counted, bad = at_risk(share, of, marked, _spoiled(self._tx, where) if of or marked else frozenset())
        self.turned += ({**where, "unit": unit} for unit in bad)
        return counted

    def _keep(self, metric: str, both: Sequence[Counts]) -> None:
        if any(counts.total for counts in both):
            self.counts[metric] = plain(*both)


def plain(treatment: Counts, control: Counts) -> list[float]:
    """Both cohorts' counts as a bucket's row keeps them: bad and total of each, then sums where there are any."""
    counts: list[float] = [treatment.bad, treatment.total, control.bad, control.total]
    sums = [treatment.sum, treatment.squares, control.sum, control.squares]
    return counts + sums if any(sums) else counts


_MEET = text(
    "INSERT INTO met_unit (rollout_id, phase, unit) VALUES (:rollout_id, :phase, :unit) ON CONFLICT DO NOTHING"
)
_OTHER_PHASES = text("DELETE FROM met_unit WHERE rollout_id = :rollout_id AND (phase < :phase OR phase > :phase)")
_SPOILED = select(bad_units.c.unit).where(
    *(bad_units.c[name] == bindparam(name) for name in ("rollout_id", "day", "metric", "cohort"))
)


def _spoiled(tx: Connection, where: Mapping[str, Any]) -> frozenset[int]:
    return frozenset(tx.execute(_SPOILED, where).scalars())
