"""The calendar of a plan: the dates people are promised, across windows, freezes and clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whenever import PlainDateTime

from plans.expressions import Duration
from plans.load import load
from plans.schema import Plan
from plans.timeline import (
    adjustment_due,
    bucket_seconds,
    hold_ends,
    local,
    next_open,
    next_thaw,
    planned_buckets,
    start_due,
    timeline,
    warnings,
)

ZONES = (
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Pacific/Apia",
    "UTC",
)
BASE: dict[str, Any] = {
    "sluice": 1,
    "name": "p",
    "flag": "f",
    "stable": {"model": "a"},
    "candidate": {"model": "b"},
    "phases": [{"name": "some", "expose": "10%", "hold": "1d"}, {"name": "all", "expose": "100%", "hold": "1d"}],
    "metrics": {"e": {"source": "events", "bad": "error", "of": "request"}},
    "stop": {"criteria": ["e > 2x control"]},
}
instants = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone beside


def plan(hold: str = "1d", adjust: str | None = None, **schedule: Any) -> Plan:
    """A plan of two phases whose schedule is under test."""
    first = {"name": "some", "expose": "10%", "hold": hold}
    if adjust:
        first["adjust"] = [{"at": adjust, "set": {"model": "c"}}]  # type: ignore[assignment]
    return Plan.model_validate(BASE | {"phases": [first, BASE["phases"][1]], "schedule": schedule})


def utc(*parts: int) -> datetime:
    """An instant in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_the_case_law_plan_has_the_dates_that_the_format_promises() -> None:
    """Alpha to completion, with window and holidays applied and every approval given at once."""
    steps = timeline(load("plans/examples/case-law.yaml"), utc(2026, 11, 30, 14))
    assert [
        ("2026-12-01T14:00:00+00:00", "Tue 1 Dec 09:00", "phase", "alpha", 1_000, 0.7),
        ("2026-12-04T14:00:00+00:00", "Fri 4 Dec 09:00", "approval", "alpha", 1_000, 0.7),
        ("2026-12-07T14:00:00+00:00", "Mon 7 Dec 09:00", "phase", "beta", 10_000, 0.7),
        ("2026-12-09T14:00:00+00:00", "Wed 9 Dec 09:00", "adjust", "beta", 10_000, 0.8),
        ("2026-12-14T14:00:00+00:00", "Mon 14 Dec 09:00", "phase", "majority", 50_000, 0.8),
        ("2027-01-05T14:00:00+00:00", "Tue 5 Jan 2027 09:00", "phase", "ga", 100_000, 0.8),
        ("2027-01-12T14:00:00+00:00", "Tue 12 Jan 2027 09:00", "complete", "ga", 100_000, 0.8),
    ] == [(s.at.isoformat(), s.local, s.what, s.phase, s.exposure, s.settings["min_confidence"]) for s in steps]


def test_each_step_says_in_numbers_what_it_does() -> None:
    """Preview's words: shares and users for growth, old and new values for an adjustment."""
    texts = [step.text for step in timeline(load("plans/examples/case-law.yaml"), utc(2026, 11, 30))]
    assert texts[0] == "alpha begins: 1% of users, 200 a day, get the candidate"
    assert texts[1] == "approval to leave alpha"
    assert texts[3] == "the candidate's min_confidence 0.7 → 0.8"
    assert texts[6].endswith("the candidate is the new stable for everyone, the block list ends")


def test_a_hold_of_days_keeps_the_clock_time_across_a_clock_change() -> None:
    """A day is a date and 24 hours are hours: on the night of the change they differ by one."""
    entered = utc(2026, 10, 31, 13)  # 09:00 in New York, the day before clocks go back
    days, hours = (plan(hold, timezone="America/New_York") for hold in ("1d", "24h"))
    assert utc(2026, 11, 1, 14) == hold_ends(days, 0, entered, Duration())
    assert utc(2026, 11, 1, 13) == hold_ends(hours, 0, entered, Duration())
    assert "Sun 1 Nov 09:00" == local(days, hold_ends(days, 0, entered, Duration()))


def test_a_clock_time_in_the_gap_comes_later_and_a_doubled_one_first() -> None:
    """02:30 does not exist on 8 March in New York and 01:30 comes twice on 1 November."""
    gap = plan(timezone="America/New_York", start="2026-03-08 02:30")
    twice = plan(timezone="America/New_York", start="2026-11-01 01:30")
    assert utc(2026, 3, 8, 7, 30) == start_due(gap, utc(2026, 1, 1))
    assert utc(2026, 11, 1, 5, 30) == start_due(twice, utc(2026, 1, 1))


@given(
    wall=st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(lambda at: at.replace(second=0, microsecond=0)),  # noqa: DTZ001
    zone=st.sampled_from(ZONES),
)
def test_wall_clock_times_become_the_instants_that_an_independent_calendar_gives(wall: datetime, zone: str) -> None:
    """Gap later, overlap earlier, as `whenever` has it under the name `compatible`."""
    expected = PlainDateTime(wall).assume_tz(zone, disambiguate="compatible").to_instant()
    start = start_due(plan(timezone=zone, start=wall), utc(1999, 1, 1))
    assert expected.timestamp() == start.timestamp()


def test_a_start_in_the_past_means_at_once_inside_the_window_with_a_warning() -> None:
    """Nothing is dated before the submission, and the reader is told."""
    late = plan(timezone="America/New_York", start="2026-12-01 09:00", advance="Mon-Thu 09:00-16:00")
    friday = utc(2026, 12, 4, 15)
    assert friday == start_due(late, friday)
    assert utc(2026, 12, 7, 14) == timeline(late, friday)[0].at
    assert [
        "schedule.start: Tue 1 Dec 09:00 has passed; the rollout starts at once, inside the window",
        "schedule: Fri 4 Dec 10:00 is outside the window or frozen; the rollout starts Mon 7 Dec 09:00",
    ] == list(warnings(late, friday))


def test_a_start_ahead_needs_no_warning() -> None:
    """The plan of the format, submitted the day before, has nothing to warn of."""
    assert warnings(load("plans/examples/case-law.yaml"), utc(2026, 11, 30)) == ()


def test_the_preview_says_what_a_fixed_baseline_and_a_threshold_cost() -> None:
    """Both are allowed, and both give up something that `control` and the sequential test promise."""
    criteria = ["e > 2x baseline", {"when": "e > 5%", "test": "threshold", "for": "3 of 5"}]
    metrics = {"e": {"source": "events", "bad": "error", "of": "request", "baseline": 0.02}}
    told = warnings(Plan.model_validate(BASE | {"metrics": metrics, "stop": {"criteria": criteria}}), utc(2026, 1, 1))
    assert ["bad hour for everyone" in told[0], "outside the promise" in told[1]] == [True, True]


@pytest.mark.parametrize(
    ("adjust", "due"),
    [
        ("day 1", utc(2026, 12, 1, 15)),
        ("day 3", utc(2026, 12, 3, 15)),
        ("day 3 09:30", utc(2026, 12, 3, 14, 30)),
        ("day 1 09:00", utc(2026, 12, 1, 15)),
        ("36h", utc(2026, 12, 3, 3)),
    ],
)
def test_adjustments_count_days_of_the_phase_from_one(adjust: str, due: datetime) -> None:
    """The third day is two dates on; a clock time that has passed when the phase begins is due at once."""
    entered = utc(2026, 12, 1, 15)
    assert due == adjustment_due(plan("7d", adjust, timezone="America/New_York"), 0, 0, entered)


def test_adjustments_obey_freezes_and_not_windows() -> None:
    """A threshold may move at night, but not during the holidays."""
    night = plan("7d", "36h", timezone="UTC", start="2026-12-01 09:00", advance="Mon-Fri 09:00-16:00")
    frozen = plan(
        "7d", "36h", timezone="UTC", start="2026-12-01 09:00", freeze=[{"from": "2026-12-02", "to": "2026-12-04"}]
    )
    assert utc(2026, 12, 2, 21) == timeline(night, utc(2026, 11, 1))[1].at
    assert utc(2026, 12, 5) == timeline(frozen, utc(2026, 11, 1))[1].at


def test_both_days_of_a_freeze_are_frozen() -> None:
    """Growth stops with the first minute of the first day and may go on with the first after the last."""
    frozen = plan(timezone="UTC", freeze=[{"from": "2026-12-24", "to": "2026-12-26"}])
    for inside in (utc(2026, 12, 24), utc(2026, 12, 26), utc(2026, 12, 26, 23, 59)):
        assert utc(2026, 12, 27) == next_thaw(frozen, inside)
    for outside in (utc(2026, 12, 23, 23, 59), utc(2026, 12, 27)):
        assert outside == next_thaw(frozen, outside)


def test_touching_freezes_are_one() -> None:
    """Thaw is after the last of them."""
    frozen = plan(
        timezone="Europe/Berlin",
        freeze=[{"from": "2026-12-24", "to": "2026-12-26"}, {"from": "2026-12-27", "to": "2027-01-01"}],
    )
    assert datetime(2027, 1, 2, tzinfo=ZoneInfo("Europe/Berlin")) == next_thaw(frozen, utc(2026, 12, 25))


def test_a_window_opens_when_the_gap_that_swallows_its_start_ends() -> None:
    """Hours from 02:30 begin at 03:00 on the day that has no 02:30."""
    early = plan(timezone="America/New_York", advance="Sun 02:30-05:00")
    assert utc(2026, 3, 8, 7) == next_open(early, utc(2026, 3, 8))


windows = st.sampled_from(
    ["Mon-Thu 09:00-16:00", "Sun 01:30-02:30", "Sat-Sun 00:00-24:00", "Mon-Sun 23:00-24:00", "Wed 00:00-00:30"]
)
days = st.dates(date(2005, 1, 1), date(2034, 1, 1))
freezes = st.lists(
    st.tuples(days, st.integers(0, 40)).map(lambda pair: {"from": pair[0], "to": pair[0] + timedelta(pair[1])}),
    max_size=3,
)


@given(at=instants, zone=st.sampled_from(ZONES), window=windows, freeze=freezes)
def test_the_next_opening_is_ahead_and_inside(at: datetime, zone: str, window: str, freeze: list[Any]) -> None:
    """Never in the past, inside window and outside freezes, and an opening is its own next opening."""
    told = plan(timezone=zone, advance=window, freeze=freeze)
    opening = next_open(told, at)
    there = opening.astimezone(ZoneInfo(zone))
    assert told.schedule.advance is not None
    assert opening >= at
    assert told.schedule.advance.holds(there.weekday(), there.time())
    assert not any(frozen.from_ <= there.date() <= frozen.to for frozen in told.schedule.freeze)
    assert opening == next_open(told, opening)


@given(at=instants, later=st.timedeltas(timedelta(0), timedelta(days=9)), zone=st.sampled_from(ZONES), window=windows)
def test_a_later_arrival_never_opens_earlier(at: datetime, later: timedelta, zone: str, window: str) -> None:
    """Openings keep the order of arrivals, so the earliest is found."""
    told = plan(timezone=zone, advance=window)
    assert next_open(told, at) <= next_open(told, at + later)


@given(
    at=instants,
    zone=st.sampled_from(ZONES),
    day=st.integers(0, 60),
    more=st.integers(0, 30),
    seconds=st.integers(0, 10**6),
)
def test_a_longer_hold_never_ends_sooner(at: datetime, zone: str, day: int, more: int, seconds: int) -> None:
    """Adding days or seconds, as an extension does, only ever moves the end out."""
    told = plan("0s", timezone=zone)
    end = hold_ends(told, 0, at, Duration(day, seconds))
    assert at <= end or day > 0
    assert end <= hold_ends(told, 0, at, Duration(day + more, seconds))
    assert end <= hold_ends(told, 0, at, Duration(day, seconds + more))


def test_a_hold_without_days_survives_the_doubled_hour() -> None:
    """Both passes of 01:30 are different instants, and no hold confuses them."""
    told = plan("0s", timezone="America/New_York")
    for at in (utc(2026, 11, 1, 5, 30), utc(2026, 11, 1, 6, 30)):
        assert at + timedelta(minutes=10) == hold_ends(told, 0, at, Duration(seconds=600))


def test_without_a_zone_days_are_counted_in_utc_and_said_so() -> None:
    """A plan without wall-clock times needs no zone; its dates name the one they are in."""
    assert "Tue 1 Dec 14:00 UTC" == local(plan(), utc(2026, 12, 1, 14))
    assert "Tue 1 Dec 14:00:07 UTC" == local(plan(), utc(2026, 12, 1, 14, 0, 7))


def test_buckets_span_the_previewed_timeline() -> None:
    """Two days in five-minute buckets; a faster check makes shorter ones."""
    quick = Plan.model_validate(BASE | {"stop": {"check_every": "10s", "criteria": ["e > 2x control"]}})
    assert (576, 300) == (planned_buckets(plan()), bucket_seconds(plan()))
    assert (17_280, 10) == (planned_buckets(quick), bucket_seconds(quick))
    assert 12_096 == planned_buckets(load("plans/examples/case-law.yaml"))
