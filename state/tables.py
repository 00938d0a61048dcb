"""The tables, as SQLModel declares them; the migrations build exactly these.

JSON is kept as text, so that numbers come back as they went in on every database. Instants are UTC: readable ones in
the tables that people look at, microseconds since 1970 in those that are written thousands of times a second.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Index, Table, Text, TypeDecorator, UniqueConstraint, text
from sqlalchemy.engine import Dialect
from sqlmodel import Field, SQLModel

from state.errors import NaiveInstantError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LIVE_SQL = "status IN ('scheduled', 'running', 'awaiting_approval', 'held')"


class Switch(StrEnum):
    """A flag's own kill switch."""

    ON = "on"
    OFF = "off"


class CommandStatus(StrEnum):
    """What became of a person's command."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


class ClockKind(StrEnum):
    """Where the time of this store comes from."""

    REAL = "real"
    ACCELERATED = "accelerated"


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; naive ones are refused (NaiveInstantError)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC; SQLite stores the text of it."""
        return None if value is None else _utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware again: SQLite gives back what it was given without its zone."""
        if value is None or value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Micros(TypeDecorator[datetime]):
    """An aware datetime as whole microseconds since 1970, for tables in the fast path."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Microseconds since 1970."""
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The aware datetime."""
        return None if value is None else from_micros(value)


def micros(at: datetime) -> int:
    """Whole microseconds since 1970; raises NaiveInstantError without a time zone."""
    if at.tzinfo is None:
        raise NaiveInstantError(at)
    return (at - EPOCH) // MICROSECOND


def from_micros(value: int) -> datetime:
    """The instant that `micros` made a number of."""
    return EPOCH + timedelta(microseconds=value)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise NaiveInstantError(value)
    return value.astimezone(UTC)


def _text(**options: Any) -> Any:
    return Field(sa_type=Text, **options)


def _instant(**options: Any) -> Any:
    return Field(sa_type=Instant, **options)


class RolloutRow(SQLModel, table=True):
    """One rollout: its plan as submitted and its state as of its revision."""

    __tablename__: ClassVar[Any] = "rollout"
    __table_args__ = (
        Index(
            "one_live_rollout_a_flag", "flag", unique=True, sqlite_where=text(LIVE_SQL), postgresql_where=text(LIVE_SQL)
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    flag: str = Field(index=True)
    digest: str
    shape: str  # equal for plans that are judged alike
    plan: str = _text()
    plan_text: str = _text()
    submitted_by: str
    check_every: float
    status: str = Field(index=True)
    submitted: datetime = _instant()
    since: datetime = _instant()
    revision: int
    phase: int
    entered: datetime | None = _instant()
    exposure: int
    enabled: bool
    settings: str = _text()
    adjusted: int
    extension: str
    hold_skipped: bool
    question: int
    approved: bool
    reason: str = _text()
    epoch: int
    settings_epoch: int
    promise: int
    seen_phases: int
    fell_from: int | None
    due_at: datetime | None = _instant()
    settled_at: datetime | None = _instant()  # everything due up to here was done or found blocked
    run_id: str | None


class FlagRow(SQLModel, table=True):
    """What one flag serves; the switch columns are written by kill and restore alone."""

    __tablename__: ClassVar[Any] = "flag"

    key: str = Field(primary_key=True)
    version: int = Field(index=True)
    switch: str
    switch_by: str | None
    switch_reason: str | None = _text()
    switch_at: datetime | None = _instant()
    value: str = _text()
    stable: str = _text()  # "null": nothing before the candidate
    rollout: str | None


class JournalRow(SQLModel, table=True):
    """One transition, never changed again."""

    __tablename__: ClassVar[Any] = "journal"

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    revision: int = Field(primary_key=True)
    at: datetime = _instant()
    verb: str
    cause: str
    by: str
    reason: str = _text()
    epoch: int
    before: str = _text()
    after: str = _text()
    evidence: str = _text()
    finding: str | None = _text()
    process: str


class FlagJournalRow(SQLModel, table=True):
    """One version of a flag, never changed again."""

    __tablename__: ClassVar[Any] = "flag_journal"

    flag: str = Field(primary_key=True, foreign_key="flag.key")
    version: int = Field(primary_key=True)
    at: datetime = _instant()
    verb: str
    by: str
    reason: str = _text()
    rollout: str | None
    revision: int | None
    switch: str
    value: str = _text()
    process: str


class CommandRow(SQLModel, table=True):
    """What a person asked for, what they saw, and what became of it."""

    __tablename__: ClassVar[Any] = "command"

    id: int | None = Field(default=None, primary_key=True)
    rollout_id: int = Field(foreign_key="rollout.id", index=True)
    verb: str
    by: str
    reason: str = _text()
    at: datetime = _instant()
    revision: int | None
    phase: int | None
    question: int | None
    args: str = _text()
    status: str = Field(index=True)
    outcome: str | None = _text()
    result_revision: int | None


class OutboxRow(SQLModel, table=True):
    """Something to tell people, committed with what it tells of."""

    __tablename__: ClassVar[Any] = "outbox"
    __table_args__ = (UniqueConstraint("rollout_id", "subject"),)

    id: int | None = Field(default=None, primary_key=True)
    rollout_id: int = Field(foreign_key="rollout.id")
    subject: str
    revision: int
    event: str
    title: str = _text()
    body: str = _text()
    at: datetime = _instant()
    delivered: bool = Field(index=True)


class EvidenceRow(SQLModel, table=True):
    """What is known of one rollout: its criteria's memory and latest findings, under one version."""

    __tablename__: ClassVar[Any] = "evidence"

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    version: int
    looked_at: datetime | None = _instant()
    verdicts: str
    memory: str | None = _text()
    findings: str = _text()


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
    counts: str = _text()


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


class ClockRow(SQLModel, table=True):
    """The one clock of this store, and how far its buckets are sealed."""

    __tablename__: ClassVar[Any] = "clock"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str
    anchor_virtual: datetime | None = _instant()
    anchor_real: datetime | None = _instant()
    rate: float
    reported_until: datetime | None = _instant()
    sealed_until: datetime = Field(sa_type=Micros)


class LeaseRow(SQLModel, table=True):
    """Who does a job for now; a lease that runs out is free."""

    __tablename__: ClassVar[Any] = "lease"

    name: str = Field(primary_key=True)
    owner: str
    until: datetime = _instant()


class HeartbeatRow(SQLModel, table=True):
    """When a part of Sluice last said that it works, in real time."""

    __tablename__: ClassVar[Any] = "heartbeat"

    name: str = Field(primary_key=True)
    process: str
    at: datetime = _instant()
    detail: str = _text()


def _table(model: type[SQLModel]) -> Table:
    return SQLModel.metadata.tables[str(model.__tablename__)]


rollouts = _table(RolloutRow)
flags = _table(FlagRow)
journal = _table(JournalRow)
flag_journal = _table(FlagJournalRow)
commands = _table(CommandRow)
outbox = _table(OutboxRow)
evidences = _table(EvidenceRow)
buckets = _table(BucketRow)
slots = _table(SlotRow)
units = _table(UnitRow)
bad_units = _table(BadUnitRow)
batches = _table(BatchRow)
seen_events = _table(SeenEventRow)
clocks = _table(ClockRow)
leases = _table(LeaseRow)
heartbeats = _table(HeartbeatRow)
