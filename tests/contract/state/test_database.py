"""Opening a database: migrated once, private, serial in its writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import OperationalError

from state.columns import Instant
from state.database import HEAD, MIGRATIONS, REVISIONS, connect, migrate, open_folder, url_from_environment
from state.errors import SchemaError
from state.store import Store
from state.tables import heartbeats, leases
from tests.contract.state.story import BEGIN, DAY, started
from tests.servers import new_database

ROOT = Path(__file__).parents[3]


def test_the_migrations_build_the_tables(engine: Engine) -> None:
    """Between the migrated database and the declared tables nothing differs."""
    with engine.connect() as connection:
        assert [] == compare_metadata(MigrationContext.configure(connection), leases.metadata)


def test_the_newest_migration_is_the_one_that_is_looked_for() -> None:
    """A migration that is added must become the version that a start asks for."""
    assert [script.revision for script in _scripts().walk_revisions()] == list(reversed(REVISIONS))


def test_what_an_older_version_stored_is_kept_by_an_upgrade(tmp_path: Path) -> None:
    """A rollout submitted on the first tables is there after the start that brings the newest."""
    engine = connect(f"sqlite:///{tmp_path / 'old.db'}")
    _migrate_to(engine, REVISIONS[0])
    started(Store(engine, "old"))
    with pytest.raises(OperationalError, match="reading"), engine.connect() as connection:
        connection.execute(text("SELECT * FROM reading"))
    migrate(engine)
    assert [1_000] == [row.state.exposure for row in Store(engine).live()]
    with engine.connect() as connection:
        assert [] == list(connection.execute(text("SELECT * FROM reading")))
    engine.dispose()


def test_tables_of_a_later_version_are_left_alone(tmp_path: Path) -> None:
    """A start after a downgrade says where, which revision, and what to do; not one table is touched."""
    file = tmp_path / "new.db"
    engine = connect(f"sqlite:///{file}")
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError) as refused:
        migrate(engine)
    engine.dispose()
    assert str(file) in str(refused.value)
    assert "'9999'" in str(refused.value)
    assert "restore the copy from before the upgrade" in str(refused.value)


def test_processes_that_start_together_migrate_once(tmp_path: Path, request: pytest.FixtureRequest, url: str) -> None:
    """Three processes on an empty database end with one set of tables and no error."""
    if url.startswith("postgresql"):
        empty = new_database(request.getfixturevalue("postgres_server"), "sluice_empty")
    else:
        empty = f"sqlite:///{tmp_path / 'empty.db'}"
    code = "import sys; from state.database import connect, migrate; migrate(connect(sys.argv[1]))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = [subprocess.Popen([sys.executable, "-c", code, empty], env=environment) for _ in range(3)]
    assert [0, 0, 0] == [process.wait(60) for process in started]
    engine = connect(empty)
    assert () == Store(engine).names()
    engine.dispose()


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    """A start on an up-to-date database only looks."""
    migrate(engine)
    with engine.connect() as connection:
        assert [HEAD] == list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def test_instants_come_back_in_utc(engine: Engine) -> None:
    """What goes in with any zone comes out aware and equal."""
    with engine.begin() as connection:
        connection.execute(insert(leases).values(name="job", owner="me", until=BEGIN))
        assert BEGIN == connection.execute(select(leases.c.until)).scalar_one()
    assert isinstance(heartbeats.c.at.type, Instant)


def test_a_lease_has_one_owner_until_it_runs_out(store: Store) -> None:
    """A second owner gets a lease only when the first gives it back or lets it run out."""
    assert store.take_lease("guard", "one", BEGIN, BEGIN + DAY)
    assert store.take_lease("guard", "one", BEGIN, BEGIN + DAY)
    assert not store.take_lease("guard", "two", BEGIN, BEGIN + DAY)
    assert "one" == store.lease("guard", BEGIN)
    assert store.take_lease("guard", "two", BEGIN + DAY, BEGIN + 2 * DAY)
    store.release("guard", "one")
    assert "two" == store.lease("guard", BEGIN + DAY)
    store.release("guard", "two")
    assert store.lease("guard", BEGIN + DAY) is None


def test_the_last_heartbeat_stands(store: Store) -> None:
    """A part's newest word replaces its last."""
    store.beat("guard", BEGIN, "swept 3")
    store.beat("guard", BEGIN + DAY, "swept 4")
    assert [("guard", "test", BEGIN + DAY, "swept 4")] == [
        (beat.name, beat.process, beat.at, beat.detail) for beat in store.beats().values()
    ]


def test_the_data_folder_is_private(tmp_path: Path) -> None:
    """Only its owner may look into the data folder, also where it was open before."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    assert 0o700 == open_folder(folder).stat().st_mode & 0o777


def test_the_environment_names_the_database(tmp_path: Path) -> None:
    """An address wins over a folder."""
    folder = {"SLUICE_DATA": str(tmp_path)}
    assert f"sqlite:///{tmp_path / 'sluice.db'}" == url_from_environment(folder)
    assert "postgresql://db/x" == url_from_environment(folder | {"SLUICE_DATABASE_URL": "postgresql://db/x"})


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


def _migrate_to(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, revision)
