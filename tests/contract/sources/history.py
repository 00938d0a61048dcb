"""One short history of counts, told to every source in its own language."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gates.sources import Request
from gates.sources.windows import Span, windows
from plans.schema import Metric
from rollout.model import Bucket, Counts

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WIDTH = 5 * MINUTE
GROWN = BEGIN + 12 * MINUTE
END = BEGIN + 20 * MINUTE
SPANS = (
    Span(start=BEGIN, end=GROWN, epoch=1, phase=0, exposure=10_000, settings_epoch=0),
    Span(start=GROWN, end=None, epoch=2, phase=1, exposure=50_000, settings_epoch=0),
)
WORDS = ("request", "error", "correct")


class Told(NamedTuple):
    """What happened from one minute to another: bad and all, of those with the candidate and of those with stable."""

    since: int
    until: int
    candidate: Counts
    stable: Counts

    def counts(self, variant: str) -> Counts:
        """One variant's."""
        return self.candidate if variant == "candidate" else self.stable


HISTORY = (
    Told(0, 5, Counts(3, 40), Counts(9, 160)),
    Told(5, 10, Counts(0, 25), Counts(1, 90)),
    Told(10, 12, Counts(2, 2), Counts(0, 30)),
    Told(12, 15, Counts(1, 30), Counts(2, 31)),
    Told(15, 20, Counts(4, 50), Counts(3, 52)),
)


def request(
    metrics: dict[str, Metric], after: tuple[datetime, int] | None = None, spans: tuple[Span, ...] = SPANS
) -> Request:
    """A question about the whole history, or what lies behind a bucket."""
    return Request(rollout="search", metrics=metrics, windows=windows(spans, WIDTH, after, END))


def expected(metrics: dict[str, Metric]) -> tuple[Bucket, ...]:
    """The buckets that every source must give; both metrics dislike the same units."""
    return tuple(
        Bucket(
            start=window.start,
            end=window.end,
            epoch=window.epoch,
            phase=window.phase,
            exposure=window.exposure,
            settings_epoch=0,
            counts=dict.fromkeys(metrics, (told.candidate, told.stable)),
        )
        for window, told in zip(request(metrics).windows, HISTORY, strict=True)
    )


def number(counts: Counts, word: str) -> int:
    """How often a word was told."""
    return {"request": counts.total, "error": counts.bad, "correct": counts.total - counts.bad}[word]


def moments() -> Iterator[tuple[datetime, Told]]:
    """The middle of each stretch, where all of it happens."""
    for told in HISTORY:
        yield BEGIN + (told.since + told.until) * MINUTE / 2, told


def between(since: datetime, until: datetime, variant: str, word: str) -> int:
    """The count of a word, as a source finds it that looks at moments."""
    return sum(number(told.counts(variant), word) for at, told in moments() if since <= at < until)


def openmetrics() -> str:
    """Counters that are scraped every 15 seconds from before the beginning to after the end."""
    lines = []
    for word in WORDS:
        lines.append(f"# TYPE ai_{word} counter")
        for variant in ("candidate", "stable"):
            for step in range(-20, 120):
                at = BEGIN + step * timedelta(seconds=15)
                total = between(BEGIN, at + timedelta(microseconds=1), variant, word)
                lines.append(f'ai_{word}_total{{variant="{variant}"}} {total} {at.timestamp():.0f}')
    return "\n".join([*lines, "# EOF", ""])
