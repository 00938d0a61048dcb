"""`aa` over what a phase at 0 % has counted: healthy criteria stay silent, hasty ones are found out in time."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import Result

from gates.judge import settle
from gates.planner import assumed
from plans.load import loads
from rollout.model import Status
from sluice.simulate.stage import rehearse
from sluice.simulate.traffic import Stream
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.command_line import Sluice, command_line

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEXT = """
sluice: 1
name: searched
flag: search
stable: {model: v1}
candidate: {model: v2}
audience: {size: 100000}
schedule: {timezone: UTC, freeze: [{from: 2026-03-03, to: 2026-03-09}]}
phases:
  - {name: dry, expose: 0%, hold: 6h}
  - {name: some, expose: 10%, hold: 4h}
  - {name: all, expose: 100%, hold: 4h}
metrics:
  error_rate: {source: events, bad: error, of: request}
stop:
  criteria:
    - error_rate > 2x control
    - {when: error_rate > 1%, then: notify}
"""


@pytest.fixture
def sluice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line on a data folder; `code` is the exit code that is expected."""
    return command_line(monkeypatch, tmp_path)


@pytest.fixture
def dry(tmp_path: Path) -> Path:
    """A data folder with a rollout that has counted for days while nobody had its candidate."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store, plan = Store(engine, "test", settle), loads(TEXT)
    late = MONDAY + timedelta(hours=10)  # the freeze begins before the first phase can end
    ended = rehearse(store, plan, TEXT, Stream(plan, assumed(plan), (), Random(7)), late)
    assert Status.COMPLETED is ended.rollout.state.status
    engine.dispose()
    return tmp_path


def test_a_healthy_split_reverts_nothing(sluice: Sluice, dry: Path) -> None:
    """Forty lots of a tenth: no revert by the ratio; a limit that stable itself breaks notifies in each of them."""
    told = _json(sluice("aa", "searched", "--splits", "40", "--json"))
    assert (40, 10.0, 0) == (told["splits"], told["exposure"], told["reverted"])
    assert told["upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 40))
    assert [0, 40] == [criterion["breached"] for criterion in told["criteria"]]
    assert told["days"] > 6
    assert told["units"]["error_rate"] > 600_000


def test_it_says_so_in_one_sentence(sluice: Sluice, dry: Path) -> None:
    """The headline has the count, the share and the bound, and the same seed gives the same lots."""
    text = " ".join(sluice("aa", "searched", "--splits", "20", "--expose", "50%").stdout.split())
    assert "would have reverted 0 of 20 random 50 % splits, 95 % upper bound 13.9 %" in text
    once, again = (_json(sluice("aa", "searched", "--splits", "5", "--seed", "4", "--json")) for _ in range(2))
    assert once == again


@pytest.mark.parametrize("share", ["0%", "100%", "most", "250%"])
def test_a_share_of_nobody_or_everybody_is_wrong_usage(sluice: Sluice, dry: Path, share: str) -> None:
    """There are two cohorts, or there is nothing to compare."""
    assert "--expose" in sluice("aa", "searched", "--expose", share, code=2).stderr


def test_nothing_counted_is_refused(sluice: Sluice, tmp_path: Path) -> None:
    """Before the first closed bucket there is nobody to draw lots for."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    Store(engine, "test").submit(loads(TEXT), TEXT, "pm", MONDAY)
    engine.dispose()
    assert "wait for the first closed bucket" in " ".join(sluice("aa", "searched", code=1).stderr.split())


def _json(result: Result) -> Any:
    return json.loads(result.stdout)
