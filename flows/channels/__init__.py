"""Ways out of the house: what a channel is, and what it is handed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from state.rows import Notification


class Retry(StrEnum):
    """Whether another attempt can help."""

    LATER = "later"
    NEVER = "never"


class NotSentError(Exception):
    """A channel did not take a message; the words never hold an address, for addresses hold secrets.

    `not_before` is how long the receiver asked to be left alone, zero where it did not say.
    """

    def __init__(self, problem: str, retry: Retry = Retry.LATER, not_before: timedelta = timedelta(0)) -> None:
        super().__init__(problem)
        self.retry = retry
        self.not_before = not_before


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
