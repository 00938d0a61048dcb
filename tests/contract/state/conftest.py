"""The same store on SQLite and on a real PostgreSQL, empty for every test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from state.database import connect, migrate
from state.store import Store
from tests.servers import new_database, postgres

NUMBERS = count(1)
TEMPLATE = "sluice_template"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres() as server:
        _migrated(new_database(server, TEMPLATE))
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "sluice.db"
    _migrated(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a fresh, migrated database."""
    if request.param == "postgresql":
        server: str = request.getfixturevalue("postgres_server")
        return new_database(server, f"sluice_{next(NUMBERS)}", template=TEMPLATE)
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


def _migrated(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    engine.dispose()
