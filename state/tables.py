"""The tables of what is true, as SQLModel declares them; the migrations build exactly these.

JSON is kept as text, so that numbers come back as they went in; what is counted is in `state.count_tables`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from state.columns import Micros, instant_column, table, text_column
from state.journal_tables import FlagJournalRow, IncidentJournalRow, JournalHeadRow, JournalRow

LIVE_SQL = "status IN ('scheduled', 'running', 'awaiting_approval', 'held')"
UNREVOKED = "revoked IS NULL"


class Switch(StrEnum):
    """A flag's own kill switch."""

    ON = "on"
    OFF = "off"


class CommandStatus(StrEnum):
    """What became of a person's command."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


class DeliveryStatus(StrEnum):
    """What became of a notice on its way to a channel."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class ClockKind(StrEnum):
    """Where the time of this store comes from."""

    REAL = "real"
    ACCELERATED = "accelerated"


class RolloutRow(SQLModel, table=True):
    """One rollout: its plan as submitted and its state as of its revision."""

    __tablename__: ClassVar[Any] = "rollout"
    __table_args__ = (
        Index("live_rollouts", "id", sqlite_where=text(LIVE_SQL), postgresql_where=text(LIVE_SQL)),
        Index(
            "one_live_rollout_a_flag", "flag", unique=True, sqlite_where=text(LIVE_SQL), postgresql_where=text(LIVE_SQL)
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    flag: str = Field(index=True)
    shape: str  # equal for plans that are judged alike
    plan: str = text_column()
    plan_text: str = text_column()
    submitted_by: str
    check_every: float
    status: str
    submitted: datetime = instant_column()
    since: datetime = instant_column()
    revision: int
    phase: int
    entered: datetime | None = instant_column()
    exposure: int
    enabled: bool
    settings: str = text_column()
    adjusted: int
    extension: str
    hold_skipped: bool
    question: int
    approved: bool
    approved_by: str = text_column()
    decided: bool
    reason: str = text_column()
    epoch: int
    settings_epoch: int
    promise: int
    seen_phases: int
    fell_from: int | None
    observation: str | None = text_column()
    noted: str  # places of trees, joined by commas
    forced: str = text_column()
    requester: str = text_column()
    digest: str
    proposal: str | None = text_column()
    due_at: datetime | None = instant_column()
    settled_at: datetime | None = instant_column()  # everything due up to here was done or found blocked
    run_id: str | None


class FlagRow(SQLModel, table=True):
    """What one flag serves; the switch columns are written by kill and restore alone."""

    __tablename__: ClassVar[Any] = "flag"

    key: str = Field(primary_key=True)
    version: int = Field(index=True)
    switch: str
    switch_by: str | None
    switch_reason: str | None = text_column()
    switch_at: datetime | None = instant_column()
    value: str = text_column()
    stable: str = text_column()  # "null": nothing before the candidate
    rollout: str | None


class CommandRow(SQLModel, table=True):
    """What a person asked for, what they saw, and what became of it."""

    __tablename__: ClassVar[Any] = "command"

    id: int | None = Field(default=None, primary_key=True)
    rollout_id: int = Field(foreign_key="rollout.id", index=True)
    verb: str
    by: str
    person: str | None  # whom they are known to be
    reason: str = text_column()
    at: datetime = instant_column()
    revision: int | None
    phase: int | None
    question: int | None
    args: str = text_column()
    status: str = Field(index=True)
    outcome: str | None = text_column()
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
    title: str = text_column()
    body: str = text_column()
    at: datetime = instant_column()
    delivered: bool = Field(index=True)


class DeliveryRow(SQLModel, table=True):
    """One notice on its way to one channel; `message` is the notice that leads what it is sent with.

    Instants are real. `due_at` is None until a supervisor has seen it, then when it is to be sent, or the end of the
    attempt that is being made, and at last when it was over.
    """

    __tablename__: ClassVar[Any] = "delivery"
    __table_args__ = (Index("deliveries_by_channel", "channel", "status", "due_at"),)

    outbox_id: int = Field(primary_key=True, foreign_key="outbox.id")
    channel: str = Field(primary_key=True)
    status: str
    attempts: int
    message: int | None
    first_at: datetime | None = instant_column()
    due_at: datetime | None = instant_column()
    problem: str = text_column()


class EvidenceRow(SQLModel, table=True):
    """What is known of one rollout: its criteria's memory and latest findings, under one version."""

    __tablename__: ClassVar[Any] = "evidence"

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    version: int
    looked_at: datetime | None = instant_column()
    verdicts: str
    memory: str | None = text_column()
    findings: str = text_column()


class ClockRow(SQLModel, table=True):
    """The one clock of this store, and how far its buckets are sealed."""

    __tablename__: ClassVar[Any] = "clock"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str
    anchor_virtual: datetime | None = instant_column()
    anchor_real: datetime | None = instant_column()
    rate: float
    reported_until: datetime | None = instant_column()
    sealed_until: datetime = Field(sa_type=Micros)


class LeaseRow(SQLModel, table=True):
    """Who does a job for now; a lease that runs out is free."""

    __tablename__: ClassVar[Any] = "lease"

    name: str = Field(primary_key=True)
    owner: str
    until: datetime = instant_column()


class HeartbeatRow(SQLModel, table=True):
    """When a part of Sluice last said that it works, in real time."""

    __tablename__: ClassVar[Any] = "heartbeat"

    name: str = Field(primary_key=True)
    process: str
    at: datetime = instant_column()
    detail: str = text_column()


class ApiKeyRow(SQLModel, table=True):
    """What opens this Sluice from elsewhere: of a secret only its public prefix and its digest are kept."""

    __tablename__: ClassVar[Any] = "api_key"
    __table_args__ = (
        Index(
            "one_live_key_a_name", "name", unique=True, sqlite_where=text(UNREVOKED), postgresql_where=text(UNREVOKED)
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    name: str
    person: str | None  # None: a service
    scopes: str  # joined by spaces
    prefix: str = Field(unique=True)
    digest: str  # SHA-256 of the whole secret, in hex
    created: datetime = instant_column()
    created_by: str
    revoked: datetime | None = instant_column()
    revoked_by: str | None
    last_used: datetime | None = instant_column()  # the hour
    code_secret: str | None  # what a device makes its codes from; it must be readable to check them
    code_step: int | None  # the last step of time whose code was taken
    code_wrong: int  # wrong codes in a row
    code_wrong_at: datetime | None = instant_column()


rollouts = table(RolloutRow)
live = text(f"rollout.{LIVE_SQL}")
"""Of the table `rollout`, in the words of its partial indices: SQLite uses them for exactly these."""
flags = table(FlagRow)
journal = table(JournalRow)
flag_journal = table(FlagJournalRow)
incident_journal = table(IncidentJournalRow)
journal_head = table(JournalHeadRow)
commands = table(CommandRow)
outbox = table(OutboxRow)
deliveries = table(DeliveryRow)
evidences = table(EvidenceRow)
clocks = table(ClockRow)
leases = table(LeaseRow)
heartbeats = table(HeartbeatRow)
api_keys = table(ApiKeyRow)
