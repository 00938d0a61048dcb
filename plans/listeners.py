"""Who hears of what: the events that a notice tells of, and the channels of a plan with what each listens for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from plans.fields import Key

LOG = "log"
"""The built-in channel, which hears of everything."""


class Event(StrEnum):
    """What a notice tells of; channels are filtered by these words."""

    STARTED = "started"
    ADVANCED = "advanced"
    ADJUSTED = "adjusted"
    TUNED = "tuned"
    KEPT = "kept"
    NOTED = "noted"
    DECIDED = "decided"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    HELD = "held"
    RESUMED = "resumed"
    EXTENDED = "extended"
    LOWERED = "lowered"
    ALLOWED = "allowed"
    BLOCKED = "blocked"
    UNLISTED = "unlisted"
    AMENDMENT_PROPOSED = "amendment_proposed"
    AMENDED = "amended"
    BREACHED = "breached"
    NO_DATA = "no_data"
    INCIDENT_STARTED = "incident_started"
    INCIDENT_ENDED = "incident_ended"
    REVERTED = "reverted"
    DISABLED = "disabled"
    ABORTED = "aborted"
    KILLED = "killed"
    RESTORED = "restored"
    ROLLED_BACK = "rolled_back"
    COMPLETED = "completed"


def _kind_of_listener(value: object) -> str:
    return "name" if isinstance(value, str) else "filtered"


Listener = Annotated[
    Annotated[Key, Tag("name")]
    | Annotated[
        Mapping[Key, Annotated[tuple[Event, ...], Field(min_length=1)]],
        Field(min_length=1),
        Tag("filtered"),
    ],
    Discriminator(_kind_of_listener),
]
"""A channel by its name, which hears of everything, or with the events that it hears of: `{slack-ai: [held]}`."""


def listening(listeners: Iterable[Listener], event: Event) -> tuple[str, ...]:
    """The channels that hear of an event, in the plan's order, without the log."""
    filters = ({one: tuple(Event)} if isinstance(one, str) else one for one in listeners)
    heard = [name for one in filters for name, events in one.items() if event in events]
    return tuple(name for name in heard if name != LOG)
