"""Ways out of the house: what a channel is, and what it is handed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from state.rows import Notification


class Retry(StrEnum):
    """Whether another attempt can help."""

    LATER = "later"
    NEVER = "never"


class NotSentError(Exception):
    """A channel did not take a message; the words never hold an address, for addresses hold secrets."""

    def __init__(self, problem: str, retry: Retry = Retry.LATER) -> None:
        super().__init__(problem)
        self.retry = retry


@dataclass(frozen=True, slots=True)
class Told:
    """One notice ready to go out: its line says what to do, its lines the rest, its links lead to more."""

    notice: Notification
    line: str
    lines: tuple[str, ...]
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes out at once: `id` stays the same over all attempts, `sent` is the instant of this one.

    `line` and `lines` tell of all `told` together.
    """

    id: str
    sent: datetime
    line: str
    lines: tuple[str, ...]
    links: tuple[str, ...]
    told: tuple[Told, ...]


class Channel(Protocol):
    """Something that takes letters."""

    def send(self, letter: Letter) -> None:
        """Deliver it; raises NotSentError where it did not arrive."""
