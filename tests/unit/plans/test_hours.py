"""Expected hours: how much of a silence counts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from plans.expressions import Window
from plans.hours import Hours, expected, told
from plans.load import PlanError, loads
from tests.unit.plans.test_load import GOOD, problems

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = Hours(Window.parse("Mon-Fri 08:00-20:00"), "America/New_York")


def at(text: str) -> datetime:
    """Wall-clock time in New York, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-12-01 09:00", "2026-12-01 09:30", 0.5),  # inside
        ("2026-12-01 07:00", "2026-12-01 09:00", 1),  # the morning before it opens
        ("2026-12-01 19:00", "2026-12-02 09:00", 2),  # a night
        ("2026-12-04 19:00", "2026-12-07 09:00", 2),  # Friday to Monday
        ("2026-12-05 00:00", "2026-12-06 23:00", 0),  # a weekend
        ("2026-12-01 09:00", "2026-12-08 09:00", 60),  # a week
        ("2026-12-01 21:00", "2026-12-01 20:30", 0),  # no time at all
    ],
)
def test_only_the_part_of_a_silence_inside_the_hours_counts(start: str, end: str, hours: float) -> None:
    """Nights and weekends are no silence."""
    assert OFFICE.seconds(at(start), at(end)) == hours * 3600


def test_hours_are_those_of_the_plans_own_zone() -> None:
    """08:00 in New York is 13:00 UTC in winter and 12:00 in summer."""
    for month, opens in ((12, 13), (7, 12)):
        opening = datetime(2026, month, 1, opens, tzinfo=UTC)
        assert OFFICE.seconds(opening - timedelta(hours=3), opening) == 0
        assert OFFICE.seconds(opening - timedelta(hours=3), opening + timedelta(minutes=5)) == 300


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-11-02", 24)])
def test_a_whole_day_is_as_long_as_the_clocks_make_it(day: str, hours: int) -> None:
    """A window from 00:00 to 24:00 on the days of a clock change."""
    whole = Hours(Window.parse("00:00-24:00"), "America/New_York")
    start = at(f"{day} 00:00")
    assert whole.seconds(start, start + timedelta(hours=30)) == 30 * 3600
    assert (
        Hours(Window.parse(f"{start.astimezone(NEW_YORK):%a} 00:00-24:00"), "America/New_York").seconds(
            start - timedelta(days=1), start + timedelta(days=2)
        )
        == hours * 3600
    )


def test_a_criterions_own_hours_come_before_the_plans() -> None:
    """The plan's hours are for criteria that name none."""
    text = GOOD.replace("stop:", "stop:\n  expect_data: Mon-Fri 08:00-20:00")
    plan = loads(text.replace("- accuracy < 85%", "- {when: accuracy < 85%, expect_data: Mon 10:00-12:00}"))
    assert told(plan)["errors > 2x control"] == "Mon-Fri 08:00-20:00 Europe/Berlin"
    assert told(plan)["accuracy < 85%"] == "Mon 10:00-12:00 Europe/Berlin"
    assert expected(loads(GOOD)) is None


def test_expected_hours_need_a_zone() -> None:
    """08:00 is a different instant everywhere."""
    text = GOOD.replace("schedule: {timezone: Europe/Berlin}\n", "").replace(
        "stop:", "stop:\n  expect_data: 08:00-20:00"
    )
    with pytest.raises(PlanError, match=r"stop\.expect_data.*needs a time zone"):
        loads(text)
    (told_of,) = problems("stop:", "stop:\n  expect_data: Mon-Fri 20:00-08:00")
    assert "closes before it opens" in told_of
