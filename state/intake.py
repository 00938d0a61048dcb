"""Many senders, one writer: batches that arrive while a transaction is being written share the next one."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future

from sqlalchemy.exc import DBAPIError

from state.events import Batch, Events
from state.outcomes import Receipt

MOST_EVENTS = 5_000
MOST_WAITING = 2_000
STOP_SECONDS = 30.0

Waiting = tuple[Batch, "Future[Receipt]"]


class BusyError(Exception):
    """More batches are waiting than can be written soon; send this one again later."""


class Intake:
    """A thread that writes batches in groups; each sender's future is done once its batch is on disk.

    `linger` is how long, in seconds, a first batch waits for company.
    """

    def __init__(self, events: Events, linger: float = 0.005) -> None:
        self._events = events
        self._linger = linger
        self._waiting: queue.Queue[Waiting | None] = queue.Queue(MOST_WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what has been put so far, and end."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join(STOP_SECONDS)

    def put(self, batch: Batch) -> Future[Receipt]:
        """Hand a batch over; raises BusyError where too many wait already. The future raises what the database did."""
        future: Future[Receipt] = Future()
        try:
            self._waiting.put_nowait((batch, future))
        except queue.Full:
            raise BusyError(f"{MOST_WAITING} batches are waiting to be written; send this one again later") from None
        return future

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            group = [first]
            ended = self._gather(group)
            self._write(group)
            if ended:
                return

    def _gather(self, group: list[Waiting]) -> bool:
        """Fill the group with what else is there; True when told to stop."""
        self._stopping.wait(self._linger)
        size = len(group[0][0].outcomes)
        while size < MOST_EVENTS:
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                return False
            if waiting is None:
                return True
            group.append(waiting)
            size += len(waiting[0].outcomes)
        return False

    def _write(self, group: list[Waiting]) -> None:
        try:
            receipts = self._events.ingest_all([batch for batch, _ in group])
        except DBAPIError as error:
            for _, future in group:
                future.set_exception(error)
            return
        for (_, future), receipt in zip(group, receipts, strict=True):
            future.set_result(receipt)
