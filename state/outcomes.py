"""Outcomes as applications report them, and where each belongs: its bucket, epoch and cohort."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from math import inf, isfinite
from typing import NamedTuple

import mmh3
from pydantic import JsonValue

from plans.schema import Plan
from plans.timeline import bucket_seconds
from rollout.counting import LARGEST, event_names, numbers, past_key
from rollout.exposure import TARGETING_KEY, Flag, cohort, unit_of
from rollout.model import Cohort
from state.columns import MICROSECOND, micros
from state.transitions import Epoch

FAR_FUTURE = 1 << 62
ANYTHING = (-inf, inf)
MOST_MEMBERS = 100_000

Member = tuple[Cohort, int]


class Outcome(NamedTuple):
    """One thing that happened to one unit: `at` None means on arrival, `revision` is the one it was served under."""

    flag: str
    key: str | None
    event: str
    at: datetime | None = None
    revision: int | None = None
    value: float | None = None
    context: Mapping[str, JsonValue] = {}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the outcome at `index` of a batch was not taken."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unheard:
    """An event name that no metric of the flag's plan knows."""

    event: str
    did_you_mean: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch; `late` outcomes came after their bucket and what was served then are gone."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    refused: tuple[Refusal, ...] = ()
    unknown: tuple[Unheard, ...] = ()


class Odd(StrEnum):
    """Why an outcome is taken but counted nowhere."""

    UNCOUNTED = "uncounted"
    UNHEARD = "unheard"
    LATE = "late"


class Slot(NamedTuple):
    """Where an outcome is counted; start and until in microseconds since 1970."""

    rollout: int
    start: int
    epoch: int
    until: int
    phase: int
    exposure: int
    settings_epoch: int
    cohort: Cohort
    event: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """When outcomes came in, and which buckets are closed already; microseconds since 1970."""

    now: int
    latest: int
    sealed: int


class Course:
    """What a flag's rollout served when: finds the place of every outcome.

    `version` is the flag's, as of which this is true.
    """

    def __init__(self, version: int, rollout: int, plan: Plan, epochs: Sequence[Epoch]) -> None:
        self.version = version
        self.rollout = rollout
        self.events = event_names(plan)
        self._epochs = tuple(epochs)
        self._starts = [micros(epoch.at) for epoch in epochs]
        self._ends = [*self._starts[1:], FAR_FUTURE]
        self._revisions = [epoch.epoch for epoch in epochs]
        self._width = timedelta(seconds=bucket_seconds(plan)) // MICROSECOND
        self._needs = epochs[-1].flag.needs - {TARGETING_KEY}
        self._needs_key = TARGETING_KEY in epochs[-1].flag.needs
        self._ranges = dict(_ranges(plan))
        self._members: dict[tuple[int, str], Member | None] = {}
        self.limits = dict(_limits(plan))

    def objection(self, outcome: Outcome, arrival: Arrival) -> str | None:
        """Why an outcome cannot be taken, None where it can."""
        if outcome.at is not None and micros(outcome.at) > arrival.latest:
            return "`at` is in the future; send the moment of the answer, or leave it out"
        if self._needs_key and not outcome.key:
            return "targetingKey is missing"
        for name in self._needs:
            if outcome.context.get(name) is None:
                return f"context lacks {name!r}, without which the cohort is not known"
        return self._misvalued(outcome)

    def past(self, outcome: Outcome) -> Iterator[str]:
        """Under which further names an outcome is counted: those of the limits that its value lies past."""
        for limit in self.limits.get(outcome.event, ()):
            if outcome.value is not None and outcome.value > limit:
                yield past_key(outcome.event, limit)

    def place(self, outcome: Outcome, arrival: Arrival) -> tuple[Slot, int] | Odd:
        """The slot and the unit's hash; or why it is counted nowhere."""
        if outcome.event not in self.events:
            return Odd.UNHEARD
        at = arrival.now if outcome.at is None else micros(outcome.at)
        number = self._epoch(outcome, at)
        if number < 0:
            return Odd.LATE
        start, until = self._bucket(number, at)
        if until <= arrival.sealed:
            if number != len(self._epochs) - 1:
                return Odd.LATE
            start, until = self._bucket(number, arrival.now)
        return self._slot(number, start, until, outcome)

    def nearest(self, event: str) -> str | None:
        """The known event name that a misspelt one may have meant."""
        return next(iter(get_close_matches(event, self.events, n=1)), None)

    def _misvalued(self, outcome: Outcome) -> str | None:
        """Why the value of an outcome cannot be counted; None where it can, or where nobody asks for one."""
        value = outcome.value
        if value is None:
            return f"{outcome.event!r} is a number: send its `value`" if outcome.event in self.limits else None
        low, high = self._ranges.get(outcome.event, ANYTHING)
        if not low <= value <= high:
            return f"value {value} is outside {low:g} to {high:g}"
        if outcome.event in self.limits and not (isfinite(value) and abs(value) <= LARGEST):
            return f"value {value} is beyond {LARGEST:g}; send a larger unit"
        return None

    def _epoch(self, outcome: Outcome, at: int) -> int:
        if outcome.revision is not None:
            return bisect_right(self._revisions, outcome.revision) - 1
        return bisect_right(self._starts, at) - 1

    def _bucket(self, number: int, at: int) -> tuple[int, int]:
        """The bucket of an instant, cut to its epoch, so that none straddles a change."""
        begins, ends = self._starts[number], self._ends[number]
        inside = min(max(at, begins), ends - 1)
        grid = inside - inside % self._width
        return max(grid, begins), min(grid + self._width, ends)

    def _slot(self, number: int, start: int, until: int, outcome: Outcome) -> tuple[Slot, int] | Odd:
        epoch = self._epochs[number]
        flag = epoch.flag
        if not epoch.counted:
            return Odd.UNCOUNTED
        member = self._member(number, flag, outcome)
        if member is None:
            return Odd.UNCOUNTED
        state, (group, unit) = epoch.state, member
        kept = (state.phase, flag.exposure, state.settings_epoch, group, outcome.event)
        return Slot(self.rollout, start, epoch.epoch, until, *kept), unit

    def _member(self, number: int, flag: Flag, outcome: Outcome) -> Member | None:
        """The unit's cohort and hash, None where it is in neither; remembered where its key alone decides that."""
        if self._needs or outcome.key is None:
            return _member(flag, outcome)
        asked = number, outcome.key
        if asked not in self._members:
            if len(self._members) >= MOST_MEMBERS:
                self._members.clear()
            self._members[asked] = _member(flag, outcome)
        return self._members[asked]


def _member(flag: Flag, outcome: Outcome) -> Member | None:
    group = cohort(flag, outcome.key, outcome.context, flag.exposure)
    unit = unit_of(flag, outcome.key, outcome.context)
    return None if group is None or unit is None else (group, mmh3.hash64(unit)[0])


def _ranges(plan: Plan) -> Iterator[tuple[str, tuple[float, float]]]:
    for metric in plan.metrics.values():
        if metric.value is not None and metric.range is not None:
            yield metric.value, metric.range


def _limits(plan: Plan) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The limits of every event that is a number, of all metrics that read it."""
    found: dict[str, set[float]] = {}
    for number in numbers(plan):
        found.setdefault(number.event, set()).update(number.limits)
    yield from ((event, tuple(sorted(limits))) for event, limits in found.items())
