"""Who asks for something, and as which person they count."""

from __future__ import annotations

from dataclasses import dataclass

from state.credentials import Key


@dataclass(frozen=True, slots=True)
class Author:
    """How the journal names who asks, and as which person they count where a plan names its approvers.

    `person` is None where nobody vouches for the name; `key` is the one it was asked with.
    """

    by: str
    person: str | None
    key: Key | None = None


def claiming(claimed: str | None) -> Author:
    """Somebody at a Sluice without keys: a name is taken at its word there."""
    return Author(claimed or "", claimed)


def holding(key: Key, claimed: str | None = None) -> Author:
    """Whoever holds a key; services count as nobody."""
    also = f" (as claimed: {claimed})" if claimed and claimed != key.who else ""
    return Author(f"{key.who}{also}", key.person, key)
