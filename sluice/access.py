"""Whom a command talks to: a data folder, a database or a server, for as long as it does.

What that takes is imported at that moment, so that help and completion of a command do not wait for a database driver.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.errors import UnreachableError
from sluice.options import settings

if TYPE_CHECKING:
    from sluice.client import Client
    from sluice.local import Local


@contextmanager
def client(data: Path | None, server: str | None) -> Iterator[Client]:
    """Whom the command talks to, for as long as it does: the data folder or a server."""
    opened: Client = import_module("sluice.client").open_client(settings(data=data, server=server))
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def here(data: Path | None) -> Iterator[Local]:
    """The data folder or database of this machine, for what reads more of it than a server tells."""
    found = settings(data=data)
    if not found.database_url and not found.data.is_dir():
        raise UnreachableError(f"no data folder at {found.data}; name one with --data, or set SLUICE_DATABASE_URL")
    desk: Local = import_module("sluice.local").Local.open(found)
    try:
        yield desk
    finally:
        desk.close()
