"""The tables of the embedded source: tallies of open buckets, closed buckets, and who turned bad today."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, UniqueConstraint
from sqlmodel import Field, SQLModel

from state.columns import Micros, table, text_column


class BucketRow(SQLModel, table=True):
    """What was counted in one closed bucket, all metrics and both cohorts in one row."""

    __tablename__: ClassVar[Any] = "bucket"
    __table_args__ = ({"sqlite_with_rowid": False},)

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    start: datetime = Field(primary_key=True, sa_type=Micros)
    epoch: int = Field(primary_key=True)
    until: datetime = Field(sa_type=Micros)
    phase: int
    exposure: int
    settings_epoch: int
    counts: str = text_column()


class ReadingRow(SQLModel, table=True):
    """What the operator's sources told of one bucket, as it was judged: the embedded source has its own rows."""

    __tablename__: ClassVar[Any] = "reading"
    __table_args__ = ({"sqlite_with_rowid": False},)

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    start: datetime = Field(primary_key=True, sa_type=Micros)
    epoch: int = Field(primary_key=True)
    until: datetime = Field(sa_type=Micros)
    phase: int
    exposure: int
    settings_epoch: int
    counts: str = text_column()


class SlotRow(SQLModel, table=True):
    """A dense number for (rollout, epoch, bucket, cohort, event) while its bucket is open."""

    __tablename__: ClassVar[Any] = "slot"
    __table_args__ = (UniqueConstraint("rollout_id", "start", "epoch", "cohort", "event"),)

    id: int | None = Field(default=None, primary_key=True)
    rollout_id: int = Field(foreign_key="rollout.id")
    start: datetime = Field(sa_type=Micros)
    epoch: int
    until: datetime = Field(sa_type=Micros, index=True)
    phase: int
    exposure: int
    settings_epoch: int
    cohort: str
    event: str


class UnitRow(SQLModel, table=True):
    """How many events of a slot one unit had; the unit is a 64-bit hash."""

    __tablename__: ClassVar[Any] = "unit"
    __table_args__ = ({"sqlite_with_rowid": False},)

    slot: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    unit: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    events: int


class UnitSumRow(SQLModel, table=True):
    """The sum of the values of one unit's events of a slot, in whole millionths."""

    __tablename__: ClassVar[Any] = "unit_sum"
    __table_args__ = ({"sqlite_with_rowid": False},)

    slot: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    unit: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    millionths: int = Field(sa_type=BigInteger)


class MetUnitRow(SQLModel, table=True):
    """A unit that was heard of in the present phase already, so that it is counted at its first exposure alone."""

    __tablename__: ClassVar[Any] = "met_unit"
    __table_args__ = ({"sqlite_with_rowid": False},)

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    phase: int = Field(primary_key=True)
    unit: int = Field(primary_key=True, sa_type=BigInteger)


class BadUnitRow(SQLModel, table=True):
    """A unit that turned bad on a day and is not at risk until the next."""

    __tablename__: ClassVar[Any] = "bad_unit"
    __table_args__ = ({"sqlite_with_rowid": False},)

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    day: str = Field(primary_key=True)
    metric: str = Field(primary_key=True)
    cohort: str = Field(primary_key=True)
    unit: int = Field(primary_key=True, sa_type=BigInteger)


class BatchRow(SQLModel, table=True):
    """A batch of outcomes that came in, so that sending it again counts nothing twice."""

    __tablename__: ClassVar[Any] = "batch"
    __table_args__ = ({"sqlite_with_rowid": False},)

    id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Micros, index=True)


class SeenEventRow(SQLModel, table=True):
    """An event name that applications have sent for a flag at least once."""

    __tablename__: ClassVar[Any] = "seen_event"

    flag: str = Field(primary_key=True, foreign_key="flag.key")
    event: str = Field(primary_key=True)


buckets = table(BucketRow)
readings = table(ReadingRow)
slots = table(SlotRow)
units = table(UnitRow)
unit_sums = table(UnitSumRow)
met_units = table(MetUnitRow)
bad_units = table(BadUnitRow)
batches = table(BatchRow)
seen_events = table(SeenEventRow)
