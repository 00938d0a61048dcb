"""How often this room looks and how long it waits: every interval of its loops as one value."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace

VARIABLE = "SLUICE_PACE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Intervals in real seconds, whatever the clock.

    `compare` between two comparisons of store and Prefect; `deliver` between two deliveries of the outbox; `hurry`
    between two looks at what has become due; `sweep` the least time between two guard runs. `late` is how long the
    guard leaves a step of the schedule to the rollout's own run. `pending` and `lease` bound how long a run may be
    `Pending`, or `Running` without a sign of life, before it counts as dead. `wait_out` is the longest that an early
    run waits.
    """

    compare: float = 2.0
    deliver: float = 0.5
    hurry: float = 0.5
    sweep: float = 1.0
    late: float = 60.0
    pending: float = 60.0
    lease: float = 60.0
    wait_out: float = 5.0


def parse(text: str) -> Pace:
    """The default pace with `name=seconds` pairs replaced: `late=4 lease=5`.

    Raises ValueError for a name that is no interval, and for what is no number.
    """
    known = {field.name for field in fields(Pace)}
    pairs = [pair.partition("=") for pair in text.split()]
    for name, _, _ in pairs:
        if name not in known:
            raise ValueError(f"{VARIABLE}: unknown interval {name!r}; known: {', '.join(sorted(known))}")
    return replace(Pace(), **{name: float(value) for name, _, value in pairs})


def from_environment() -> Pace:
    """The pace that the operator set in `SLUICE_PACE`, else the default."""
    return parse(os.environ.get(VARIABLE, ""))
