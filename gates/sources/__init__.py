"""Where counts come from: one small protocol, fulfilled by every source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from plans.schema import Metric
from rollout.model import Bucket


class SourceError(Exception):
    """A source could not be read; that is `no_data` for the rollout that asked, and for no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a rollout wants to know: its metrics by name, over the buckets behind `after` that were closed by `until`.

    `after` is `Memory.after`, (start, exposure epoch) of the last bucket consumed; None asks for all of them.
    """

    rollout: str
    metrics: Mapping[str, Metric]
    after: tuple[datetime, int] | None
    until: datetime


class Source(Protocol):
    """One place where counts are kept."""

    async def counts(self, request: Request) -> tuple[Bucket, ...]:
        """The closed buckets in order of (start, epoch), each once, none straddling a change of exposure or settings.

        A bucket in which nothing happened may be left out. Raises `SourceError` where the source cannot answer.
        """
        ...
