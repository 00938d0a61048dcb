from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from serving.desk import Desk
from serving.flags import FlagSet
from serving.house import furnished
from serving.watch import Watch
from state.clock import Clock, wall
from state.database import connect, migrate, sqlite_url
from state.step import step, submit
from state.store import Store
from tests.servers import new_database, postgres
from tests.unit.serving.client import call
from tests.unit.serving.plans import PLAN
from tests.waiting import until


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """One database opened twice, as a flag server and as the process that moves rollouts."""
    url = sqlite_url(tmp_path)
    if request.param == "postgres":
        url = new_database(request.getfixturevalue("postgres_server"), f"watch_{uuid4().hex}")
    engines = [connect(url) for _ in range(2)]
    migrate(engines[0])
    yield Store(engines[0], "flag server"), Store(engines[1], "supervisor")
    for engine in engines:
        engine.dispose()


@pytest.fixture
def watched(stores: tuple[Store, Store]) -> Iterator[FlagSet]:
    flags = FlagSet()
    watch = Watch(stores[0], flags)
    watch.start()
    yield flags
    watch.stop()


def test_a_commit_of_another_process_is_noticed(stores: tuple[Store, Store], watched: FlagSet) -> None:
    """Submit, start, kill and restore each appear in memory without anyone announcing them."""
    mover, now = stores[1], wall()
    submit(mover, PLAN, "pm@example.com", now)
    until(lambda: "case-law-ai" in watched.flags, "the new flag is served", every=0.005)
    step(mover, "case-law-v24", now)
    until(lambda: watched.flags["case-law-ai"].active, "the start is served", every=0.005)
    mover.kill("case-law-ai", "pm@example.com", "because", now)
    until(lambda: not watched.flags["case-law-ai"].enabled, "the kill is served", every=0.005)
    mover.restore("case-law-ai", "pm@example.com", "because", now)
    until(lambda: watched.flags["case-law-ai"].enabled, "the restore is served", every=0.005)
    assert mover.flag("case-law-ai") == watched.flags["case-law-ai"]


def test_flags_outlive_their_store(stores: tuple[Store, Store]) -> None:
    """A failing store leaves the last known flags served and control at 503; a repaired one is followed again."""
    server, mover = stores
    submit(mover, PLAN, "pm@example.com", wall())
    flags = FlagSet()
    watch = Watch(server, flags)
    watch.start()
    try:
        with mover.writing() as tx:
            tx.execute(text("ALTER TABLE flag RENAME TO flag_away"))
            tx.execute(text("ALTER TABLE heartbeat RENAME TO heartbeat_away"))
        house = furnished(Desk(store=server, clock=Clock(server)))
        assert 503 == call(house.app, "POST", "/v1/flags/case-law-ai/kill", {"by": "x"}).status
        assert "unreachable" == call(house.app, "GET", "/healthz").json["database"]
        assert "case-law-ai" in flags.flags
        with mover.writing() as tx:
            tx.execute(text("ALTER TABLE flag_away RENAME TO flag"))
        mover.kill("case-law-ai", "pm@example.com", "because", wall())
        until(lambda: not flags.flags["case-law-ai"].enabled, "the repaired store is followed")
    finally:
        watch.stop()
