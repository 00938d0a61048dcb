"""From sources to counts: what every rollout of a pass needs, asked for together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flows.ask import Question, ask, by_source, closed, request_of
from gates.sources import Reading, Source
from plans.schema import Plan
from rollout.counting import joined
from rollout.model import Bucket
from state.events import Events
from state.store import Store

Cursor = tuple[datetime, int] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one rollout needs: its closed buckets behind `after`, (start, exposure epoch) of the last one consumed.

    `elsewhere` says that the plan counts in other sources than the application's events; only then is `plan` called.
    """

    id: int
    name: str
    flag: str
    after: Cursor
    elsewhere: bool
    plan: Callable[[], Plan]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a rollout's sources gave: its buckets in order, and every event name ever seen for its flag.

    `told` is what of it other sources than the application's events told, `problems` says by metric what a source
    could not tell.
    """

    buckets: Sequence[Bucket] = ()
    seen: frozenset[str] = frozenset()
    problems: Mapping[str, str] = field(default_factory=dict)
    told: Sequence[Bucket] = ()


Collect = Callable[[Sequence[Wanted], datetime], Sequence[Counted]]
"""Counts for each of the rollouts, in the same order, of buckets that are closed at the instant given."""


def from_events(events: Events) -> Collect:
    """Counts from the embedded source: one read for all rollouts of a pass."""

    def collect(wanted: Sequence[Wanted], now: datetime) -> Sequence[Counted]:
        if not wanted:
            return ()
        buckets = events.buckets({one.id: one.after for one in wanted}, now)
        seen = events.seen({one.flag for one in wanted})
        return [Counted(buckets[one.id], seen[one.flag]) for one in wanted]

    return collect


def from_sources(events: Collect, store: Store, sources: Mapping[str, Source]) -> Collect:
    """Counts from the embedded source and, for plans that name others, from those: all of a pass at once."""

    def collect(wanted: Sequence[Wanted], now: datetime) -> Sequence[Counted]:
        counted = list(events(wanted, now))
        until = {index: _until(one.plan(), sources, now) for index, one in enumerate(wanted) if one.elsewhere}
        questions = [question for index in until for question in _questions(index, wanted[index], store, until[index])]
        readings = list(zip(questions, ask(sources, questions), strict=True)) if questions else []
        for index, end in until.items():
            told = [reading for question, reading in readings if question.asker == index]
            counted[index] = _merged(counted[index], told, end)
        return counted

    return collect


def _until(plan: Plan, sources: Mapping[str, Source], now: datetime) -> datetime:
    return closed(sources, tuple(by_source(plan)), now)


def _questions(index: int, one: Wanted, store: Store, until: datetime) -> Iterable[Question]:
    epochs, plan = store.epochs(one.name), one.plan()
    for source, metrics in by_source(plan).items():
        yield Question(index, source, request_of(one.name, plan, metrics, epochs, one.after, until))


def _merged(own: Counted, told: Sequence[Reading], until: datetime) -> Counted:
    """One bucket for each place, with the counts of all sources; the newest wait until every source has closed theirs.

    What a source could not tell by then is not counted: the others go on without it.
    """
    heard = [bucket for bucket in own.buckets if bucket.end <= until]
    answers = joined(bucket for reading in told for bucket in reading.buckets)
    problems = {metric: words for reading in told for metric, words in reading.problems.items()}
    return Counted(joined((*heard, *answers)), own.seen, problems, answers)
