"""`test: threshold` with `for: k of n`: looks that find the limit crossed, counted without any promise.

A look is a stretch of `check_every`, on a grid that belongs to the clock, so that nothing depends on when anybody
looked. Each is judged by itself, from what was counted in it alone, once it is over; a stretch in which treatment was
not heard, or control where it is needed, is a look that found nothing. A breach is k such looks among the last n.
"""

from __future__ import annotations

from typing import NamedTuple

from rollout.model import Counts


class Streak(NamedTuple):
    """`needed` of the last `looks` looks, each `seconds` long; `proves` says that a pass is asked for."""

    needed: int
    looks: int
    seconds: int
    proves: bool = False

    @classmethod
    def parse(cls, text: str | None, seconds: int) -> Streak:
        """Read `3 of 5`; without words one look is enough."""
        needed, looks = (1, 1) if text is None else (int(number) for number in text.split(" of "))
        return cls(needed, looks, seconds)

    def window(self, at: float) -> int:
        """Which look an instant (epoch seconds) belongs to."""
        return int(at // self.seconds)


class Looks(NamedTuple):
    """The look under way with what was counted in it so far, and which of the last ones found the limit crossed.

    Looks are numbered by the clock, -1 where there was none: `first` is the first that was judged, `judged` the last.
    """

    window: int = -1
    first: int = -1
    judged: int = -1
    treatment: Counts = Counts()
    control: Counts = Counts()
    crossed: tuple[int, ...] = ()

    @property
    def flat(self) -> tuple[float, ...]:
        """The same as plain numbers; `from_flat` reads them."""
        sides = (*_flat(self.treatment), *_flat(self.control))
        return (self.window, self.first, self.judged, *sides, *self.crossed)

    @classmethod
    def from_flat(cls, numbers: tuple[float, ...]) -> Looks:
        """Inverse of `flat`; nothing is the very beginning."""
        if not numbers:
            return cls()
        window, first, judged, *rest = numbers
        crossed = tuple([int(number) for number in rest[8:]])
        return cls(int(window), int(first), int(judged), _counts(rest[:4]), _counts(rest[4:8]), crossed)

    @property
    def open(self) -> bool:
        """Whether there is a look under way that was not judged."""
        return self.window > self.judged


def added(streak: Streak, looks: Looks, window: int, treatment: Counts, control: Counts) -> Looks:
    """The look `window` with one bucket more; looks that fell out of the last ones are forgotten."""
    kept = tuple([crossed for crossed in looks.crossed if crossed > window - streak.looks])
    if window != looks.window:
        return looks._replace(window=window, treatment=treatment, control=control, crossed=kept)
    return looks._replace(treatment=looks.treatment + treatment, control=looks.control + control, crossed=kept)


def closed(looks: Looks, *, past: bool) -> Looks:
    """The same with the look under way judged; `past` says that it found the limit crossed."""
    crossed = (*looks.crossed, looks.window) if past else looks.crossed
    first = looks.window if looks.first < 0 else looks.first
    return looks._replace(first=first, judged=looks.window, crossed=crossed)


def clean(streak: Streak, looks: Looks) -> bool:
    """Whether, where that is asked for, all looks that count were made and too few found the limit crossed."""
    made = looks.judged - looks.first + 1 if looks.first >= 0 else 0
    return streak.proves and made >= streak.looks and len(looks.crossed) < streak.needed


def _flat(counts: Counts) -> tuple[float, ...]:
    return counts.bad, counts.total, counts.sum, counts.squares


def _counts(numbers: list[float]) -> Counts:
    bad, total, summed, squares = numbers
    return Counts(int(bad), int(total), float(summed), float(squares))
