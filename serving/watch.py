"""Keeping flags and keys in step with the store: commits are noticed, not announced, so none can be lost.

On SQLite `PRAGMA data_version` changes with every commit of another connection and costs microseconds; on PostgreSQL
the sum of the flags' versions is asked for. While the store cannot be read the last known stay in force.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

from sqlalchemy.exc import SQLAlchemyError

from serving.flags import FlagSet
from serving.keyring import Keyring
from state.keys import Version
from state.store import Store

SQLITE_SECONDS = 0.01
POSTGRES_SECONDS = 0.1
RETRY_SECONDS = 0.5
STOP_SECONDS = 5.0


class Watch:
    """A thread that reads changed flags and keys from the store, for as long as it runs."""

    def __init__(self, store: Store, flags: FlagSet, keyring: Keyring | None = None) -> None:
        self._store = store
        self._flags = flags
        self._keyring = keyring or Keyring()
        self._keys_version: Version | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch-flags", daemon=True)
        self._version = -1
        self.read_at: float | None = None

    def start(self) -> None:
        """Read the flags once, if the store lets us, and go on in the thread."""
        self._attempt(self._read)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    @property
    def age(self) -> float | None:
        """Seconds since the flags were last known to be those of the store; None before the first time."""
        return None if self.read_at is None else time.monotonic() - self.read_at

    def _run(self) -> None:
        follow = self._follow_file if self._store.engine.dialect.name == "sqlite" else self._follow_versions
        while not self._stop.is_set():
            self._attempt(follow)
            self._stop.wait(RETRY_SECONDS)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (SQLAlchemyError, sqlite3.Error):  # unreachable: what is known stays in force, `age` tells
            return

    def _follow_file(self) -> None:
        """Until stopped: one connection held open, because the pragma compares with what that connection saw."""
        with closing(self._store.engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            seen: object = None
            while not self._stop.wait(SQLITE_SECONDS):
                now = cursor.execute("PRAGMA data_version").fetchone()
                if now != seen:
                    self._read()
                    seen = now
                self.read_at = time.monotonic()

    def _follow_versions(self) -> None:
        while not self._stop.wait(POSTGRES_SECONDS):
            self._read()

    def _read(self) -> None:
        version = self._store.flags_version()
        if version != self._version:
            self._flags.update(self._store.flags({key: flag.version for key, flag in self._flags.flags.items()}))
            self._version = version
        self._read_keys()
        self.read_at = time.monotonic()

    def _read_keys(self) -> None:
        version = self._store.keys_version()
        if version != self._keys_version:
            self._keyring.update(self._store.live_keys())
            self._keys_version = version
