"""The ways a command can end short of done; each is a message with a remedy and an exit code."""

from __future__ import annotations


class CommandError(Exception):
    """The base of every ending that is told to the user in one line, without a traceback."""

    code = 1


class RefusedError(CommandError):
    """Understood and turned down: a bad plan, a stale approval, an unknown name."""

    code = 1


class UsageError(CommandError):
    """The command or a setting is written wrongly."""

    code = 2


class UnreachableError(CommandError):
    """Something that the command needs is not there: a server, a database, a port, a data folder."""

    code = 3
