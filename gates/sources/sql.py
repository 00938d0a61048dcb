"""Counts from a database: queries that the operator wrote, which plans know by name only.

Each question has a connection of its own that can only read: what one left behind cannot reach the next.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from sqlalchemy import URL, DateTime, Engine, Float, NullPool, String, TextClause, bindparam, create_engine, event, text
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from gates.sources import Reading, Request, SourceError, UnreachableError, Window
from gates.sources.addresses import Network, chosen, resolved
from gates.sources.asking import read, whole
from rollout.exposure import Variant

PARAMETERS = frozenset({"variant", "since", "until"})
AT_ONCE = 4
STEPS = 10_000
CANCELLED = "57014"  # PostgreSQL's query_canceled, which a statement timeout raises
READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})

Password = Callable[[], str]


class Times(StrEnum):
    """How `:since` and `:until` are bound: as timestamps with a time zone, or as seconds since 1970."""

    TIMESTAMP = "timestamp"
    EPOCH = "epoch"


class Sql:
    """One database; `seconds` bound each question, in the database itself where it can be told, and all together."""

    def __init__(
        self,
        url: URL,
        queries: Mapping[str, str],
        networks: Sequence[Network],
        delay: timedelta,
        seconds: tuple[float, float],
        times: Times = Times.TIMESTAMP,
        password: Password | None = None,
    ) -> None:
        self._url = url
        self._queries = {name: _typed(query, times) for name, query in queries.items()}
        self._networks = tuple(networks)
        self._delay = delay
        self._seconds, self._deadline = seconds
        self._times = times
        self._engine = _engine(url, self._seconds, password)
        self._threads = ThreadPoolExecutor(AT_ONCE, "sql")  # its own, so that no sweep waits for one that hangs

    @property
    def delay(self) -> timedelta:
        """How long after a window's end rows may still come in, or a replica lag."""
        return self._delay

    async def counts(self, request: Request) -> Reading:
        """The counts of both cohorts, one query for each number."""
        return await read(request, self._count, self._deadline)

    async def _count(self, query: str, variant: Variant, window: Window) -> int:
        if query not in self._queries:
            raise SourceError(unknown(query, self._queries))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._asked, query, variant, window)

    def _asked(self, query: str, variant: Variant, window: Window) -> int:
        if self._url.host:
            chosen(self._url.host, resolved(self._url.host, self._url.port or 0), self._networks)
        try:
            return _number(_rows(self._engine, self._queries[query], self._bound(query, variant, window)), query)
        except (OperationalError, InterfaceError) as error:
            raise UnreachableError(_told(error, self._seconds)) from error
        except SQLAlchemyError as error:
            raise SourceError(f"refused `{query}`: {_told(error, self._seconds)}") from error

    def _bound(self, query: str, variant: Variant, window: Window) -> dict[str, Any]:
        since, until = window.start, window.end
        epoch = self._times is Times.EPOCH
        values: dict[str, Any] = {
            "variant": str(variant),
            "since": since.timestamp() if epoch else since,
            "until": until.timestamp() if epoch else until,
        }
        return {name: values[name] for name in self._queries[query].compile().params}


def unknown(query: str, queries: Mapping[str, object]) -> str:
    """What to say of a name that the operator gave to no query."""
    close = get_close_matches(query, queries, 1)
    remedy = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(queries)) or 'none'}"
    return f"no query {query!r} is configured; {remedy}"


def _typed(query: str, times: Times) -> TextClause:
    instant = DateTime(timezone=True) if times is Times.TIMESTAMP else Float()
    kinds = {"variant": String(), "since": instant, "until": instant}
    clause = text(query)
    return clause.bindparams(*(bindparam(name, type_=kinds[name]) for name in clause.compile().params))


def _engine(url: URL, seconds: float, password: Password | None) -> Engine:
    """Connections that can only read and are never used twice."""
    if url.get_backend_name() == "sqlite":
        return create_engine("sqlite://", poolclass=NullPool, creator=lambda: _read_only_file(url, seconds))
    options: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        options = {"execution_options": {"postgresql_readonly": True}, "connect_args": _postgresql(url, seconds)}
    engine = create_engine(url, poolclass=NullPool, **options)
    if password is not None:
        event.listen(engine, "do_connect", lambda _dialect, _record, _args, kw: kw.update(password=password()))
    return engine


def _postgresql(url: URL, seconds: float) -> dict[str, Any]:
    """The server ends what takes too long; preparing every statement lets no second one hide behind the first."""
    milliseconds = round(seconds * 1000)
    settings = f"-c statement_timeout={milliseconds} -c default_transaction_read_only=on"
    arguments: dict[str, Any] = {"options": settings, "connect_timeout": max(2, round(seconds))}
    if url.get_driver_name() == "psycopg":
        arguments |= {"prepare_threshold": 0, "tcp_user_timeout": milliseconds}
    return arguments


def _read_only_file(url: URL, seconds: float) -> sqlite3.Connection:
    path = (url.database or "").replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=seconds, check_same_thread=False)
    over = time.monotonic() + seconds
    connection.execute("PRAGMA query_only = ON")
    connection.set_progress_handler(lambda: int(time.monotonic() > over), STEPS)
    return connection


def _authorized(action: int, _one: str | None, function: str | None, _database: str | None, _inner: str | None) -> int:
    """SQLite asks before it compiles a statement: reading is allowed, and nothing else."""
    loading = action == sqlite3.SQLITE_FUNCTION and function == "load_extension"
    return sqlite3.SQLITE_OK if action in READING and not loading else sqlite3.SQLITE_DENY


def _rows(engine: Engine, query: TextClause, bound: Mapping[str, Any]) -> Sequence[Any]:
    """At most two rows; whatever was done is taken back."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT 1"))  # from the first snapshot on, a transaction cannot turn to writing
        elif isinstance(file := connection.connection.driver_connection, sqlite3.Connection):
            file.set_authorizer(_authorized)
        return connection.execute(query, bound).fetchmany(2)


def _number(rows: Sequence[Any], query: str) -> int:
    if len(rows) != 1 or len(rows[0]) != 1:
        shape = f"{len(rows)} rows" if len(rows) != 1 else f"{len(rows[0])} columns"
        raise SourceError(f"`{query}` gave {shape if len(rows) < 2 else 'several rows'}, not one number")  # noqa: PLR2004
    value = rows[0][0]
    if value is None:
        raise SourceError(f"`{query}` gave NULL; use count(*), or coalesce(…, 0) if that means none")
    try:
        return whole(float(value) if isinstance(value, Decimal) else value)
    except SourceError as error:
        raise SourceError(f"`{query}` {error}") from error


def _told(error: SQLAlchemyError, seconds: float) -> str:
    """The driver's own words, without the statement and its parameters."""
    original = getattr(error, "orig", None)
    if getattr(original, "sqlstate", None) == CANCELLED or str(original) == "interrupted":
        return f"did not answer within {seconds:g} s"
    return (str(original or error).splitlines() or [type(error).__name__])[0]
