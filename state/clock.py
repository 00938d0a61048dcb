"""The clocks of the edge: one that the store shares between processes, and one that a rehearsal turns by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from state.store import Store
from state.tables import ClockKind
from state.ticking import Ticks

GRACE = timedelta(seconds=2)
ANCHOR_AFTER = timedelta(seconds=0.25)
AHEAD = timedelta(minutes=5)
AHEAD_ACCELERATED = timedelta(days=7)


class Time(Protocol):
    """What needs the time asks one of these."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...

    def settled(self, now: datetime) -> datetime:
        """The instant before which all outcomes have arrived, so that buckets that end there may close."""
        ...

    def ahead(self) -> timedelta:
        """How far in the future an outcome may say it happened."""
        ...


def wall() -> datetime:
    """The machine's own clock."""
    return datetime.now(UTC)


class Clock:
    """The store's clock: the machine's own, or an accelerated one that every process reads in the store.

    The accelerated clock stops at every due instant until a pass there has settled, at a question until a person
    answers, and at the last instant for which the application has reported. Where it was stopped it goes on from there.
    It never goes back. Whether a store's clock is real is decided before its first use and kept.
    """

    def __init__(self, store: Store, real: Callable[[], datetime] = wall) -> None:
        self._store = store
        self._real = real
        self._kind: ClockKind | None = None
        self._latest: datetime | None = None

    @property
    def kind(self) -> ClockKind:
        """Where the time comes from."""
        if self._kind is None:
            self._kind = self._store.ticks().kind
        return self._kind

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return self._real() if self.kind is ClockKind.REAL else self._accelerated()

    def real(self) -> datetime:
        """The machine's own time, whatever this store's clock says: for leases, heartbeats and real waiting."""
        return self._real()

    def until(self) -> datetime | None:
        """The instant that an accelerated clock will not pass before somebody acts: on a due step or an open question.

        An application may live that far with its flags as they are; None on a real clock, and where nothing is due.
        """
        return None if self.kind is ClockKind.REAL else self._store.ticks().barrier

    def accelerate(self, start: datetime, rate: float) -> None:
        """Turn the store's clock into one that starts at `start` and runs `rate` times as fast as the machine's."""
        self._store.accelerate(start, rate, self._real())
        self._kind, self._latest = ClockKind.ACCELERATED, None

    def report(self, until: datetime) -> None:
        """Let the clock run to `until`: all outcomes before that have been sent."""
        self._store.reported(until)

    def due_in_real(self, at: datetime) -> float:
        """Seconds of real time until the clock reaches `at` if nothing stops it; 0 where it has."""
        rate = 1.0 if self.kind is ClockKind.REAL else self._store.ticks().rate
        return max(0.0, (at - self.now()).total_seconds() / rate)

    def settled(self, now: datetime) -> datetime:
        """Two seconds of real time ago; on a clock that waits for reports, now."""
        if self.kind is ClockKind.REAL:
            return now - GRACE
        ticks = self._store.ticks()
        return now - GRACE * ticks.rate if ticks.reported_until is None else min(now, ticks.reported_until)

    def ahead(self) -> timedelta:
        """Five minutes; on an accelerated clock, whose application sends outcomes before it reports them, a week."""
        return AHEAD if self.kind is ClockKind.REAL else AHEAD_ACCELERATED

    def _accelerated(self) -> datetime:
        ticks, real = self._store.ticks(), self._real()
        assert ticks.virtual is not None and ticks.real is not None  # noqa: S101, PT018 - `accelerate` writes both
        free = ticks.virtual + (real - ticks.real) * ticks.rate
        now = max(ticks.virtual, min(free, *_stops(ticks)), self._latest or ticks.virtual)
        self._latest = now
        if (free - now) > ANCHOR_AFTER * ticks.rate:
            self._store.anchor(now, real, ticks.real)
        return now


class HandClock:
    """A clock that stands until it is set: for rehearsals and tests."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Where it was set."""
        return self.at

    def settled(self, now: datetime) -> datetime:
        """Now: nothing is under way."""
        return now

    def ahead(self) -> timedelta:
        """As on a real clock."""
        return AHEAD


def _stops(ticks: Ticks) -> tuple[datetime, ...]:
    return tuple(at for at in (ticks.reported_until, ticks.barrier) if at is not None) or (
        datetime.max.replace(tzinfo=UTC),
    )
