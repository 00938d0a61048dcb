"""What a source remembers of everybody's stable, and that as the traffic of a rehearsal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from flows.ask import Question, ask
from gates.sources import Request, Source, Window
from plans.schema import Metric, Plan
from plans.timeline import bucket_seconds
from rollout.model import Bucket, Counts, RolloutState
from sluice.backtest.splitting import split
from sluice.simulate.traffic import events_in

TOGETHER = 144  # windows of one question
AT_ONCE = 8  # questions
PATIENCE = 600.0  # seconds for those
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING = Counts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Counts by window of one width, and by metric; `problems` says how often a metric had none, and why the last time.

    `asked` is the number of windows between the two instants.
    """

    width: timedelta
    asked: int
    counts: Mapping[datetime, Mapping[str, Counts]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> Mapping[str, int]:
        """Windows without a count, by metric that lacks any."""
        names = {*self.problems, *(name for told in self.counts.values() for name in told)}
        found = {name: sum(name in told for told in self.counts.values()) for name in names}
        return {name: self.asked - there for name, there in sorted(found.items()) if there < self.asked}


def grid(plan: Plan, begins: datetime, ends: datetime) -> tuple[datetime, ...]:
    """The beginnings of a plan's buckets that lie whole between two instants."""
    width = timedelta(seconds=bucket_seconds(plan))
    first = begins + (EPOCH - begins) % width
    return tuple(first + place * width for place in range(max(0, (ends - first) // width)))


def recall(source: Source, name: str, plan: Plan, metrics: Mapping[str, Metric], starts: Sequence[datetime]) -> Past:
    """Ask a source for everybody who had stable, window after window, as far back as it remembers."""
    width = timedelta(seconds=bucket_seconds(plan))
    counts: dict[datetime, dict[str, Counts]] = {}
    problems: dict[str, str] = {}
    waiting = [starts[first : first + TOGETHER] for first in range(0, len(starts), TOGETHER)]
    while waiting:
        asked, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        requests = [Request(rollout=plan.name, metrics=metrics, windows=_windows(some, width)) for some in asked]
        questions = [Question(place, name, request) for place, request in enumerate(requests)]
        for some, reading in zip(asked, ask({name: source}, questions, PATIENCE), strict=True):
            told = {b.start: {metric: control for metric, (_, control) in b.counts.items()} for b in reading.buckets}
            counts |= told
            problems |= reading.problems
            rest = [start for start in some if told and start > max(told)]
            waiting += [rest] if rest and not reading.problems.keys() >= metrics.keys() else []
    return Past(width=width, asked=len(starts), counts=counts, problems=problems)


class History:
    """A past as the traffic of a rehearsal: whoever would have had the candidate is drawn by lot."""

    def __init__(self, plan: Plan, past: Past, random: Random) -> None:
        self._plan = plan
        self._past = past
        self._random = random

    def bucket(self, state: RolloutState, start: datetime, end: datetime) -> Bucket:
        """What both cohorts would have counted between two instants in which `state` was in force."""
        counts = {name: split(found, state.exposure, self._random) for name, found in self._between(start, end).items()}
        return Bucket(
            start=start,
            end=end,
            epoch=state.epoch,
            phase=state.phase,
            exposure=state.exposure,
            settings_epoch=state.settings_epoch,
            counts=counts,
        )

    def heard(self, buckets: Sequence[Bucket]) -> set[str]:
        """The event names that such counts imply."""
        return events_in(self._plan, buckets)

    def _between(self, start: datetime, end: datetime) -> dict[str, Counts]:
        found: dict[str, Counts] = {}
        for cell, told in self._cells(start, end):
            for name, counts in told.items():
                found[name] = found.get(name, NOTHING) + self._part(counts, cell, start, end)
        return found

    def _cells(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, Mapping[str, Counts]]]:
        cell = start - (start - EPOCH) % self._past.width
        while cell < end:
            if cell in self._past.counts:
                yield cell, self._past.counts[cell]
            cell += self._past.width

    def _part(self, counts: Counts, cell: datetime, start: datetime, end: datetime) -> Counts:
        """A window's counts between two instants, evenly; the parts of a window add up to all of it."""
        width = self._past.width
        since, until = max(start - cell, timedelta(0)), min(end - cell, width)
        bad, good = (n * until // width - n * since // width for n in (counts.bad, counts.total - counts.bad))
        return Counts(bad, bad + good)


def _windows(starts: Sequence[datetime], width: timedelta) -> tuple[Window, ...]:
    """Windows in which nobody had the candidate, so that only those with stable are counted."""
    return tuple(
        Window(start=start, end=start + width, epoch=0, phase=0, exposure=0, settings_epoch=0) for start in starts
    )
