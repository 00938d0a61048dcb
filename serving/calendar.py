"""The agenda as a calendar that others subscribe to (RFC 5545): one event an entry, known again by its UID."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event

Json = dict[str, Any]
CONTENT_TYPE = "text/calendar; charset=utf-8"
REFRESH = timedelta(hours=1)


def calendar(entries: Sequence[Json], now: datetime) -> bytes:
    """The entries of `agenda --json` as an iCalendar file, stamped `now`.

    Steps are moments in UTC, incidents stretches; freezes, and what waits for somebody today, are whole days of the
    plan's zone. What hinges on an approval or on numbers is tentative.
    """
    made = Calendar()
    made.add("prodid", "-//Sluice//Agenda//EN")
    made.add("version", "2.0")
    made.add("x-wr-calname", "Rollouts")
    made.add("refresh-interval", REFRESH, parameters={"value": "DURATION"})
    for entry in entries:
        made.add_component(_event(entry, now))
    found: bytes = made.to_ical()
    return found


def _event(entry: Json, now: datetime) -> Event:
    event = Event()
    event.add("uid", entry["uid"])
    event.add("dtstamp", now)
    event.add("sequence", entry["revision"])
    event.add("summary", f"{entry['rollout']}: {entry['text']}")
    event.add("status", "CONFIRMED" if entry["hinges"] == "nothing" else "TENTATIVE")
    event.add("transp", "TRANSPARENT")
    event.add("categories", [entry["what"], entry["flag"]])
    if entry["note"]:
        event.add("description", entry["note"])
    if entry["url"]:
        event.add("url", entry["url"])
    for name, when in _span(entry):
        event.add(name, when)
    return event


def _span(entry: Json) -> tuple[tuple[str, date], ...]:
    """Start, and end where there is one; the end of whole days is the day after the last."""
    at = datetime.fromisoformat(entry["at"])
    if not (entry["waiting"] or entry["until"]):
        return (("dtstart", at),)
    if entry["what"] == "incident":
        return ("dtstart", at), ("dtend", datetime.fromisoformat(entry["until"]))
    place = ZoneInfo(entry["zone"])
    first = at.astimezone(place).date()
    until = datetime.fromisoformat(entry["until"]).astimezone(place).date() if entry["until"] else None
    return ("dtstart", first), ("dtend", until or first + timedelta(days=1))
