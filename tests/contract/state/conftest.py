"""The same store on SQLite and on a real PostgreSQL, empty for every test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlmodel import SQLModel

from state.database import connect, migrate
from state.store import Store
from tests.servers import new_database, postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> str:
    """One migrated database, which tests empty before they use it."""
    url = new_database(postgres_server, "sluice")
    _migrated(url)
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "sluice.db"
    _migrated(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a fresh, migrated database."""
    if request.param == "postgresql":
        shared: str = request.getfixturevalue("postgres_database")
        _emptied(shared)
        return shared
    file = tmp_path / "sluice.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), file)
    return f"sqlite:///{file}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = connect(url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> Store:
    return Store(engine, "test")


def _emptied(url: str) -> None:
    """As migrated: a replica's session may truncate what the triggers protect."""
    tables = ", ".join(table.name for table in SQLModel.metadata.sorted_tables)
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
        connection.execute(text("INSERT INTO clock (id, kind, rate, sealed_until) VALUES (1, 'real', 1.0, 0)"))
        connection.execute(text("INSERT INTO journal_head (id, lines, mac) VALUES (1, 0, '')"))
    engine.dispose()


def _migrated(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    engine.dispose()
