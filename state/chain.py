"""Writing lines behind the chain of the journals: the one place that adds to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, select

from state.sealing import SEAL, Head, Secrets, seal
from state.tables import journal_head
from state.transactions import Transactions

_HEAD = select(journal_head.c.lines, journal_head.c.mac)
_LAST = _HEAD.with_for_update()


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is to be written: the journal it belongs to, and its columns without its place in the chain."""

    journal: Table
    columns: Mapping[str, Any]


def queue(tx: Connection) -> None:
    """Wait for the head before its time: what is read from here on, no line that is written meanwhile can outdate.

    For transactions that lock nothing after this.
    """
    tx.execute(_LAST)


def append(tx: Connection, secrets: Secrets, lines: Sequence[Line]) -> None:
    """Write lines in order, each sealed over the one before it.

    The head is locked from here to the commit, and always as the last lock of a transaction: commits queue, and none
    can wait for another in a circle.
    """
    count, mac = tx.execute(_LAST).one()
    for line in lines:
        count += 1
        columns = {**line.columns, "link": count, "key_id": secrets.current}
        mac = seal(secrets.by_id[secrets.current], mac, line.journal.name, columns)
        tx.execute(line.journal.insert(), {**columns, SEAL: mac})
    tx.execute(journal_head.update(), {"lines": count, "mac": mac})


class Chained(Transactions):
    """Reading the end of the chain, and all of it."""

    def head(self) -> Head:
        """The head as it is now."""
        with self.reading() as tx:
            return head(tx)

    @contextmanager
    def frozen(self) -> Iterator[Connection]:
        """A connection that sees one moment of the store throughout, and text as it is even where that is none."""
        with self.reading() as tx:
            if tx.dialect.name == "postgresql":
                tx.execution_options(isolation_level="REPEATABLE READ")
                yield tx
                return
            raw: Any = tx.connection.dbapi_connection
            raw.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
            try:
                yield tx
            finally:
                raw.text_factory = str


def head(tx: Connection) -> Head:
    """The head in the caller's transaction; the empty one where its row is gone."""
    found = tx.execute(_HEAD).one_or_none()
    return Head() if found is None else Head(*found)
