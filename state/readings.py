"""What the operator's sources told, kept with the look or the step that judged it: nobody can ask them for it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, text

from rollout.counting import joined
from rollout.model import Bucket
from state.buckets import bucket_of, read_buckets
from state.closing import plain
from state.columns import micros
from state.transactions import Transactions

_KEEP = text(
    "INSERT INTO reading (rollout_id, start, epoch, until, phase, exposure, settings_epoch, counts) "
    "VALUES (:rollout_id, :start, :epoch, :until, :phase, :exposure, :settings_epoch, :counts) ON CONFLICT DO NOTHING"
)
_OF = text("SELECT * FROM reading WHERE rollout_id = :of ORDER BY start, epoch")


def keep(tx: Connection, told: Iterable[tuple[int, Sequence[Bucket]]]) -> None:
    """Keep what rollouts, by id, were told, in the transaction that moves their memory past it."""
    if rows := [_row(rollout, bucket) for rollout, buckets in told for bucket in buckets]:
        tx.execute(_KEEP, rows)


def all_buckets(store: Transactions, rollout: int) -> tuple[Bucket, ...]:
    """What every source counted for a rollout, in order."""
    return joined((*read_buckets(store, {rollout: None})[rollout], *readings_of(store, rollout)))


def readings_of(store: Transactions, rollout: int) -> tuple[Bucket, ...]:
    """Everything that a rollout's other sources told, in order."""
    with store.reading() as tx:
        return tuple(bucket_of(row) for row in tx.execute(_OF, {"of": rollout}))


def _row(rollout: int, bucket: Bucket) -> dict[str, Any]:
    return {
        "rollout_id": rollout,
        "start": micros(bucket.start),
        "epoch": bucket.epoch,
        "until": micros(bucket.end),
        "phase": bucket.phase,
        "exposure": bucket.exposure,
        "settings_epoch": bucket.settings_epoch,
        "counts": orjson.dumps({metric: plain(*both) for metric, both in bucket.counts.items()}).decode(),
    }
