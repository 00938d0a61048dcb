"""Which buckets a source is asked for: a fixed grid, cut wherever something changed that is served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gates.sources import Window
from rollout.model import NOT_STARTED

MOST = 144
"""Windows of one question, the newest: half a day of five minutes, caught up with after an outage."""
BEFORE = 240
"""Windows from before a rollout, by which it is told how control's counts scatter: 20 hours of five minutes."""
BEFORE_EPOCH = -1
SHORTEST = timedelta(seconds=60)
"""A shorter remainder of a bucket is left out: between two scrapes there is nothing to be counted."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch in which what is served did not change: from `start` up to `end`, None while it lasts."""

    start: datetime
    end: datetime | None
    epoch: int
    phase: int
    exposure: int
    settings_epoch: int


def windows(
    spans: Iterable[Span], width: timedelta, after: tuple[datetime, int] | None, until: datetime
) -> tuple[Window, ...]:
    """The newest windows, in order, that lie behind the bucket `after`, (start, epoch), and end by `until`."""
    least = min(SHORTEST, width)
    found = [
        window
        for span in sorted(spans, key=lambda span: (span.start, span.epoch))
        for window in _cut(span, width, after, until)
        if window.length >= least
    ]
    return tuple(found[-MOST:])


def earlier(begun: datetime, width: timedelta, until: datetime) -> tuple[Window, ...]:
    """The last windows before a rollout began, when everybody had stable: whole buckets that end by `until`."""
    last = begun - (begun - EPOCH) % width
    starts = (last - number * width for number in range(BEFORE, 0, -1))
    return tuple(
        Window(
            start=start,
            end=start + width,
            epoch=BEFORE_EPOCH,
            phase=NOT_STARTED,
            exposure=0,
            settings_epoch=0,
        )
        for start in starts
        if start + width <= until
    )


def _cut(span: Span, width: timedelta, after: tuple[datetime, int] | None, until: datetime) -> Iterator[Window]:
    end = until if span.end is None else span.end
    start = span.start if after is None else max(span.start, after[0])
    while start < end:
        stop = min(start - (start - EPOCH) % width + width, end)
        if stop > until or (span.end is None and (stop - EPOCH) % width):
            return  # not closed yet
        if after is None or (start, span.epoch) > after:
            yield Window(
                start=start,
                end=stop,
                epoch=span.epoch,
                phase=span.phase,
                exposure=span.exposure,
                settings_epoch=span.settings_epoch,
            )
        start = stop
