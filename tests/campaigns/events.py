"""Pretended applications before a real store: users come back, outcomes are ingested, and the guard alone reverts.

Where `tests.campaigns.world` draws what a gate is told, this draws what users do; counting, closing of buckets, looks
and transitions are the product's own, in virtual time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import exp, inf
from pathlib import Path
from random import Random

from sqlalchemy import event

from flows.advance import advance, anything, take
from flows.collect import from_events
from flows.guard import sweep
from flows.house import House
from flows.pace import Pace
from plans.schema import Plan
from rollout.exposure import Flag, Variant, variant
from rollout.model import Finding, Verb
from state.clock import GRACE, Clock, HandClock
from state.database import connect, migrate, sqlite_url
from state.events import Batch, Events
from state.outcomes import Outcome, Receipt
from state.store import Store
from tests.campaigns.world import BUCKET, PER_DAY, poisson

REQUEST, ERROR = "request", "error"
RETRY = timedelta(minutes=4)  # within the five minutes that an outcome may lie ahead


@dataclass(frozen=True, slots=True)
class Crowd:
    """A fixed population with `daily` visits a day, of which the share `base` fails; for the candidate `ratio` times.

    `unequal` is the standard deviation of the logarithm of each user's own error rate, around the same mean. A failure
    is sent `burst` times, each with its request, by the same user within minutes.
    """

    users: int = 2_000
    daily: float = 20_000
    base: float = 0.02
    ratio: float = 1.0
    unequal: float = 0.0
    burst: int = 1

    def rates(self, random: Random) -> tuple[float, ...]:
        """Every user's own share of failing visits under the stable variant."""
        spread = self.unequal
        return tuple(self.base * exp(spread * random.gauss(0, 1) - spread**2 / 2) for _ in range(self.users))


class Application:
    """The users of one flag, drawn from a generator of their own; the flag is asked at every visit.

    `failed` is what a perfect bookkeeper would know: who failed, on which day (UTC).
    """

    def __init__(self, crowd: Crowd, seed: str) -> None:
        self._crowd = crowd
        self._random = Random(seed)
        self._rates = crowd.rates(self._random)
        self.failed: set[tuple[date, str]] = set()

    def visits(self, flag: Flag, start: datetime) -> Iterator[Outcome]:
        """The outcomes of one bucket of time, in no particular order; retries may lie in the next one."""
        crowd, random = self._crowd, self._random
        for _ in range(poisson(crowd.daily / PER_DAY, random)):
            number = random.randrange(crowd.users)
            user, at = f"user-{number}", start + random.random() * BUCKET
            served, _reason = variant(flag, user, {})
            ratio = crowd.ratio if served is Variant.CANDIDATE else 1.0
            yield Outcome(flag.key, user, REQUEST, at)
            if random.random() < self._rates[number] * ratio:
                yield from self._failure(flag.key, user, at)

    def _failure(self, flag: str, user: str, at: datetime) -> Iterator[Outcome]:
        self.failed.add((at.date(), user))
        yield Outcome(flag, user, ERROR, at)
        for _ in range(self._crowd.burst - 1):
            later = at + self._random.random() * RETRY
            yield Outcome(flag, user, REQUEST, later)
            yield Outcome(flag, user, ERROR, later)


class Stage:
    """Many rollouts of one plan in one store, from their common launch on."""

    def __init__(self, store: Store, folder: Path, launch: datetime) -> None:
        self._store = store
        self._launch = launch
        self._hand = HandClock(launch)
        clock = Clock(store, self._hand.now)
        self._events = Events(store, clock)
        collect = from_events(self._events)
        self._house = House(
            store=store, clock=clock, collect=collect, process=store.process, folder=folder, pace=Pace()
        )
        self._flags: dict[str, Flag] = {}
        self.applications: dict[str, Application] = {}

    def launch(self, plan: Plan, crowd: Crowd, number: int, seed: int) -> None:
        """Submit and start so many rollouts, each with a flag, a salt and an application of its own."""
        for name in (f"rollout-{index}" for index in range(number)):
            self._store.submit(plan.model_copy(update={"name": name, "flag": name}), "", "test", self._launch)
            self.applications[name] = Application(crowd, f"{seed}/{name}")
            take(self._store, self._house.clock, name, self._house.collect, anything)
            self._serve(name)

    def run(self, buckets: int) -> None:
        """Let time pass: outcomes as they come, the schedule at its instants, the guard when a bucket has settled.

        One sweep a bucket, shared by all rollouts, sees what one every `check_every` for each of them would see: counts
        exist only for closed buckets, all close together, and nothing else could have changed in between.
        """
        for _ in range(buckets):
            if self._flags:
                self._live_through_one()

    def delays(self) -> list[float]:
        """Minutes from launch to the end of the bucket on which the guard reverted; infinite where it never did."""
        return [self._delay(name) for name in self.applications]

    def finding(self, name: str) -> Finding:
        """What the only criterion of a rollout came to at its last look."""
        (finding,) = self._store.rollout(name).evidence.findings
        return finding

    def _live_through_one(self) -> None:
        start = self._hand.at
        self._hand.at = start + BUCKET
        self._send([Batch(tuple(self.applications[name].visits(flag, start))) for name, flag in self._flags.items()])
        for row in self._store.live():
            if row.due_at is not None and row.due_at <= self._hand.at:
                advance(self._store, self._house.clock, row.state.name, self._house.collect)
                self._serve(row.state.name)
        self._hand.at += GRACE  # by now all outcomes of the bucket count as arrived
        swept = sweep(self._house)
        assert () == swept.broken, "every rollout can be judged"
        for moved in swept.moved:
            self._serve(moved.partition(" ")[0])
        self._hand.at -= GRACE

    def _send(self, batches: list[Batch]) -> None:
        for batch, receipt in zip(batches, self._events.ingest_all(batches), strict=True):
            assert Receipt(len(batch.outcomes)) == receipt, "every outcome is taken, none of them late"

    def _serve(self, name: str) -> None:
        """Keep what the flag serves now; nobody visits behind a flag whose rollout has ended."""
        flag = self._store.flag(name)
        if flag is not None and flag.active:
            self._flags[name] = flag
        else:
            self._flags.pop(name, None)

    def _delay(self, name: str) -> float:
        reverts = [entry.at for entry in self._store.journal(name) if entry.verb is Verb.REVERT]
        return (reverts[0] - GRACE - self._launch) / timedelta(minutes=1) if reverts else inf


@contextmanager
def stage(folder: Path, launch: datetime) -> Iterator[Stage]:
    """A stage on a new database file, which need not survive a loss of power: that is not what is asked here."""
    engine = connect(sqlite_url(folder))
    event.listen(engine, "connect", _without_waiting_for_the_disk)
    migrate(engine)
    try:
        yield Stage(Store(engine, "guard"), folder, launch)
    finally:
        engine.dispose()


def _without_waiting_for_the_disk(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")
