"""A real Chromium, the checks of axe-core, and a flag server with two rollouts to look at."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from flows.advance import advance
from flows.collect import from_events
from gates.judge import settle
from plans.load import loads
from rollout.exposure import Flag, Variant, variant
from state.clock import Clock, HandClock
from state.database import connect, migrate, sqlite_url
from state.events import Batch, Events
from state.outcomes import Outcome
from state.store import Store
from tests.chromium import chromium
from tests.contract.flag_server import PLAN, FlagServer, flag_server

NODE = Path(__file__).with_name("node")
BEGIN = datetime(2026, 12, 1, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
BAD = PLAN.replace("case-law", "summaries").replace("30%", "10%")
WHO = {"email": "x@mail.test", "tier": "standard"}
INSTALL_SECONDS = 180


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked packages of these tests; skipped where npm is missing or cannot install them."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed here, so axe-core cannot be had")
    folder = tmp_path_factory.mktemp("browser")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NODE / name, folder)
    command = ["npm", "ci", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        pytest.skip(f"npm could not install axe-core: {done.stderr.strip()[-300:]}")
    return folder / "node_modules"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlagServer]:
    """A flag server over two rollouts six hours old: one healthy, one that fails half of the time and was reverted."""
    folder = tmp_path_factory.mktemp("board")
    engine = connect(sqlite_url(folder))
    migrate(engine)
    store, hand = Store(engine, "guard", settle), HandClock(BEGIN)
    for text in (PLAN, BAD):
        store.submit(loads(text), text, "<b>ana</b>", BEGIN)
    _lived(store, hand)
    Clock(store).accelerate(hand.at, 1.0)
    store.reported(hand.at)
    engine.dispose()
    with flag_server(folder) as server:
        yield server


def _lived(store: Store, hand: HandClock) -> None:
    """Six hours: four in a hundred requests fail, of the bad candidate's every second one."""
    clock = Clock(store, lambda: hand.at)
    events = Events(store, clock)
    for hour in range(6):
        told = [
            Outcome(flag, f"u-{unit}", event, hand.at + timedelta(seconds=unit), context=WHO)
            for flag in ("case-law-ai", "summaries-ai")
            for unit in range(600)
            for event in _told(store, flag, unit, hour)
        ]
        for first in range(0, len(told), 1_000):
            events.ingest(Batch(told[first : first + 1_000]))
        hand.at += HOUR
        for name in store.names():
            advance(store, clock, name, from_events(events))


def _told(store: Store, flag: str, unit: int, hour: int) -> tuple[str, ...]:
    served = store.flag(flag)
    assert served is not None
    broken = flag == "summaries-ai" and _treated(served, unit)
    return ("request", "error") if (unit + hour) % (2 if broken else 25) == 0 else ("request",)


def _treated(served: Flag, unit: int) -> bool:
    return variant(served, f"u-{unit}", WHO)[0] is Variant.CANDIDATE
