"""The ways a command can end short of done; each is a message with a remedy and an exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class CommandError(Exception):
    """The base of every ending that is told to the user in one line, without a traceback."""

    code = 1


class RefusedError(CommandError):
    """Understood and turned down: a bad plan, a stale approval, an unknown name.

    `problems` are those of a plan, in the shape of `validate --json`, where a server told them.
    """

    code = 1

    def __init__(self, message: str, problems: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class UsageError(CommandError):
    """The command or a setting is written wrongly."""

    code = 2


class UnreachableError(CommandError):
    """Something that the command needs is not there: a server, a database, a port, a data folder."""

    code = 3
