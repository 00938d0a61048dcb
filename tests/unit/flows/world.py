"""A house in memory with a clock that is turned by hand, for tests of what Prefect is not needed for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.collect import Counted, Wanted
from flows.house import Deleted, House
from flows.pace import Pace
from rollout.model import Bucket, Counts
from state.clock import Clock
from state.database import connect, migrate
from state.step import submit
from state.store import Rollout, Store

START = datetime(2026, 12, 1, 9, tzinfo=UTC)

PLAN = """\
sluice: 1
name: {name}
flag: {name}
stable: {{model: v1}}
candidate: {{model: v2}}
audience: {{size: 1000}}
phases:
  - {{name: alpha, expose: 10%, hold: 1h{approval}}}
  - {{name: beta, expose: 50%, hold: 1h}}
  - {{name: ga, expose: 100%, hold: 1h}}
metrics:
  error_rate: {{source: events, bad: error, of: request}}
stop:
  check_every: 5m
  criteria:
    - {{when: error_rate > 2x control, on_no_data: ignore}}
"""


class World:
    """A house, the hands of its clock, and the counts that its sources will give."""

    def __init__(self, folder: Path) -> None:
        self.at = START
        self.bad: set[str] = set()
        self.asked = 0
        store = Store(connect("sqlite://"), "test")
        migrate(store.engine)
        clock = Clock(store, lambda: self.at)
        self.house = House(
            store=store,
            clock=clock,
            collect=self.counts,
            process="test",
            folder=folder,
            pace=Pace(),
            deleted=Deleted.RECREATE,
        )

    def pass_time(self, by: timedelta) -> None:
        """Turn the clock."""
        self.at += by

    def submit(self, name: str, *, approval: bool = False) -> None:
        """Submit a three-phase plan."""
        text = PLAN.format(name=name, approval=", approval: required" if approval else "")
        submit(self.house.store, text, "test", self.at)

    def rollout(self, name: str) -> Rollout:
        """The rollout as it is stored."""
        return self.house.store.rollout(name)

    def counts(self, wanted: Sequence[Wanted], now: datetime) -> Sequence[Counted]:
        """One bucket for each rollout; those in `bad` fail for half of the treated."""
        self.asked += 1
        seen = frozenset({"request", "error"})
        return [Counted((self._bucket(one, now),), seen) for one in wanted]

    def _bucket(self, one: Wanted, now: datetime) -> Bucket:
        state = self.house.store.rollout(one.name).state
        treated = Counts(500, 1000) if one.name in self.bad else Counts(10, 1000)
        return Bucket(
            start=now - timedelta(minutes=5),
            end=now,
            epoch=state.epoch,
            phase=state.phase,
            exposure=state.exposure,
            settings_epoch=state.settings_epoch,
            counts={"error_rate": (treated, Counts(20, 1000))},
        )
