"""What a person had before them when they asked for something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What of a rollout a person saw when they asked; None where they did not say."""

    revision: int | None = None
    phase: int | None = None
    question: int | None = None


NOTHING = Seen()
