"""The tables of the journals, which only grow, and the end of the chain that they form."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlmodel import Field, SQLModel

from state.columns import instant_column, text_column


class JournalRow(SQLModel, table=True):
    """One transition, never changed again."""

    __tablename__: ClassVar[Any] = "journal"

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    revision: int = Field(primary_key=True)
    at: datetime = instant_column()
    verb: str
    cause: str
    by: str
    reason: str = text_column()
    epoch: int
    before: str = text_column()
    after: str = text_column()
    evidence: str = text_column()
    finding: str | None = text_column()
    process: str
    link: int = Field(unique=True)  # its number in the chain of all journals
    key_id: str
    mac: str


class FlagJournalRow(SQLModel, table=True):
    """One version of a flag, never changed again."""

    __tablename__: ClassVar[Any] = "flag_journal"

    flag: str = Field(primary_key=True, foreign_key="flag.key")
    version: int = Field(primary_key=True)
    at: datetime = instant_column()
    verb: str
    by: str
    reason: str = text_column()
    rollout: str | None
    revision: int | None
    switch: str
    value: str = text_column()
    process: str
    link: int = Field(unique=True)
    key_id: str
    mac: str


class IncidentJournalRow(SQLModel, table=True):
    """The beginning or the end of an incident, never changed again; what is in force follows from both."""

    __tablename__: ClassVar[Any] = "incident_journal"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    verb: str = Field(primary_key=True)
    at: datetime = instant_column()
    by: str
    reason: str = text_column()
    flags: str = text_column()  # joined by spaces; none: all flags
    until: datetime | None = instant_column()  # of a beginning: when it ends by itself
    process: str
    link: int = Field(unique=True)
    key_id: str
    mac: str


class JournalHeadRow(SQLModel, table=True):
    """The end of the chain that all journals form; whoever adds a line holds this row until it commits."""

    __tablename__: ClassVar[Any] = "journal_head"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    lines: int
    mac: str
