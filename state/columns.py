"""The kinds of column: instants that keep their zone, and text of any length.

Instants are UTC: readable ones in the tables that people look at, microseconds since 1970 in those that are written
thousands of times a second.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Table, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlmodel import Field, SQLModel

from state.errors import NaiveInstantError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


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


def text_column(**options: Any) -> Any:
    """Text of any length."""
    return Field(sa_type=Text, **options)


def instant_column(**options: Any) -> Any:
    """An instant in readable form."""
    return Field(sa_type=Instant, **options)


def table(model: type[SQLModel]) -> Table:
    """The table of a model, for statements."""
    return SQLModel.metadata.tables[str(model.__tablename__)]
