"""`sluice evidence`: the buckets that were judged, for a notebook."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from gates.judge import Memory
from rollout.model import NOT_STARTED, Bucket, Cohort
from sluice import render
from sluice.access import here
from sluice.errors import RefusedError, UsageError
from sluice.options import Data, Name
from state.readings import all_buckets
from state.store import Rollout, Store

REMEDY = "pip install 'sluice[notebook]' brings it; --format csv does without"


class Format(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    PARQUET = "parquet"


class Row(NamedTuple):
    """One metric of one cohort in one bucket; `exposure` is in percent, `epoch` the revision that began it.

    `incident` is the number of the one that the bucket begins in, 0 where it begins in none.
    """

    start: datetime
    end: datetime
    epoch: int
    phase: str
    exposure: float
    settings_epoch: int
    metric: str
    cohort: str
    bad: int
    total: int
    sum: float
    squares: float
    incident: int


def evidence(
    name: Name,
    *,
    format_: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.CSV,
    out: Annotated[
        Path | None, typer.Option(help="Into this file (default: standard output, for csv).", show_default=False)
    ] = None,
    data: Data = None,
) -> None:
    """The buckets that a rollout was judged by, a row per metric and cohort.

    Columns: start, end (UTC), epoch, phase, exposure (percent),
    settings_epoch, metric, cohort, bad, total; of numbers also sum and squares;
    incident, the number of the one that it begins in, else 0.
    A bucket is as it was when it was closed.
    """
    if format_ is Format.PARQUET and out is None:
        raise UsageError("Parquet is not for reading on a terminal; name a file: --out evidence.parquet")
    with here(data) as desk:
        rollout, found = desk.store.rollout(name), judged(desk.store, name)
    rows = list(told(rollout, found))
    if out is None:
        sys.stdout.write(as_csv(rows))
        return
    written = as_csv(rows).encode() if format_ is Format.CSV else as_parquet(rows)
    try:
        out.write_bytes(written)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {error.strerror}") from error
    render.console(stderr=True).print(f"{len(rows):,} rows in {out}")


def judged(store: Store, name: str) -> tuple[Bucket, ...]:
    """The closed buckets that the gate has consumed, of all sources, oldest first; raises UnknownError."""
    rollout = store.rollout(name)
    last = Memory.from_json(rollout.memory).after if rollout.memory else None
    if last is None:
        return ()
    return tuple(bucket for bucket in all_buckets(store, rollout.id) if (bucket.start, bucket.epoch) <= last)


def told(rollout: Rollout, buckets: Sequence[Bucket]) -> Iterator[Row]:
    """Buckets as rows, treatment before control; a metric that nobody met in a bucket has none there."""
    for bucket in buckets:
        phase = "" if bucket.phase == NOT_STARTED else rollout.plan.phases[bucket.phase].name
        shared = (bucket.start, bucket.end, bucket.epoch, phase, bucket.exposure / 1000, bucket.settings_epoch)
        incident = next((one.number for one in rollout.incidents if one.spans(bucket.start)), 0)
        for metric, counts in bucket.counts.items():
            for cohort, counted in zip((Cohort.TREATMENT, Cohort.CONTROL), counts, strict=True):
                sums = (counted.sum, counted.squares)
                yield Row(*shared, metric, str(cohort), counted.bad, counted.total, *sums, incident)


def as_csv(rows: Sequence[Row]) -> str:
    """Comma-separated values with a line of names; instants in ISO 8601, UTC."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows([_instant(row.start), _instant(row.end), *row[2:]] for row in rows)
    return text.getvalue()


def as_parquet(rows: Sequence[Row]) -> bytes:
    """The same rows as one Parquet file; raises RefusedError where pyarrow is not installed."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - 150 MB that nobody else needs
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise RefusedError(f"Parquet is written by pyarrow, which is not installed; {REMEDY}") from error
    instant, whole, word, real = pa.timestamp("us", tz="UTC"), pa.int64(), pa.string(), pa.float64()
    kinds = (instant, instant, whole, word, real, whole, word, word, whole, whole, real, real, whole)
    columns = [pa.array(column, kind) for column, kind in zip(_columns(rows), kinds, strict=True)]
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns, names=list(Row._fields)), sink)
    return bytes(sink.getvalue().to_pybytes())


def _columns(rows: Sequence[Row]) -> list[list[object]]:
    return [[row[place] for row in rows] for place in range(len(Row._fields))]


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
