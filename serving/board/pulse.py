"""Telling open pages that something was committed: one look a second at the store, and only while a page is open."""

from __future__ import annotations

import threading
from collections.abc import Callable

import orjson
from sqlalchemy.exc import SQLAlchemyError

from state.store import Store

SECONDS = 1.0


class Pulse:
    """The version of everything a page shows, followed in a thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self._version = ""

    def start(self, listened: Callable[[], bool]) -> None:
        """Begin to follow; `listened` says whether anybody would hear."""
        threading.Thread(target=self._run, args=(listened,), name="board-pulse", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call back after every change that was seen, from this thread."""
        self._listeners.append(listener)

    def event(self) -> bytes:
        """The message that makes a page fetch itself again where its version is another."""
        return b"data: %s\n\n" % orjson.dumps({"version": self._version})

    def _run(self, listened: Callable[[], bool]) -> None:
        while not self._stop.wait(SECONDS):
            if listened():
                self._look()

    def _look(self) -> None:
        try:
            version = self._store.pulse()
        except SQLAlchemyError:  # unreachable: the page shows what it has
            return
        if version != self._version:
            self._version = version
            for listener in tuple(self._listeners):
                listener()
