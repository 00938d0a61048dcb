"""Incidents over HTTP and on the board: declared, refused with the place, shown as text, in the calendar, over."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest
from icalendar import Calendar

from plans.load import loads
from serving.asgi import App
from serving.desk import Desk
from serving.house import furnished
from state.clock import Clock, HandClock
from state.database import connect, migrate, sqlite_url
from state.step import step
from state.store import Store
from tests.unit.rollout.story import BEGIN, PLAN_TEXT
from tests.unit.serving.client import call

WHY = "the <b>database</b> is down"
MADE = {"by": "ana", "reason": WHY, "for": "2h", "flags": ["search-ai"]}
UNTIL = "2026-12-01T16:00:00Z"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store, hand = Store(engine, "flag server"), HandClock(BEGIN)
    store.submit(loads(PLAN_TEXT), PLAN_TEXT, "ana", BEGIN)
    step(store, "search-v2", BEGIN)
    yield Desk(store=store, clock=Clock(store, lambda: hand.at))
    engine.dispose()


@pytest.fixture
def app(desk: Desk) -> App:
    return furnished(desk).app


def test_an_incident_is_declared_and_ended_over_http(app: App) -> None:
    """201 with what it comes to, then in the list and in what stands in a rollout's way, then over."""
    made = call(app, "POST", "/v1/incidents", MADE)
    assert (201, 1, UNTIL, True) == (made.status, made.json["number"], made.json["until"], made.json["in_force"])
    assert "1 live rollout does not grow until 2026-12-01 16:00 UTC; fixed" in made.json["effect"]
    assert [1] == [one["number"] for one in call(app, "GET", "/v1/incidents").json]
    blocked = call(app, "GET", "/v1/rollouts/search-v2").json["blocked_by"]
    assert "incident" in {one["code"] for one in blocked}
    ended = call(app, "POST", "/v1/incidents/1/end", {"by": "bob"})
    assert (200, "bob") == (ended.status, ended.json["ended_by"])
    assert "incident" not in {one["code"] for one in call(app, "GET", "/v1/rollouts/search-v2").json["blocked_by"]}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (MADE | {"for": "2 hours"}, 409, "for: '2 hours' cannot be read"),
        (MADE | {"for": "0m"}, 409, "for: "),
        (MADE | {"reason": " "}, 409, "reason: empty"),
        (MADE | {"flags": ["serch-ai"]}, 404, "unknown flag 'serch-ai'; did you mean 'search-ai'?"),
        ({"by": "ana", "reason": "x"}, 400, "for: Field required"),
        (MADE | {"until": "tomorrow"}, 400, "until: Extra inputs"),
        (MADE | {"for": "9" * 40 + "d"}, 409, "for: "),
        (MADE | {"reason": "a\u202eb"}, 400, "reason: "),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(app: App, body: object, status: int, said: str) -> None:
    """Nothing is declared, and no answer is a server's error."""
    refused = call(app, "POST", "/v1/incidents", body)
    assert (status, True) == (refused.status, said in refused.json["error"]), refused.json
    assert [] == call(app, "GET", "/v1/incidents").json


def test_an_end_of_what_is_not_there_is_refused(app: App) -> None:
    """By its number, and by what is no number."""
    assert 409 == call(app, "POST", "/v1/incidents/7/end", {"by": "bob"}).status
    for number in ("0", "-1", "x", "9" * 20):
        assert call(app, "POST", f"/v1/incidents/{number}/end", {"by": "bob"}).status in {400, 404}


def test_the_board_says_it_on_both_pages_as_text(app: App) -> None:
    """Since when, until when, why and by whom; nothing that somebody wrote becomes markup."""
    for path in ("/", "/rollouts/search-v2"):
        assert "Incident 1" not in call(app, "GET", path).body.decode()
    call(app, "POST", "/v1/incidents", MADE)
    for path, until in (("/", "until 2026-12-01 16:00 UTC"), ("/rollouts/search-v2", "until Tue 1 Dec 11:00")):
        page = call(app, "GET", path).body.decode()
        assert "<strong>Incident 1, flag search-ai.</strong>" in page
        assert f"no growth {until} ({escape(WHY)})." in page
        assert WHY not in page


def test_the_calendar_has_the_stretch_itself(app: App) -> None:
    """From instant to instant, not whole days."""
    call(app, "POST", "/v1/incidents", MADE)
    events = Calendar.from_ical(call(app, "GET", "/v1/agenda.ics").body).walk("VEVENT")
    (one,) = [event for event in events if b"incident" in event["categories"].to_ical()]
    assert [b"20261201T140000Z", b"20261201T160000Z"] == [one[name].to_ical() for name in ("dtstart", "dtend")]
