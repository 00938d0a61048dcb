"""What a shell may complete: names of rollouts and flags, from wherever the command would talk to.

Read without the store's own machinery, because a person waits with a finger on the key; and silently, because what
cannot be reached has no names.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from http.client import HTTPException
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import typer

from sluice.errors import UsageError
from sluice.settings import Settings, read

PATIENCE = 1.0
QUERIES = {"name": "SELECT name FROM rollout ORDER BY id DESC", "flag": "SELECT key FROM flag ORDER BY key"}


def rollouts(context: typer.Context, incomplete: str) -> list[str]:
    """Names of rollouts that begin so, the newest first."""
    return _known(context, "name", incomplete)


def flags(context: typer.Context, incomplete: str) -> list[str]:
    """Keys of flags that begin so."""
    return _known(context, "flag", incomplete)


def _known(context: typer.Context, what: str, incomplete: str) -> list[str]:
    """The names that the command's own options and the settings lead to; none where anything is in the way."""
    asked = {name: context.params.get(name) for name in ("data", "server")}
    with suppress(UsageError, OSError, HTTPException, ValueError, sqlite3.Error):
        settings = read(os.environ, **asked)
        found = _served(settings, what) if settings.server else _stored(settings, what)
        return [name for name in dict.fromkeys(found) if name.startswith(incomplete)]
    return []


def _stored(settings: Settings, what: str) -> Iterable[str]:
    """From the data folder's SQLite file, opened for reading alone; PostgreSQL is not asked."""
    file = settings.data / "sluice.db"
    if settings.database_url or not file.is_file():
        return ()
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as opened:
        return [name for (name,) in opened.execute(QUERIES[what])]


def _served(settings: Settings, what: str) -> Iterable[str]:
    key = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
    request = Request(f"{settings.server}/v1/rollouts", headers=key)  # noqa: S310 - the operator's own address
    with build_opener(ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
        entries: list[dict[str, Any]] = json.load(answer)
    return [str(entry[what]) for entry in reversed(entries)]
