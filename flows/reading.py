"""Reading a flag as an application does, to say of an alert that it is so, or loudly that it is not."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import httpx

from flows.channels.webhook import tls
from flows.house import House
from rollout.exposure import TARGETING_KEY, Flag, Variant, bucket
from rollout.notices import OFF, RETURNING, Served, with_reading
from state.rows import Notification
from state.store import UnknownError

SECONDS = 2.0
LOOKS = 3
PAUSE = 0.2
"""The flag server follows a commit within a tenth of a second; an odd answer is looked at again before it is told."""
PROBES = 2_000


@dataclass(slots=True)
class Reader:
    """Asks the flag server; after no answer it asks no more, so that a storm of notices waits for it once."""

    house: House
    silent: bool = False

    def checked(self, notice: Notification) -> str:
        """The notice's line, with what is really served where that can be held against it."""
        if notice.event not in RETURNING or not self.house.board:
            return notice.title
        return with_reading(notice.title, notice.flag, self._served(notice))

    def _served(self, notice: Notification) -> Served:
        """What reading the flag came to; what is not what was told may follow in a moment, and is looked at again."""
        flag = self.house.store.flag(notice.flag)
        if flag is None or self.silent:
            return Served.UNREAD
        for _ in range(LOOKS):
            found = self._held_against(notice, self._read(flag))
            if found in {Served.FALLBACK, Served.UNREAD}:
                break
            time.sleep(PAUSE)
        self.silent = found is Served.UNREAD
        return found

    def _held_against(self, notice: Notification, variant: Variant | None) -> Served:
        match variant:
            case None:
                return Served.UNREAD
            case Variant.CANDIDATE:
                return Served.MOVED_ON if self._moved_on(notice) else Served.CANDIDATE
            case Variant.STABLE if notice.event in OFF:
                return Served.RESTORED
            case _:
                return Served.FALLBACK

    def _read(self, flag: Flag) -> Variant | None:
        """What the unit that any exposure would reach first is served now, None where nobody says."""
        unit = first_reached(flag.salt)
        context = {"targetingKey": unit} | ({} if flag.unit == TARGETING_KEY else {flag.unit: unit})
        address = f"{self.house.board}/ofrep/v1/evaluate/flags/{flag.key}"
        try:
            answer = httpx.post(
                address, json={"context": context}, headers=_key(), timeout=SECONDS, trust_env=False, verify=tls()
            )
            return Variant(answer.json()["variant"]) if answer.is_success else None
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    def _moved_on(self, notice: Notification) -> bool:
        """Whether a later transition is why."""
        try:
            return self.house.store.rollout(notice.rollout).state.revision > notice.revision
        except UnknownError:
            return False


def _key() -> dict[str, str]:
    """What shows a flag server that asks for keys who reads: the supervisor's own key, `SLUICE_KEY`."""
    key = os.environ.get("SLUICE_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def first_reached(salt: str) -> str:
    """Of some made-up units, the one that the smallest exposure reaches."""
    return min((f"sluice-check-{number}" for number in range(PROBES)), key=lambda unit: bucket(salt, unit))
