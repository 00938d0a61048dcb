"""The agenda of all rollouts as one page among Prefect's artifacts, written anew only when it says something else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient

from flows import runs
from flows.house import House
from flows.markdown import table
from rollout.agenda import Entry, Hinges, agenda
from state.store import Live

KEY = "agenda"
ABOUT = "What changes when, over all rollouts"
AHEAD = timedelta(days=7)
HEAD = ("when", "rollout", "what", "hinges on")


def publish_agenda(house: House, client: SyncPrefectClient) -> None:
    """Put up the agenda where a commit, or an hour that has passed, made it another."""
    now = house.clock.now()
    seen = f"{house.store.pulse()} {now:%Y-%m-%d %H}"
    if seen == house.notes.agenda[0]:
        return
    page = agenda_page(entries(house, house.store.live(), now))
    if page != house.notes.agenda[1]:
        runs.show(client, None, KEY, page, ABOUT)
    house.notes.agenda = (seen, page)


def entries(house: House, rows: Iterable[Live], now: datetime) -> list[Entry]:
    """What lies before all live rollouts, in order."""
    ahead = (one for row in rows for one in agenda(house.store.plan_of(row), row.state, row.evidence, now, now + AHEAD))
    return sorted(ahead, key=lambda one: (one.at, one.key))


def agenda_page(found: Iterable[Entry]) -> str:
    """The entries as a table, each in its plan's own zone."""
    rows = [(_when(one), one.rollout, one.text, _hinges(one)) for one in found]
    return table(HEAD, rows) if rows else "Nothing is due in the next seven days."


def _when(entry: Entry) -> str:
    if entry.waiting:
        return "now"
    return entry.when if entry.zone == "UTC" else f"{entry.when} {entry.zone}"


def _hinges(entry: Entry) -> str:
    on = "" if entry.hinges is Hinges.NOTHING else f"the {entry.hinges}"
    return "; ".join(filter(None, (on, entry.note)))
