"""Prefect's forms for an outage that everybody shares: declared, and ended before its time."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.client.schemas.objects import State

from flows.house import House, open_house
from flows.identity import named
from flows.markdown import escape
from flows.results import done, refused
from plans.expressions import Duration
from rollout.incidents import Incident, utc
from state.credentials import Scope
from state.errors import RefusedError, StoreError

PROCESS = "prefect form"


@flow(name="start-incident", persist_result=False)
def start_incident(reason: str, how_long: str, flags: str = "", your_name: str = "", code: str = "") -> State:
    """Declare an outage that everybody shares: nothing grows until it is over, and fixed limits are mute.

    Args:
        reason: Kept in the journal, and shown wherever growth waits.
        how_long: For example 90m or 2h; 30d at most. It ends by itself.
        flags: The flags that it is about, one a line. Leave empty for all.
        your_name: Kept in the journal as claimed; where there are keys, the e-mail address of yours.
        code: Where there are keys, the code that your device shows now; what is muted has a name to it.

    """
    try:
        one = declared(open_house(PROCESS), reason, how_long, flags.split(), your_name, code)
    except StoreError as error:
        return refused("Refused", f"### Nothing was declared\n\n{escape(error)}")
    until = utc(one.over_at)
    return done(f"Incident {one.number} until {until}", f"### Nothing grows until {until}\n\n{escape(one.scope)}")


@flow(name="end-incident", persist_result=False)
def end_incident(number: int | None = None, reason: str = "", your_name: str = "", code: str = "") -> State:
    """End an incident before its time; without a number the one that lasts."""
    try:
        one = ended(open_house(PROCESS), number, reason, your_name, code)
    except StoreError as error:
        return refused("Refused", f"### Nothing was changed\n\n{escape(error)}")
    return done(f"Incident {one.number} is over", "### Rollouts go on from their next look")


def declared(house: House, reason: str, how_long: str, flags: Sequence[str], your_name: str, code: str) -> Incident:
    """The incident that a form declares.

    It takes a code although the command takes no more than the right to abort: a form proves no identity, and an
    incident mutes criteria. Raises StoreError for what makes none.
    """
    by = named(house, Scope.ROLLOUTS_ABORT, your_name, code).by
    try:
        length = Duration.parse(how_long.strip()).timedelta
    except (ValueError, OverflowError) as error:
        raise RefusedError(f"how_long: {error}") from error
    return house.store.start_incident(by, reason, flags, length, house.clock.now())


def ended(house: House, number: int | None, reason: str, your_name: str, code: str) -> Incident:
    """The incident that a form ends; growth goes on, so it takes the right to approve. Raises StoreError."""
    by = named(house, Scope.ROLLOUTS_APPROVE, your_name, code).by
    return house.store.end_incident(number, by, reason, house.clock.now())
