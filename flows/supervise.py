"""The long-lived process beside Prefect's server and runner: it guards, compares, listens, delivers and beats.

Each job is a loop of its own, so that a Prefect server that is down stops neither the guard nor the delivery. Several
supervisors are safe: the store decides.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextvars import copy_context
from functools import partial
from uuid import UUID

from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows import events, runs
from flows.agenda import publish_agenda
from flows.channels import Channel
from flows.channels.opening import Missing, open_channels
from flows.delivery import PATIENT, patience_of, tell
from flows.guard import PROCESS as GUARD
from flows.guard import guard, sweep, worth
from flows.house import House, open_house
from flows.outbox import FILE, LogChannel, deliver
from flows.reconcile import compare, settle_ended, settle_run, urgent
from flows.reminders import remind
from plans import channels
from state.errors import StoreError
from state.tables import ClockKind

PROCESS = "supervisor"
BEAT = 2.0
FIRST_WAIT = 0.5
SLOWEST = 5.0
SHARE = 0.1
"""A loop rests at least this part of the time that its turn took."""
BRISK = 0.1
"""Seconds between two guard runs on an accelerated clock."""
IMPATIENT = {PREFECT_API_REQUEST_TIMEOUT: 10.0, PREFECT_CLIENT_MAX_RETRIES: 1}

Turn = Callable[[], object]
Hurried = Callable[[], bool]

logger = logging.getLogger("flows.supervisor")


def supervise(house: House, stop: threading.Event) -> None:
    """Run every loop in a thread of its own until `stop` is set; the threads end with the process."""
    channel = LogChannel(house.folder / FILE, sys.stderr)
    found = channels.from_folder(house.folder)
    for problem in found.problems:
        logger.error("%s; the log and the other channels work all the same", problem)
    opened = open_channels(found)
    hurry = partial(urgent, house)
    watch = house.pace.sweep if house.clock.kind is ClockKind.REAL else BRISK
    loops: tuple[Turn, ...] = (
        partial(keep, "guard", partial(guard_turn, open_house(GUARD)), watch, stop),
        partial(keep, "compare", partial(compare_turn, house), house.pace.compare, stop, hurry, house.pace.hurry),
        partial(keep, "deliver", partial(deliver_turn, house, channel), house.pace.deliver, stop),
        *(
            partial(keep, f"channel {name}", partial(tell_turn, house, name, one), house.pace.deliver, stop)
            for name, one in opened.items()
        ),
        partial(keep, "stranded", partial(stranded_turn, house, opened), SLOWEST, stop),
        partial(keep, "remind", partial(remind, house, found.reminders), SLOWEST, stop),
        partial(keep, "heartbeat", partial(beat, house, PROCESS), BEAT, stop),
        lambda: asyncio.run(events.listen(partial(event_turn, house))),
    )
    with temporary_settings(IMPATIENT):
        for loop in loops:
            threading.Thread(target=copy_context().run, args=(loop,), daemon=True).start()
        stop.wait()


def keep(
    name: str,
    turn: Turn,
    pause: float,
    stop: threading.Event,
    hurried: Hurried = lambda: False,
    every: float = SLOWEST,
) -> None:
    """Take turns, `pause` seconds apart unless `hurried`, until stopped; one that fails is told, and the next waits."""
    wait = 0.0
    while not stop.wait(wait):
        try:
            began = time.monotonic()
            turn()
            rest(max(pause, SHARE * (time.monotonic() - began)), stop, hurried, every)
        except runs.UNREACHABLE as error:
            logger.warning("%s: Prefect does not answer (%s); trying again", name, type(error).__name__)
            wait = min(max(2 * wait, FIRST_WAIT), SLOWEST)
        except Exception:  # a loop that dies would leave rollouts unwatched
            logger.exception("%s failed; trying again", name)
            wait = min(max(2 * wait, FIRST_WAIT), SLOWEST)
        else:
            wait = 0.0


def rest(seconds: float, stop: threading.Event, hurried: Hurried, every: float) -> None:
    """Wait until the time is over, somebody says stop, or there is a hurry."""
    over = time.monotonic() + seconds
    while (left := over - time.monotonic()) > 0 and not stop.wait(min(left, every)) and not hurried():
        pass


def guard_turn(house: House) -> None:
    """Sweep where something is due: as a Prefect run while the server answers, else without."""
    beat(house, GUARD)
    if not worth(house):
        return
    if not runs.answers():
        sweep(house)
        return
    try:
        guard()
    except runs.UNREACHABLE:
        sweep(house)


def compare_turn(house: House) -> None:
    """Compare store and Prefect; a run that ended long ago is looked at where there is news of its rollout."""
    told = frozenset(house.notes.told)
    with runs.prefect() as client:
        compare(house, client)
        settle_ended(house, client, told)
        house.notes.told -= told
        publish_agenda(house, client)
        beat(house, "prefect")
        if runs.served(client):
            beat(house, "runner")


def event_turn(house: House, run: UUID) -> None:
    """Look at a run that was cancelled a moment ago."""
    with runs.prefect() as client:
        settle_run(house, client, run)


def deliver_turn(house: House, channel: LogChannel) -> None:
    """Deliver what waits."""
    house.notes.told |= {notice.rollout for notice in deliver(house, channel)}


def tell_turn(house: House, name: str, channel: Channel) -> None:
    """Tell one channel what waits for it."""
    tell(house, name, channel, patience_of(name))


def stranded_turn(house: House, opened: Collection[str]) -> None:
    """Fail what waits for channels that plans name and this house does not have: it is given up in time, and seen."""
    for backlog in house.store.backlog():
        if backlog.waiting and backlog.channel not in opened:
            tell(house, backlog.channel, Missing("is not configured any more"), PATIENT)


def beat(house: House, part: str) -> None:
    """Say that a part works, and with which Prefect server."""
    house.store.beat(part, house.clock.real(), os.environ.get("PREFECT_API_URL", ""))


def main() -> None:
    """Supervise until SIGINT or SIGTERM."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        house = open_house(PROCESS)
    except StoreError as error:
        sys.exit(f"supervisor: {error}")
    supervise(house, stop)
    logging.shutdown()
    os._exit(0)  # Prefect's own threads wait for a server that may be gone; all that matters is in the store


if __name__ == "__main__":
    main()
