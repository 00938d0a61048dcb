"""Prefect's events of cancelled runs, as they happen: a hint that arrives in milliseconds and may be lost.

The comparison in `flows.reconcile` finds everything that is missed here; an event only says which run to look at now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from uuid import UUID

from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter

CANCELLED = ("prefect.flow-run.Cancelled", "prefect.flow-run.Cancelling")
LONGEST_PAUSE = 5.0

logger = logging.getLogger(__name__)


async def listen(look: Callable[[UUID], object]) -> None:
    """Call `look` with the id of every run that is cancelled, for ever; a server that went away is connected again."""
    pause = 0.1
    while True:
        try:
            async for run in _cancelled_runs():
                pause = 0.1
                await asyncio.to_thread(look, run)
        except Exception as error:  # noqa: BLE001 - the subscriber raises bare Exceptions; the comparison covers for it
            logger.info("events: %s; connecting again in %.1f s", error or type(error).__name__, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def flow_run(event: Event) -> UUID:
    """The run that an event is about."""
    return UUID(event.resource.id.rpartition(".")[2])


async def _cancelled_runs() -> AsyncIterator[UUID]:
    wanted = EventFilter(event=EventNameFilter(name=list(CANCELLED)))
    async with get_events_subscriber(filter=wanted, reconnection_attempts=0) as subscriber:
        async for event in subscriber:
            yield flow_run(event)
