"""The agenda over HTTP: JSON for scripts, a calendar to subscribe to, a list for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from icalendar import Calendar

from flows.agenda import agenda_page
from plans.load import loads
from rollout.agenda import agenda
from serving.asgi import App
from serving.calendar import calendar
from serving.desk import Desk
from serving.house import furnished
from state.clock import Clock, HandClock
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.unit.rollout.story import BEGIN, DAY, PLAN_TEXT
from tests.unit.serving.client import call

TEXT = PLAN_TEXT.replace("reason: holidays", "reason: 'rest; no <b>growth</b>, please'")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store, hand = Store(engine, "flag server"), HandClock(BEGIN)
    store.submit(loads(TEXT), TEXT, "ana", BEGIN)
    yield Desk(store=store, clock=Clock(store, lambda: hand.at), environment="staging")
    engine.dispose()


@pytest.fixture
def app(desk: Desk) -> App:
    return furnished(desk).app


def test_the_agenda_is_read_in_order(app: App) -> None:
    """A week of it has the start and the question; each entry says when in UTC and in the plan's own zone."""
    found = call(app, "GET", "/v1/agenda").json
    assert ["phase", "approval", "phase"] == [entry["what"] for entry in found]
    assert ("2026-12-04T14:00:00Z", "Fri 4 Dec 09:00") == (found[1]["at"], found[1]["local"])
    assert [] == call(app, "GET", "/v1/agenda", query="days=1").json[1:]
    assert 400 == call(app, "GET", "/v1/agenda", query="days=0").status


def test_a_calendar_program_reads_the_feed(app: App) -> None:
    """Parsed back, the feed has one event an entry with its own UID; freezes are whole days, the last excluded."""
    answer = call(app, "GET", "/v1/agenda.ics", query="days=60")
    assert "text/calendar; charset=utf-8" == answer.headers["content-type"]
    events = Calendar.from_ical(answer.body).walk("VEVENT")
    entries = call(app, "GET", "/v1/agenda", query="days=60").json
    assert [entry["uid"] for entry in entries] == [str(event["uid"]) for event in events]
    assert len(entries) == len({entry["uid"] for entry in entries})
    assert all(uid.endswith("@staging.sluice") for uid in (entry["uid"] for entry in entries))
    freeze = next(event for event in events if "frozen" in str(event["summary"]))
    assert (date(2026, 12, 19), date(2027, 1, 5)) == (freeze.decoded("dtstart"), freeze.decoded("dtend"))
    assert "rest; no <b>growth</b>, please" == str(freeze["description"])
    assert datetime(2026, 12, 4, 14, tzinfo=UTC) == events[1].decoded("dtstart")
    assert ["CONFIRMED", "CONFIRMED", "TENTATIVE"] == [str(event["status"]) for event in events[:3]]
    assert all(len(line) <= 75 for line in answer.body.split(b"\r\n"))


def test_a_feed_says_the_same_until_something_happens(desk: Desk) -> None:
    """Two readings of one state differ in their stamps alone, so that subscribers move what they have."""
    one, other = (calendar(desk.agenda(60), stamp).decode() for stamp in (BEGIN, BEGIN + DAY))
    assert one.replace("DTSTAMP:20261201", "") == other.replace("DTSTAMP:20261202", "")


def test_the_board_shows_the_week_with_every_word_escaped(app: App, desk: Desk) -> None:
    """The first page lists what is due, and markup in a reason stays text, in Prefect's page too."""
    page = call(app, "GET", "/").body.decode()
    assert "if approved by Mon 7 Dec 16:00: Mon 7 Dec 09:00, else Tue 8 Dec 09:00" in page
    assert 'href="/v1/agenda.ics"' in page
    row = desk.store.live()[0]
    whole = agenda(desk.store.plan_of(row), row.state, row.evidence, BEGIN, BEGIN + 60 * DAY)
    assert "<b>" not in agenda_page(whole)
    assert "America/New" in agenda_page(whole)
