"""`backtest` against real sources: a Prometheus, a database, and what Sluice itself has counted."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import Result

from gates.judge import settle
from gates.planner import assumed
from plans.load import loads
from sluice.simulate.stage import rehearse
from sluice.simulate.traffic import Stream
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.command_line import Sluice, command_line
from tests.servers import prometheus

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOURS = 6
OUTAGE = range(150, 180)  # minutes in which two in ten requests fail, for everyone
PLAN = """\
sluice: 1
name: search-v2
flag: search
stable: {{model: v1}}
candidate: {{model: v2}}
audience: {{size: 100000}}
phases:
  - {{name: some, expose: 10%, hold: 1h}}
  - {{name: all, expose: 50%, hold: 1h}}
ends_below_100: true
metrics:
  error_rate:
    source: {source}
    bad: {bad}
    of: {of}
  complaints: {{source: elsewhere, bad: complaint, of: request}}
stop:
  criteria: [{criterion}, complaints > 3x control]
"""
CONTROL, FIXED = "error_rate > 2x control", "error_rate > 6%"
QUERIES = {
    word: f"SELECT coalesce(sum({word}), 0) FROM told WHERE :variant = 'stable' AND at >= :since AND at < :until"
    for word in ("request", "error")
}


def history() -> Iterator[tuple[datetime, int, int]]:
    """Each minute's requests and errors of those who have stable; 2 % fail, and in half an hour 20 %."""
    random = Random(11)
    for minute in range(HOURS * 60):
        share = 0.2 if minute in OUTAGE else 0.02
        requests = 60 + random.randrange(20)
        yield BEGIN + minute * MINUTE, requests, sum(random.random() < share for _ in range(requests))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.fixture
def sluice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line on a data folder; `code` is the exit code that is expected."""
    return command_line(monkeypatch, folder / "data")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A Prometheus that scraped the history every minute."""
    totals = {"request": 0, "error": 0}
    lines: dict[str, list[str]] = {name: [f"# TYPE ai_{name} counter"] for name in totals}
    for at, requests, errors in history():
        for name, total in totals.items():
            lines[name].append(f'ai_{name}_total{{variant="stable"}} {total} {at.timestamp():.0f}')
        totals["request"] += requests
        totals["error"] += errors
    with prometheus("\n".join([*lines["request"], *lines["error"], "# EOF", ""])) as url:
        yield url


def on_prometheus(folder: Path, url: str, criterion: str = CONTROL) -> str:
    """A plan whose counts are in Prometheus, which the data folder knows as prom."""
    settings = f'[sources.prom]\nkind = "prometheus"\nurl = "{url}"\naddresses = ["127.0.0.0/8"]\n'
    (folder / "data" / "sluice.toml").write_text(settings)
    bad, of = (f'sum(increase(ai_{word}_total{{variant="$variant"}}[$window]))' for word in ("error", "request"))
    return _plan(folder, source="prom", bad=f"'{bad}'", of=f"'{of}'", criterion=criterion)


def on_sqlite(folder: Path, criterion: str) -> str:
    """A plan whose counts are in a database, which the data folder knows as warehouse."""
    with closing(sqlite3.connect(folder / "told.db")) as connection:
        connection.execute("CREATE TABLE told (at REAL, request INTEGER, error INTEGER)")
        rows = [(at.timestamp(), requests, errors) for at, requests, errors in history()]
        connection.executemany("INSERT INTO told VALUES (?, ?, ?)", rows)
        connection.commit()
    queries = "".join(f'queries.{word} = "{query}"\n' for word, query in QUERIES.items())
    settings = f'[sources.warehouse]\nkind = "sql"\nurl = "sqlite:///{folder}/told.db"\ntimes = "epoch"\n{queries}'
    (folder / "data" / "sluice.toml").write_text(settings)
    return _plan(folder, source="warehouse", bad="error", of="request", criterion=criterion)


def test_healthy_history_in_prometheus_reverts_nothing(sluice: Sluice, folder: Path, server: str) -> None:
    """Two rollouts of two hours fit into less than six; an outage of everybody's is nobody's fault beside a control."""
    plan = on_prometheus(folder, server)
    told = _json(sluice("backtest", plan, *_between("prom"), "--splits", "4", "--json"))
    assert (8, 0, {"completed": 8}) == (told["rollouts"], told["reverted"], told["outcomes"])
    assert {"2026-03-02T09:05:00Z", "2026-03-02T11:05:00Z"} == {trial["start"] for trial in told["trials"]}
    assert told["upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 8))
    text = " ".join(sluice("backtest", plan, *_between("prom")).stdout.split())
    assert "would have reverted 0 of 2 healthy rollouts" in text
    assert "complaints > 3x control" in text


def test_what_would_have_reverted_names_its_bucket_and_its_reason(sluice: Sluice, folder: Path) -> None:
    """Against a fixed share the outage takes back the rollout that lived through it, in one of its buckets."""
    plan = on_sqlite(folder, FIXED)
    told = _json(sluice("backtest", plan, *_between("warehouse"), "--json"))
    assert {"completed": 1, "reverted": 1} == told["outcomes"]
    (back,) = [trial for trial in told["trials"] if trial["outcome"] == "reverted"]
    bucket = back["bucket"]
    began = datetime.fromisoformat(bucket["start"])
    assert BEGIN + OUTAGE.start * MINUTE <= began <= BEGIN + OUTAGE.stop * MINUTE
    assert bucket["counts"]["error_rate"]["treatment"]["bad"] > 0
    assert FIXED == back["finding"]["criterion"]
    text = " ".join(sluice("backtest", plan, *_between("warehouse")).stdout.split())
    assert "would have reverted 1 of 2 healthy rollouts" in text
    assert "breach" in text
    assert f"{began:%H:%M}" in text


def test_the_lots_follow_from_the_seed_and_add_up(sluice: Sluice, folder: Path) -> None:
    """The same seed draws the same lots; nobody is lost between the two cohorts."""
    plan = on_sqlite(folder, FIXED)
    first, again = (_json(sluice("backtest", plan, *_between("warehouse"), "--json")) for _ in range(2))
    assert first == again
    (back,) = [trial for trial in first["trials"] if trial["bucket"]]
    counts = back["bucket"]["counts"]["error_rate"]
    begins = datetime.fromisoformat(back["bucket"]["start"])
    told = sum(requests for at, requests, _ in history() if begins <= at < begins + 5 * MINUTE)
    assert told == counts["treatment"]["of"] + counts["control"]["of"]


def test_what_sluice_counted_itself_can_be_replayed(sluice: Sluice, folder: Path) -> None:
    """Those who had stable in an earlier rollout of the flag are the history of the next."""
    text = PLAN.format(source="events", bad="error", of="request", criterion=CONTROL).replace("elsewhere", "events")
    engine = connect(sqlite_url(folder / "data"))
    migrate(engine)
    store, plan = Store(engine, "test", settle), loads(text)
    rehearse(store, plan, text, Stream(plan, assumed(plan), (), Random(7)), BEGIN)
    engine.dispose()
    file = folder / "plan.yaml"
    file.write_text(text.replace("search-v2", "search-v3").replace("1h", "30m"))
    told = _json(sluice("backtest", str(file), *_between("events", hours=2), "--json"))
    assert (1, {"completed": 1}, {}) == (told["rollouts"], told["outcomes"], told["missing"])


def test_gaps_are_told(sluice: Sluice, folder: Path, server: str) -> None:
    """Windows in which a source knows nothing are counted, with its words, and the rollouts in them wait."""
    plan = on_prometheus(folder, server)
    told = _json(sluice("backtest", plan, *_between("prom", hours=12), "--json"))
    assert told["missing"]["error_rate"]["windows"] > 70
    assert "no such series" in told["missing"]["error_rate"]["why"]
    assert told["outcomes"]["running"] > 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--source", "nowhere", "--from", "2026-03-02", "--to", "2026-03-03"), 1, "its sources: elsewhere, warehouse"),
        (("--source", "elsewhere", "--from", "2026-03-02", "--to", "2026-03-03"), 1, "known here: events, warehouse"),
        (("--source", "warehouse", "--from", "2026-03-02", "--to", "2026-03-02 01:00"), 2, "give --to that much"),
        (("--source", "warehouse", "--from", "2026-03-02", "--to", "2099-01-01"), 2, "history ends now"),
        (("--source", "warehouse", "--from", "soon", "--to", "2026-03-03"), 2, "is not a time"),
    ],
)
def test_what_cannot_be_replayed_says_why(
    sluice: Sluice, folder: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    """Sources that nobody configured, and times that do not fit, with the remedy."""
    result = sluice("backtest", on_sqlite(folder, CONTROL), *words, code=code)
    assert says in " ".join(result.stderr.split())


def _plan(folder: Path, **words: str) -> str:
    file = folder / "plan.yaml"
    file.write_text(PLAN.format(**words))
    return str(file)


def _between(source: str, hours: int = HOURS) -> tuple[str, ...]:
    """From five minutes after the beginning, when a first increase is known, to so many hours after it."""
    begins, ends = BEGIN + 5 * MINUTE, BEGIN + timedelta(hours=hours)
    return ("--source", source, "--from", begins.isoformat(), "--to", ends.isoformat())


def _json(result: Result) -> Any:
    return json.loads(result.stdout)
