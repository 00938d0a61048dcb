"""What the store refuses, in few kinds; each message says what is true instead and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class StoreError(Exception):
    """Any refusal of the store."""


class RefusedError(StoreError):
    """What was asked contradicts what is true; nothing was written."""


class UnknownError(StoreError):
    """No rollout or flag has this name."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        close = get_close_matches(name, list(known), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        super().__init__(f"unknown {what} {name!r}{hint}")
        self.name = name


class StaleStateError(StoreError):
    """Another process moved the rollout first: read it again, decide again."""

    def __init__(self, name: str, revision: int) -> None:
        super().__init__(f"{name} is no longer at revision {revision}; read it again")


class NaiveInstantError(StoreError, ValueError):
    """An instant without a time zone would be stored as a guess."""

    def __init__(self, value: object) -> None:
        super().__init__(f"{value!r} has no time zone; give an aware datetime, for example in UTC")


class SchemaError(StoreError):
    """The database's tables are of a revision that this version does not know."""

    def __init__(self, where: str, found: str, newest: str) -> None:
        super().__init__(
            f"{where}: its tables are of revision {found!r}, this Sluice knows none after {newest!r}; start the version"
            " that made them, restore the copy from before the upgrade, or name another data folder"
        )
