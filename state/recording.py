"""Counts that no application sent: a rehearsal writes the closed buckets of pretended traffic into a store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import TextClause, text

from rollout.model import Bucket
from state.closing import plain
from state.columns import micros
from state.store import Store

COLUMNS = ("start", "epoch", "until", "phase", "exposure", "settings_epoch")
NUMBERS = ", ".join(f"CAST(b.value ->> {place} AS BIGINT)" for place in range(len(COLUMNS)))


def _insert(rows: str) -> TextClause:
    return text(
        f"INSERT INTO bucket (rollout_id, {', '.join(COLUMNS)}, counts) "  # noqa: S608 - ours
        f"SELECT CAST(:rollout AS BIGINT), {NUMBERS}, b.value ->> {len(COLUMNS)} FROM {rows}"
    )


ADD_BUCKETS = {
    "sqlite": _insert("json_each(:made) AS b"),
    "postgresql": _insert("jsonb_array_elements(CAST(:made AS jsonb)) AS b(value)"),
}
ADD_SEEN = text("INSERT INTO seen_event (flag, event) VALUES (:flag, :event) ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True)
class Recorded:
    """Closed buckets of one rollout, in order, and the event names that were heard in them."""

    rollout: int
    flag: str
    buckets: Sequence[Bucket]
    heard: Collection[str]


def record(store: Store, made: Recorded) -> None:
    """Write buckets as the events source leaves them when it closes them, all in one transaction."""
    with store.writing() as tx:
        if made.buckets:
            rows = orjson.dumps([_row(bucket) for bucket in made.buckets]).decode()
            tx.execute(ADD_BUCKETS[tx.dialect.name], {"rollout": made.rollout, "made": rows})
        if made.heard:
            tx.execute(ADD_SEEN, [{"flag": made.flag, "event": event} for event in sorted(made.heard)])


def _row(bucket: Bucket) -> list[int | str]:
    counts = {metric: plain(*both) for metric, both in bucket.counts.items()}
    times = (micros(bucket.start), bucket.epoch, micros(bucket.end))
    return [*times, bucket.phase, bucket.exposure, bucket.settings_epoch, orjson.dumps(counts).decode()]
