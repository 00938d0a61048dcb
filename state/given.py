"""Many rows as one parameter: a JSON array of arrays, which either database unfolds by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, CursorResult, TextClause, text

Statement = Mapping[str, TextClause]
ROWS = {
    "sqlite": "json_each(:rows) AS r",
    "postgresql": "jsonb_array_elements(CAST(:rows AS jsonb)) AS r(value)",
}


def given(statement: str) -> Statement:
    """A statement that reads `{rows}`, for each database; the second whole number of a row is `whole(1)`."""
    return {dialect: text(statement.replace("{rows}", rows)) for dialect, rows in ROWS.items()}


def whole(place: int) -> str:
    """The whole number at a place of a row, counted from 0."""
    return f"CAST(r.value ->> {place} AS BIGINT)"


def execute(tx: Connection, statement: Statement, rows: Sequence[Sequence[int]]) -> CursorResult[Any]:
    """Run it on these rows: quicker than one statement a row by the driver, and than one parameter a number."""
    return tx.execute(statement[tx.dialect.name], {"rows": orjson.dumps(rows).decode()})
