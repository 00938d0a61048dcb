"""From sources to counts: what every rollout of a pass needs, asked for together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.model import Bucket
from state.events import Events

Cursor = tuple[datetime, int] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one rollout needs: its closed buckets behind `after`, (start, exposure epoch) of the last one consumed."""

    id: int
    name: str
    flag: str
    digest: str
    after: Cursor


@dataclass(frozen=True, slots=True)
class Counted:
    """What a rollout's sources gave: its buckets in order, and every event name ever seen for its flag."""

    buckets: Sequence[Bucket] = ()
    seen: frozenset[str] = frozenset()


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
