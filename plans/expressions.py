"""The small languages inside a plan: durations, exposures, moments, windows and conditions, each read from text.

Every class is an immutable value with `parse(text)`, which raises ValueError naming the remedy, and `text`, which
`parse` reads back to an equal value. All of them serve as pydantic field types: text in, the same words out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal
from typing import ClassVar

from plans.conditions import Condition, Limit, Reference, Target, TargetKind
from plans.grammar import CLOCK, NUMBER, Expression

__all__ = [
    "Condition",
    "Duration",
    "Expose",
    "Expression",
    "Limit",
    "Reference",
    "Target",
    "TargetKind",
    "When",
    "Window",
    "percent",
]

DAY = 86_400
FULL = 100_000
LONGEST_DAYS = 3_660
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Duration(Expression):
    """A span of calendar days and elapsed seconds: `3d` is three dates on, `72h` is so many hours.

    The two differ where a clock change lies between, which is why they are kept apart.
    """

    days: int = 0
    seconds: int = 0

    PATTERN: ClassVar[str] = (
        r"(?=[0-9])(?:(?P<w>[0-9]{1,6})w)?(?:(?P<d>[0-9]{1,6})d)?"
        r"(?:(?P<h>[0-9]{1,8})h)?(?:(?P<m>[0-9]{1,9})m)?(?:(?P<s>[0-9]{1,10})s)?"
    )
    FORM: ClassVar[str] = "a whole number with s, m, h, d or w, such as 45s, 90m, 12h, 3d or 2w"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("45s", "90m", "12h", "3d", "2w")

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read `45s`, `90m`, `12h`, `3d`, `2w` or a sequence of these such as `1d12h`; ten years at most."""
        parts = {unit: int(count or 0) for unit, count in cls._match(text).groupdict().items()}
        duration = cls(parts["w"] * 7 + parts["d"], parts["h"] * 3600 + parts["m"] * 60 + parts["s"])
        if duration.total_seconds > LONGEST_DAYS * DAY:
            raise ValueError(f"{text!r} is longer than ten years; write a shorter time")
        return duration

    @property
    def text(self) -> str:
        """The shortest wording: `14d`, `90m`, `1d12h`; nothing at all is `0s`."""
        days = f"{self.days}d" if self.days else ""
        return (days + _clock_part(self.seconds)) or "0s"

    @property
    def timedelta(self) -> timedelta:
        """The span with every day taken as 24 hours."""
        return timedelta(days=self.days, seconds=self.seconds)

    @property
    def total_seconds(self) -> int:
        """Length in seconds with every day taken as 24 hours."""
        return self.days * DAY + self.seconds

    def __add__(self, other: Duration) -> Duration:
        return Duration(self.days + other.days, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class Expose(Expression):
    """How many units get the candidate: a share in thousandths of a percent or a number of units, the other None."""

    share: int | None = None
    units: int | None = None

    PATTERN: ClassVar[str] = rf"(?P<percent>{NUMBER}) ?%|(?P<units>[0-9]{{1,12}}) users?"
    FORM: ClassVar[str] = "a percentage such as 10%, in steps of 0.001%, or a number such as `100 users`"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("1%", "0.5%", "10%", "100%", "100 users")

    @classmethod
    def parse(cls, text: str) -> Expose:
        """Read `1%`, `0.001%` or `100 users`; shares are exact to a thousandth of a percent."""
        found = cls._match(text)
        if found["units"] is not None:
            return cls(units=int(found["units"]))
        thousandths = Decimal(found["percent"]) * 1000
        if thousandths > FULL:
            raise ValueError(f"{text!r} is more than everyone; write 100% or less")
        if thousandths != int(thousandths):
            raise ValueError(f"{text!r} is finer than can be honoured; write a multiple of 0.001%")
        return cls(share=int(thousandths))

    @property
    def text(self) -> str:
        """`10%`, `0.001%` or `100 users`."""
        return f"{self.units} users" if self.share is None else percent(self.share)

    def thousandths(self, audience_size: int | None) -> int:
        """Exposure in thousandths of a percent, rounded up where a number of users is asked for.

        Raises ValueError where users are asked for and the size of the audience is unknown.
        """
        if self.units is None:
            return self.share or 0
        if not audience_size:
            raise ValueError(f"`{self.text}` needs the size of the audience; add `audience: {{size: 20000}}`")
        return min(FULL, -(-self.units * FULL // audience_size))


@dataclass(frozen=True, slots=True)
class When(Expression):
    """A moment inside a phase: its n-th day (the first is 1), that day at a clock time, or a time after its start."""

    day: int | None = None
    at: time | None = None
    after: Duration | None = None

    PATTERN: ClassVar[str] = rf"day (?P<day>[1-9][0-9]{{0,3}})(?: (?P<at>{CLOCK}))?|(?P<after>[0-9][0-9wdhms]*)"
    FORM: ClassVar[str] = "a day of the phase such as `day 3` or `day 3 09:00`, or a time after its start such as 36h"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("day 3", "day 3 09:00", "36h")

    @classmethod
    def parse(cls, text: str) -> When:
        """Read `day 3`, `day 3 09:00` or `36h`."""
        found = cls._match(text)
        if found["after"] is not None:
            return cls(after=Duration.parse(found["after"]))
        return cls(day=int(found["day"]), at=time.fromisoformat(found["at"]) if found["at"] else None)

    @property
    def text(self) -> str:
        """`day 3`, `day 3 09:00` or `36h`."""
        if self.after is not None:
            return self.after.text
        return f"day {self.day} {self.at:%H:%M}" if self.at else f"day {self.day}"


@dataclass(frozen=True, slots=True)
class Window(Expression):
    """Weekdays (0 = Monday) and clock times between which exposure may grow; `opens` included, `closes` not.

    `closes` at 00:00 is the end of the day.
    """

    days: tuple[int, ...]
    opens: time
    closes: time

    PATTERN: ClassVar[str] = (
        rf"(?:(?P<days>[A-Za-z]{{3}}(?:[-,] ?[A-Za-z]{{3}})*) )?(?P<opens>{CLOCK}) ?- ?(?P<closes>{CLOCK}|24:00)"
    )
    FORM: ClassVar[str] = "days and hours such as `Mon-Thu 09:00-16:00` or `Mon,Wed,Fri 10:00-15:30`"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("Mon-Thu 09:00-16:00", "Mon,Wed,Fri 10:00-15:30", "Mon-Fri 00:00-24:00")

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `Mon-Thu 09:00-16:00`; without days every day is meant."""
        found = cls._match(text)
        opens = time.fromisoformat(found["opens"])
        closes = time.min if found["closes"] == "24:00" else time.fromisoformat(found["closes"])
        if closes <= opens and found["closes"] != "24:00":
            raise ValueError(f"{text!r} closes before it opens; write hours of one day, the later one last")
        return cls(_weekdays(found["days"]) if found["days"] else tuple(range(7)), opens, closes)

    @property
    def text(self) -> str:
        """`Mon-Thu 09:00-16:00`, with runs of days drawn together."""
        hours = f"{self.opens:%H:%M}-{'24:00' if self.closes == time.min else f'{self.closes:%H:%M}'}"
        return f"{_day_names(self.days)} {hours}"

    def holds(self, weekday: int, clock: time) -> bool:
        """Whether a weekday and clock time lie inside."""
        before_end = self.closes == time.min or clock < self.closes
        return weekday in self.days and self.opens <= clock and before_end


def percent(thousandths: int) -> str:
    """Thousandths of a percent in words: 10_000 is `10%`, 1 is `0.001%`."""
    return f"{(Decimal(thousandths) / 1000).normalize():f}%"


def _clock_part(seconds: int) -> str:
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s" if seconds else ""


def _weekdays(text: str) -> tuple[int, ...]:
    chosen: set[int] = set()
    for run in text.replace(" ", "").split(","):
        first, last = (_weekday(name) for name in (run.split("-")[0], run.split("-")[-1]))
        chosen.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return tuple(sorted(chosen))


def _weekday(name: str) -> int:
    if name.capitalize() not in WEEKDAYS:
        raise ValueError(f"{name!r} is no weekday; write {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(name.capitalize())


def _day_names(days: tuple[int, ...]) -> str:
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(WEEKDAYS[r[0]] if len(r) == 1 else f"{WEEKDAYS[r[0]]}-{WEEKDAYS[r[-1]]}" for r in runs)
