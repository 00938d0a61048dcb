"""Where counts come from: one small protocol, fulfilled by every source that the operator may configure.

Another source is a class with `counts`, a model of its settings in `config.py`, and a line in the contract suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from plans.schema import Metric
from rollout.model import Bucket

LONGEST_WORDS = 300


class SourceError(Exception):
    """A source gave no count that can be used; that is missing data for the rollout that asked, and for no other.

    The message says in words what it gave instead. It may quote the source, so it is cut short and made printable.
    """

    def __init__(self, words: str) -> None:
        printable = "".join(sign if sign.isprintable() else " " for sign in words)
        super().__init__(printable if len(printable) <= LONGEST_WORDS else f"{printable[:LONGEST_WORDS]} …")


class UnreachableError(SourceError):
    """A source did not answer at all, so that the same question may be asked again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One closed bucket to be filled: from `start` up to `end`, end excluded, and what was in force throughout."""

    start: datetime
    end: datetime
    epoch: int
    phase: int
    exposure: int
    settings_epoch: int

    @property
    def length(self) -> timedelta:
        """From start to end."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a rollout wants to know of one source: its metrics by name, over closed windows in order."""

    rollout: str
    metrics: Mapping[str, Metric]
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a source told: buckets in the order of the windows, each once; a window that it cannot fill is left out.

    `problems` says in words, by metric, why the newest window that was asked for has no count of it.
    """

    buckets: tuple[Bucket, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """One place where counts are kept."""

    @property
    def delay(self) -> timedelta:
        """How long after its end a window may still change, for want of a scrape or a replica that lags."""
        ...

    async def counts(self, request: Request) -> Reading:
        """The counts of both cohorts, within a deadline of the source's own; what it cannot tell is a problem."""
        ...
