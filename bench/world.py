"""The plan that benchmarks roll out, the traffic it meets, and many rollouts of it in one store."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import select

from flows.collect import Counted, Wanted
from plans.load import loads
from plans.schema import Plan
from rollout.decide import decide
from rollout.model import FULL, Bucket, Counts, Evidence, RolloutState
from state.store import Store
from state.tables import evidences, flags, rollouts

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
LOOK = timedelta(minutes=5)
DAILY = 20_000
RATES = {"error_rate": 0.02, "complaints": 0.001, "wrong": 0.1, "irrelevant": 0.02}
CHUNK = 1_000
PLAN_TEXT = """
sluice: 1
name: rehearsal
flag: rehearsal-ai
stable:    {model: v1, min_confidence: 0.7}
candidate: {model: v2, min_confidence: 0.7}
phases:
  - {name: alpha, expose: 1%, hold: 3d}
  - {name: beta, expose: 10%, hold: 4d, adjust: [{at: day 3, set: {min_confidence: 0.8}}]}
  - {name: majority, expose: 50%, hold: 7d}
  - {name: ga, expose: 100%, hold: 7d}
metrics:
  error_rate: {source: events, bad: error, of: request}
  complaints: {source: events, bad: complaint, of: request}
  wrong:      {source: events, bad: wrong, of: labelled}
  irrelevant: {source: events, bad: irrelevant, of: shown}
stop:
  criteria:
    - error_rate > 2x control
    - {when: complaints > 3x control, then: hold}
    - wrong > 2x control
    - {when: irrelevant > 2x control, then: notify}
"""
SEEN = frozenset({"error", "request", "complaint", "wrong", "labelled", "irrelevant", "shown"})


def plan() -> Plan:
    """Three weeks and four criteria."""
    return loads(PLAN_TEXT)


class Traffic:
    """Healthy counts of one five-minute bucket after another; the same seed gives the same traffic."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.units = DAILY * LOOK / timedelta(days=1)

    def bucket(self, state: RolloutState, start: datetime) -> Bucket:
        """What both cohorts did in the bucket that begins at `start`."""
        share = state.exposure / FULL
        return Bucket(
            start=start,
            end=start + LOOK,
            epoch=state.epoch,
            phase=state.phase,
            exposure=state.exposure,
            settings_epoch=state.settings_epoch,
            counts={
                metric: (self._counts(share, rate), self._counts(1 - share, rate)) for metric, rate in RATES.items()
            },
        )

    def _counts(self, share: float, rate: float) -> Counts:
        total = self._about(self.units * share)
        return Counts(min(total, self._about(total * rate)), total)

    def _about(self, mean: float) -> int:
        return max(0, round(self.random.gauss(mean, mean**0.5)))


def collect(wanted: Sequence[Wanted], now: datetime) -> Sequence[Counted]:
    """The same healthy bucket for every rollout, behind its last one: a source that costs nothing."""
    start = now - LOOK
    bucket = Bucket(
        start=start,
        end=now,
        epoch=1,
        phase=0,
        exposure=1_000,
        settings_epoch=0,
        counts={metric: (Counts(0, 1), Counts(round(69 * rate), 69)) for metric, rate in RATES.items()},
    )
    return [Counted((bucket,), SEEN)] * len(wanted)


def populate(store: Store, number: int) -> None:
    """Put `number` started rollouts into an empty store, each with a plan, a digest and a flag of its own.

    One is submitted and started as every rollout is; the others are copies of its rows under other names.
    """
    store.submit(plan(), PLAN_TEXT, "bench", MONDAY)
    first = store.rollout("rehearsal")
    start = decide(first.plan, first.state, Evidence(), (), MONDAY)
    assert start is not None, "a plan without a date starts at once"
    store.commit(start, Evidence(), None, first.evidence_version)
    for names in _chunks(number - 1):
        _copy(store, names)


def _chunks(number: int) -> Iterator[list[str]]:
    for first in range(0, number, CHUNK):
        yield [f"rehearsal-{index:06}" for index in range(first, min(first + CHUNK, number))]


def _copy(store: Store, names: list[str]) -> None:
    with store.writing() as tx:
        row = tx.execute(select(rollouts).where(rollouts.c.name == "rehearsal")).mappings().one()
        flag = tx.execute(select(flags).where(flags.c.key == row["flag"])).mappings().one()
        seen = tx.execute(select(evidences).where(evidences.c.rollout_id == row["id"])).mappings().one()
        top = tx.execute(select(rollouts.c.id).order_by(rollouts.c.id.desc()).limit(1)).scalar_one()
        copies = [
            {
                **row,
                "id": top + offset,
                "name": name,
                "flag": f"{name}-ai",
                "digest": sha256(name.encode()).hexdigest(),
                "plan": row["plan"].replace('"rehearsal', f'"{name}'),
            }
            for offset, name in enumerate(names, 1)
        ]
        tx.execute(flags.insert(), [{**flag, "key": f"{name}-ai", "rollout": name} for name in names])
        tx.execute(rollouts.insert(), copies)
        tx.execute(evidences.insert(), [{**seen, "rollout_id": copy["id"]} for copy in copies])
