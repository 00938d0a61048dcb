"""What a tree of the plan has raised and is looking at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from plans.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A raise of the confidence-threshold tree that is being judged.

    `place` is the tree's index in `plan.tune`; `since` is when the settings under observation came into force; `undo`
    holds what the raised setting was, `made` what it is now.
    """

    place: int
    since: datetime
    undo: Settings
    made: Settings
