"""The live keys in memory, so that a request is checked without asking the store, and what is signed with them.

A ticket stands for a key where no header can carry one: in the address of an event stream, in a browser's cookie. It
is signed with the key's digest, so every flag server knows it, nothing is kept of it, and it ends with its key.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from serving.asgi import Scope as Request
from serving.asgi import header
from state.clock import wall
from state.credentials import Key, holder
from state.store import Store

CALLER = "sluice.key"
"""Where a request carries the key that let it in."""
BEARER = b"bearer "
NOTE_SECONDS = 60.0


class Lock(StrEnum):
    """When a server asks for keys."""

    WITH_KEYS = "as soon as there are any"
    ALWAYS = "always"


class Purpose(StrEnum):
    """What a ticket is good for, and for nothing else."""

    STREAM = "stream"
    SESSION = "session"


LASTS: Mapping[Purpose, int] = {Purpose.STREAM: 24 * 3600, Purpose.SESSION: 12 * 3600}
"""Seconds."""


class Keyring:
    """The keys in force; until they were read once, none opens anything and everything is locked."""

    def __init__(self, lock: Lock = Lock.WITH_KEYS, now: Callable[[], float] = time.time) -> None:
        self._lock = lock
        self._now = now
        self._live: Mapping[str, Key] = {}
        self.required = True
        self.used: set[str] = set()

    def update(self, live: Iterable[Key]) -> None:
        """Take the keys as the store has them now."""
        self._live = {key.prefix: key for key in live}
        self.required = self._lock is Lock.ALWAYS or bool(self._live)

    def holder(self, secret: bytes) -> Key | None:
        """The live key of a secret."""
        return holder(self._live, secret)

    def presented(self, request: Request) -> Key | None:
        """The live key in the headers of a request; None where there is none, or no live one."""
        return None if (secret := presented(request)) is None else self.holder(secret)

    def alive(self, key: Key) -> bool:
        """Whether a key that once let a request in still would."""
        return not self.required or key.prefix in self._live

    def ticket(self, key: Key, purpose: Purpose) -> str:
        """Something that stands for a key for a while; the same within an hour, so that it can be cached."""
        until = int(self._now()) // 3600 * 3600 + 3600 + LASTS[purpose]
        return f"{key.prefix}.{until}.{_signature(key, purpose, until)}"

    def redeem(self, ticket: str, purpose: Purpose) -> Key | None:
        """The live key that a ticket stands for, None where it is over, forged, or for another purpose."""
        prefix, _, rest = ticket.partition(".")
        until, _, signature = rest.partition(".")
        key = self._live.get(prefix)
        if key is None or not (until.isascii() and until.isdecimal() and signature.isascii()):
            return None
        if not hmac.compare_digest(_signature(key, purpose, int(until)), signature):
            return None
        return key if int(until) > self._now() else None


class Uses:
    """Writes down, once a minute and away from every request, in which hour each key was last used."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin, in a thread."""
        threading.Thread(target=self._run, name="key-uses", daemon=True).start()

    def stop(self) -> None:
        """End the thread; what was used until now is noted."""
        self._stop.set()
        self.note()

    def note(self) -> None:
        """Note what was used since the last time."""
        used, self._keyring.used = self._keyring.used, set()
        if used:
            try:
                self._store.keys_used(used, wall())
            except SQLAlchemyError:  # unreachable: the hour is for people to look at, nothing rests on it
                return

    def _run(self) -> None:
        while not self._stop.wait(NOTE_SECONDS):
            self.note()


class KeylessError(Exception):
    """An address that others can reach needs keys, and there are none."""

    def __init__(self) -> None:
        super().__init__(
            "an address that others can reach needs keys, and there are none yet; make one with "
            "`sluice keys create NAME --scope admin`, or stay on 127.0.0.1"
        )


def expect_keys(store: Store) -> None:
    """Raise KeylessError where no live key exists."""
    if not store.live_keys():
        raise KeylessError


def presented(request: Request) -> bytes | None:
    """The secret in `Authorization: Bearer` or `X-API-Key`."""
    authorization = header(request, b"authorization")
    if authorization is not None and authorization[: len(BEARER)].lower() == BEARER:
        return authorization[len(BEARER) :].strip()
    return header(request, b"x-api-key")


def _signature(key: Key, purpose: Purpose, until: int) -> str:
    return hmac.digest(key.digest, f"{purpose} {until}".encode(), "sha256").hex()
