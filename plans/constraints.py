"""What single values of a plan may be: shapes of text and ranges of numbers, with the remedy in every refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

from plans.expressions import Duration, percent
from plans.problems import shown

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

YEARS = range(2000, 2200)
START = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?$"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
STREAK = r"^[1-9][0-9]{0,2} of [1-9][0-9]{0,2}$"
CONFIDENCE = r"^[0-9]{2}(\.[0-9]{1,6})? ?%$"
LOWEST_CONFIDENCE, HIGHEST_CONFIDENCE = 0.5, 0.999


@dataclass(frozen=True, slots=True)
class Shape:
    """Text of a fixed pattern; `form` completes the sentence "write …"."""

    pattern: str
    form: str

    def check(self, value: str) -> str:
        """The text itself; raises ValueError with the form where it does not fit."""
        if re.search(self.pattern, value) is None or value.endswith("\n"):
            raise ValueError(f"{shown(value)} does not fit; write {self.form}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern, "description": self.form}


@dataclass(frozen=True, slots=True)
class Between:
    """A duration of at least `low` and at most `high`."""

    low: Duration
    high: Duration

    def check(self, value: Duration) -> Duration:
        """The duration itself; raises ValueError with the range where it lies outside."""
        if not self.low.total_seconds <= value.total_seconds <= self.high.total_seconds:
            raise ValueError(f"{value.text} is out of range; write {self.low.text} to {self.high.text}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


def read_start(value: object) -> datetime:
    """Wall-clock time without a zone, `2026-12-01 09:00`."""
    form = "wall-clock time such as `2026-12-01 09:00`, with the zone in `schedule.timezone`"
    if isinstance(value, datetime) and value.tzinfo is None:
        return value
    if not isinstance(value, str) or not re.search(START, value):
        raise ValueError(f"{shown(value)} is no start; write {form}")
    try:
        start = datetime.fromisoformat(value)
    except ValueError as wrong:
        raise ValueError(f"{shown(value)} is on no calendar ({wrong}); write {form}") from None
    _year(start.year)
    return start


def read_date(value: object) -> date:
    """A day, `2026-12-19`."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.search(DATE, value):
        raise ValueError(f"{shown(value)} is no day; write it as 2026-12-19")
    try:
        day = date.fromisoformat(value)
    except ValueError as wrong:
        raise ValueError(f"{shown(value)} is on no calendar ({wrong}); write a day such as 2026-12-19") from None
    _year(day.year)
    return day


def read_confidence(value: object) -> float:
    """A share of 50 % to 99.9 %, written `95%` or 0.95."""
    if isinstance(value, str) and re.search(CONFIDENCE, value):
        share = round(float(value.rstrip("% ")) / 100, 12)
    elif isinstance(value, float):
        share = value
    else:
        raise ValueError(f"{shown(value)} is no confidence; write a percentage such as 95%")
    if not LOWEST_CONFIDENCE <= share <= HIGHEST_CONFIDENCE:
        raise ValueError(f"{percent(round(share * 100_000))} is out of range; write 50% to 99.9%")
    return share


def read_streak(value: str) -> str:
    """`3 of 5`, with the first number not above the second."""
    if not re.search(STREAK, value):
        raise ValueError(f"{shown(value)} does not fit; write how many looks of how many, such as `3 of 5`")
    wanted, looks = (int(number) for number in value.split(" of "))
    if wanted > looks:
        raise ValueError(f"{shown(value)} can never happen; write at most `{looks} of {looks}`")
    return value


def read_zone(value: str) -> str:
    """The name of a time zone in the IANA database."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only plans with a zone need it

    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise ValueError(
            f"{shown(value)} is no time zone{_meant(value)}; write a name such as America/New_York"
        ) from None
    return value


def read_matcher(value: object) -> object:
    """A matcher with every pattern as text in a list: `tier: vip` is `tier: [vip]`."""
    if not isinstance(value, Mapping):
        return value
    if not value:
        raise ValueError("an empty matcher would match everybody; name an attribute, such as `tier: vip`")
    return {name: tuple(_patterns(name, patterns)) for name, patterns in value.items()}


def _patterns(name: str, patterns: object) -> list[str]:
    listed = list(patterns) if isinstance(patterns, list | tuple) else [patterns]
    if not listed:
        raise ValueError(f"`{name}: []` matches nobody; write a value or remove it")
    if not all(isinstance(pattern, str | int | float) for pattern in listed):
        raise ValueError(f"`{name}` holds something other than values; write text such as `{name}: [vip, gold]`")
    return [str(pattern).lower() if isinstance(pattern, bool) else str(pattern) for pattern in listed]


def _year(year: int) -> None:
    if year not in YEARS:
        raise ValueError(f"the year {year} is out of range; write {YEARS.start} to {YEARS.stop - 1}")


def _meant(name: str) -> str:
    from zoneinfo import available_timezones  # noqa: PLC0415 - slow, and only for a message

    from plans.problems import closest  # noqa: PLC0415 - as above

    found = closest(name, available_timezones())
    return f"; did you mean {found!r}" if found else ""
