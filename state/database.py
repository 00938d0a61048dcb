"""Opening the store's database, on SQLite or PostgreSQL, and bringing its tables up to date."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import URL

from state.errors import SchemaError

MIGRATIONS = Path(__file__).with_name("migrations")
REVISIONS = ("0001", "0002")
"""Every schema there has been, the newest last; one that has landed is not edited."""
HEAD = REVISIONS[-1]
FILE = "sluice.db"
DATA_FOLDER = ".sluice"
READING = "sluice_reading"
LOCK_SECONDS = 30
MIGRATION_LOCK = 7_236_011  # any number that nobody else uses in this database
POSTGRES: dict[str, Any] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,  # ms: a connection that went dark fails, whatever the server still holds
    "keepalives_idle": 10,
    "options": "-c statement_timeout=60s -c lock_timeout=30s -c idle_in_transaction_session_timeout=60s",
}


def url_from_environment(environment: Mapping[str, str] = os.environ) -> str:
    """`SLUICE_DATABASE_URL`, else the SQLite file in `SLUICE_DATA` (default `./.sluice`), made private to its owner."""
    if url := environment.get("SLUICE_DATABASE_URL"):
        return url
    return sqlite_url(open_folder(Path(environment.get("SLUICE_DATA", DATA_FOLDER))))


def open_folder(folder: Path) -> Path:
    """The data folder, made where it is missing, readable by its owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def sqlite_url(folder: Path) -> str:
    """The address of the SQLite file of a data folder."""
    return f"sqlite:///{folder.resolve() / FILE}"


def connect(url: str) -> Engine:
    """An engine on which every transaction is short, durable when committed, and serial in its writes.

    `sqlite://` alone is a database in memory, for rehearsals. PostgreSQL addresses use psycopg whatever they name.
    """
    parsed = make_url(url)
    return _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgres(parsed)


def migrate(engine: Engine) -> None:
    """Bring the tables to this version; safe when several processes start at once.

    Raises SchemaError for tables that a newer Sluice, or another program, has made.
    """
    version = _version(engine)
    if version == HEAD:
        return
    if version not in {None, *REVISIONS}:
        raise SchemaError(engine.url.render_as_string(), str(version), HEAD)
    with engine.begin() as connection:
        _one_at_a_time(connection)
        _upgrade(connection)


def _sqlite(url: URL) -> Engine:
    memory = url.database in {None, "", ":memory:"}
    pool = {"poolclass": StaticPool} if memory else {"pool_size": 8, "max_overflow": 32}
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False}, **pool)
    event.listen(engine, "connect", _open_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgres(url: URL) -> Engine:
    arguments = POSTGRES | {key: url.query[key] for key in POSTGRES if key in url.query}
    return create_engine(url.set(drivername="postgresql+psycopg"), connect_args=arguments, pool_pre_ping=True)


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cache_size=-16000")
    connection.execute("PRAGMA synchronous=FULL")
    _write_ahead(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite itself does not wait where several processes do this to a new file."""
    deadline = time.monotonic() + LOCK_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] not in {"wal", "memory"}:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    """Writers queue from their first statement: a deferred transaction that turns to writing fails under contention."""
    reading = connection.get_execution_options().get(READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _version(engine: Engine) -> str | None:
    with engine.execution_options(**{READING: True}).connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _one_at_a_time(connection: Connection) -> None:
    """On SQLite the transaction itself is the lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = '10min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a quarter of a second that only the first start pays
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.upgrade(config, "head")
