"""When data is expected: hours of the week in a zone, and how much of a silence falls into them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from plans.expressions import Window

if TYPE_CHECKING:
    from plans.schema import Criterion, Plan


@dataclass(frozen=True, slots=True)
class Hours:
    """A window in the plan's zone; on a day of a clock change it is as long as its clock times are apart."""

    window: Window
    zone: str

    @property
    def text(self) -> str:
        """`Mon-Fri 08:00-20:00 America/New_York`."""
        return f"{self.window.text} {self.zone}"

    def seconds(self, start: datetime, end: datetime) -> float:
        """How many seconds between two instants, in UTC, lie inside."""
        return sum(
            max(0.0, (min(end, closes) - max(start, opens)).total_seconds())
            for opens, closes in map(self._instants, self._days(start, end))
        )

    def _days(self, start: datetime, end: datetime) -> Iterator[date]:
        place = ZoneInfo(self.zone)
        day, last = start.astimezone(place).date(), end.astimezone(place).date()
        while day <= last:
            if day.weekday() in self.window.days:
                yield day
            day += timedelta(days=1)

    def _instants(self, day: date) -> tuple[datetime, datetime]:
        """The opening and the closing of a day; closing at 00:00 is the end of the day."""
        last = day + timedelta(days=1) if self.window.closes == time.min else day
        return self._instant(day, self.window.opens), self._instant(last, self.window.closes)

    def _instant(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, ZoneInfo(self.zone)).astimezone(UTC)


def told(plan: Plan) -> dict[str, str]:
    """By criterion, the hours in which its silence counts; those whose silence always counts are left out."""
    hours = ((criterion.text, expected(plan, criterion)) for criterion in plan.stop.criteria)
    return {text: found.text for text, found in hours if found}


def expected(plan: Plan, criterion: Criterion | None = None) -> Hours | None:
    """The hours in which a criterion's data is expected: its own, else the plan's; None where silence always counts."""
    window = (criterion.expect_data if criterion else None) or plan.stop.expect_data
    return Hours(window, plan.schedule.timezone or "UTC") if window else None
