"""Many notices as one message: what to do about all of them first, then each, then the commands to go on."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from plans.listeners import Event

URGENCY = ("Look", "Decide", "Nothing to do")
MOST_LISTED = 50
ENDED = frozenset({Event.ABORTED, Event.REVERTED, Event.DISABLED})


@dataclass(frozen=True, slots=True)
class One:
    """A notice as a message of several shows it."""

    rollout: str
    event: str
    line: str


def folded(told: Sequence[One]) -> tuple[str, tuple[str, ...]]:
    """The first line of a message of several, and the rest; what asks for most comes first."""
    ordered = sorted(told, key=lambda one: (_urgency(one.line), one.rollout))
    counts = Counter(one.event.replace("_", " ") for one in told)
    what = ", ".join(f"{count} {event}" for event, count in counts.most_common())
    call = min((one.line.partition(":")[0] for one in told), key=lambda word: _urgency(f"{word}:"))
    listed = [f"{one.rollout}: {one.event.replace('_', ' ')} - {one.line}" for one in ordered[:MOST_LISTED]]
    rest = len(ordered) - len(listed)
    more = [f"and {rest} more"] if rest else []
    return f"{call}: {len(told)} notices at once: {what}", (*listed, *more, *_resuming(ordered))


def _resuming(told: Sequence[One]) -> tuple[str, ...]:
    """How to take up what was ended at once, where that was more than one."""
    ended = list(dict.fromkeys(one.rollout for one in told if one.event in ENDED))
    if len(ended) <= 1:
        return ()
    return ("to go on:", *(f"sluice resume {shlex.quote(name)} --by YOU --reason WHY" for name in ended))


def _urgency(line: str) -> int:
    word = line.partition(":")[0]
    return URGENCY.index(word) if word in URGENCY else -1
