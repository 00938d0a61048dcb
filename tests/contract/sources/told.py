"""The history told to each kind of source, ready to be asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from flows.collect import Wanted, from_events
from gates.sources import Reading, Request, Source
from gates.sources.config import configured
from gates.sources.opening import open_sources
from plans.load import loads
from plans.schema import Metric
from rollout.counting import MET
from rollout.exposure import bucket
from rollout.model import Bucket
from state import step
from state.clock import HandClock
from state.database import connect, migrate
from state.events import Batch, Events
from state.outcomes import Outcome
from state.store import Store
from tests.contract.sources.history import BEGIN, END, GROWN, WORDS, moments, number
from tests.contract.state.story import judged

COUNTED = "SELECT count(*) FROM told WHERE word = '{}' AND variant = :variant AND at >= :since AND at < :until"
QUERIES = {word: COUNTED.format(word) for word in WORDS}
RATE = 'sum(increase(ai_{}_total{{variant="$variant"}}[$window]))'
PLAN = """\
sluice: 1
name: search
flag: search
stable: {model: v1}
candidate: {model: v2}
phases:
  - {name: alpha, expose: 10%, hold: 12m}
  - {name: beta, expose: 50%, hold: 1d}
  - {name: ga, expose: 100%, hold: 1d}
metrics:
  errors: {source: events, bad: error, of: request}
  accuracy: {source: events, good: correct, of: request}
stop: {criteria: [{when: errors > 2x control, on_no_data: ignore}, {when: accuracy < 50%, on_no_data: ignore}]}
"""


@dataclass(frozen=True)
class Told:
    """A source that knows the history, and the metrics that ask for it."""

    source: Source
    metrics: dict[str, Metric]


def open_one(settings: Mapping[str, Any]) -> Source:
    """The source of one table of settings, on loopback."""
    given = {"addresses": ["127.0.0.0/8"]} if "kind" in settings else {}
    return open_sources(configured({"sources": {"one": {**given, **settings}}}))["one"]


def metrics(source: str, query: str) -> dict[str, Metric]:
    """Errors and accuracy; `query` has a place for the word."""
    request, error, correct = (query.format(word) for word in WORDS)
    return {
        "errors": Metric(source=source, bad=error, of=request),
        "accuracy": Metric(source=source, good=correct, of=request),
    }


def prometheus(url: str, **settings: Any) -> Told:
    """A Prometheus that was told the history before it started."""
    return Told(open_one({"kind": "prometheus", "url": url, **settings}), metrics("prom", RATE))


def http(url: str, **settings: Any) -> Told:
    """A web service."""
    return Told(open_one({"kind": "http", "url": url, **settings}), metrics("http", "/counts/{}"))


def sqlite(folder: Path) -> Told:
    """A SQLite file, which keeps instants as seconds since 1970."""
    with closing(sqlite3.connect(folder / "told.db")) as connection:
        connection.execute("CREATE TABLE told (at REAL, variant TEXT, word TEXT)")
        connection.executemany("INSERT INTO told VALUES (?, ?, ?)", [(at.timestamp(), *rest) for at, *rest in _rows()])
        connection.commit()
    settings = {"kind": "sql", "url": f"sqlite:///{folder}/told.db", "queries": QUERIES, "times": "epoch"}
    return Told(open_one(settings), metrics("sql", "{}"))


def postgresql(url: str) -> Told:
    """A PostgreSQL database, which keeps instants with their zone."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE told (at timestamptz, variant text, word text)")
        connection.cursor().executemany("INSERT INTO told VALUES (%s, %s, %s)", list(_rows()))
    return Told(open_one({"kind": "sql", "url": url, "queries": QUERIES}), metrics("sql", "{}"))


def events(folder: Path) -> Told:
    """The embedded source behind a real rollout; every outcome is of a unit of its own."""
    store = Store(connect(f"sqlite:///{folder}/sluice.db"), "test")
    migrate(store.engine)
    clock = HandClock(BEGIN)
    own = Events(store, clock)
    step.submit(store, PLAN, "test", BEGIN)
    step.step(store, "search", BEGIN)
    for at, outcomes in _outcomes():
        clock.at = at
        if at > GROWN > store.rollout("search").state.since:
            grow(store)
        own.ingest(Batch(outcomes))
    clock.at = END
    return Told(_Embedded(store, own), dict(loads(PLAN).metrics))


def grow(store: Store) -> None:
    """Enter the second phase at its instant, on evidence that says nothing against it."""
    rollout = store.rollout("search")
    step.step(store, "search", GROWN, judged(rollout, rollout.plan, GROWN))


@dataclass(frozen=True)
class _Embedded:
    """The embedded source asked for one rollout, as the sweep asks it for all."""

    store: Store
    own: Events

    @property
    def delay(self) -> timedelta:
        """It knows by itself when a bucket is closed."""
        return timedelta(0)

    async def counts(self, request: Request) -> Reading:
        """Closed buckets behind the one before the first window."""
        rollout = self.store.rollout(request.rollout)
        after = (request.windows[0].start - timedelta(microseconds=1), 0)
        wanted = Wanted(rollout.id, rollout.name, rollout.state.flag, after, False, lambda: rollout.plan)
        (counted,) = from_events(self.own)((wanted,), END)
        return Reading(buckets=tuple(map(_metrics_alone, counted.buckets)))


def _metrics_alone(told: Bucket) -> Bucket:
    """Without the units met for the first time, of which other sources know nothing."""
    return replace(told, counts={name: both for name, both in told.counts.items() if name != MET})


def _rows() -> Any:
    for at, told in moments():
        for variant in ("candidate", "stable"):
            for word in WORDS:
                yield from [(at, variant, word)] * number(told.counts(variant), word)


def _outcomes() -> Any:
    """Fresh units for each moment: a unit that was bad is not at risk again that day."""
    numbers = iter(range(10**9))
    inside = (f"u{n}" for n in numbers if bucket("search", f"u{n}") < 10_000)
    outside = (f"u{n}" for n in iter(range(10**9)) if bucket("search", f"u{n}") >= 50_000)
    for at, told in moments():
        found = []
        for units, counts in ((inside, told.candidate), (outside, told.stable)):
            for index in range(counts.total):
                unit = next(units)
                found.append(Outcome("search", unit, "request", at))
                found.append(Outcome("search", unit, "error" if index < counts.bad else "correct", at))
        yield at, found
