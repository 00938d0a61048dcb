"""Verifying the journals: every line of all in the order of their chain, held against its seal.

Lines are read as the database holds them, instants as text, so that nothing a reader would forgive is overlooked. They
come one at a time, and what is known of a journal is one seal: a long one takes no more memory than a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, String, Table, cast, func, literal, select, type_coerce

from state.chain import head
from state.columns import Instant
from state.sealing import SEAL, Head, Secrets, seal
from state.tables import flag_journal, incident_journal, journal, rollouts

AT_ONCE = 500
NOWHERE = float("inf")


class Wrong(StrEnum):
    """The ways in which a journal is not what was written."""

    ALTERED = "altered"
    INSERTED = "inserted"
    MISSING = "missing"
    UNKNOWN_KEY = "unknown_key"
    REWRITTEN = "rewritten"
    CUT = "cut"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Broken:
    """One thing that is wrong: at which number of the chain, on which line, in words.

    `name` is a rollout's, or a flag's where `journal` is its own, and `revision` the flag's version there; of an
    incident it is the number, and `revision` is `start` or `end`. Of what is missing they name the line before; all
    three are None where there is none, and of the store's own head.
    """

    wrong: Wrong
    link: int
    text: str
    journal: str | None = None
    name: str | None = None
    revision: int | str | None = None

    def __str__(self) -> str:
        place = "" if self.name is None else f"{_place(self.journal, self.name, self.revision)}: "
        return f"line {self.link}: {place}{self.text}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it stands: its number in the chain, and the columns under their names."""

    journal: str
    name: str
    revision: Any
    columns: dict[str, Any]

    @property
    def link(self) -> float:
        """The number in the chain; one that is no number sorts behind everything."""
        number = self.columns["link"]
        return number if isinstance(number, int) else NOWHERE

    @property
    def mac(self) -> str:
        """The seal it carries."""
        return str(self.columns[SEAL])

    def sealed(self, secrets: Secrets, previous: str) -> str | None:
        """The seal it should carry behind `previous`; None without its key."""
        secret = secrets.by_id.get(str(self.columns["key_id"]))
        return None if secret is None else seal(secret, previous, self.journal, self.columns)

    def broken(self, wrong: Wrong, link: int, text: str) -> Broken:
        """Something wrong with this line."""
        return Broken(wrong, link, text, self.journal, self.name, self.revision)

    def __str__(self) -> str:
        return _place(self.journal, self.name, self.revision)


def lines(tx: Connection) -> Iterator[Line]:
    """Every line of all journals in the order of the chain, a few at a time."""
    return merge(*(_lines(tx, one) for one in (journal, flag_journal, incident_journal)), key=lambda line: line.link)


def verified(
    found: Iterable[Line], secrets: Secrets, end: Head, published: Head | None
) -> Iterator[tuple[Broken, ...]]:
    """What is wrong at each number of the chain in turn, and last what is wrong with its end.

    `end` is the head that the store holds, `published` one that was told to the world.
    """
    walk = _Walk(secrets, published)
    for link, alike in groupby(found, key=lambda line: line.link):
        yield tuple(walk.over(link, list(alike)))
    yield tuple(walk.ends(end))


def audit(tx: Connection, secrets: Secrets, published: Head | None) -> Iterator[tuple[Broken, ...]]:
    """`verified` over a store, whose transaction must see one moment throughout (see `state.chain.Chained.frozen`)."""
    return verified(lines(tx), secrets, head(tx), published)


class _Walk:
    """How far the chain is verified; `macs` are the seals that the next line may stand on, none where a gap is open.

    Where a line is broken, the next may stand on the seal it carries or on the one it should carry, so that one edit
    is one finding.
    """

    def __init__(self, secrets: Secrets, published: Head | None) -> None:
        self.secrets, self.published = secrets, published
        self.last, self.macs = 0, [""]
        self.line: Line | None = None

    def over(self, link: float, alike: list[Line]) -> Iterator[Broken]:
        """All lines that claim one number: of several, at most one was written by us."""
        if link == NOWHERE or link < 1:
            yield from (line.broken(Wrong.INSERTED, 0, "has no number in the chain") for line in alike)
            return
        number = int(link)
        yield from self._gap(number)
        genuine = next(filter(self._good, alike), alike[0]) if len(alike) > 1 else alike[0]
        alike.remove(genuine)
        for line in alike:
            yield line.broken(Wrong.INSERTED, number, f"stands beside {genuine} at one number of the chain")
        yield from self._line(number, genuine)

    def ends(self, end: Head) -> Iterator[Broken]:
        """What the head in the store and the published one say of the last line."""
        for known, whose in ((end, "the store's own head"), (self.published, "the published head")):
            if known is not None and known.count > self.last:
                gone = f"{_count(known.count - self.last)} cut off at the end"
                yield self._behind(Wrong.CUT, known.count, f"{gone}, {{}}: {whose} is {known}")
        last = self.macs[0] if self.macs else ""
        if end.count < self.last or (end.count == self.last and end.mac != last):
            yield Broken(Wrong.HEAD, self.last, f"the store's own head is {end}, the last line {Head(self.last, last)}")

    def _gap(self, number: int) -> Iterator[Broken]:
        gone = number - self.last - 1
        if gone > 0:
            yield self._behind(Wrong.MISSING, self.last + 1, f"{_count(gone)} missing {{}}")
            self.macs = []

    def _behind(self, wrong: Wrong, link: int, text: str) -> Broken:
        """What is wrong behind the last line that is there; `{}` in the text says so."""
        if self.line is None:
            return Broken(wrong, link, text.format("at the beginning"))
        return self.line.broken(wrong, link, text.format("after this one"))

    def _good(self, line: Line) -> bool:
        """Whether a line carries the seal that it should."""
        return line.mac in self._due(line)

    def _due(self, line: Line) -> list[str]:
        """The seals that a line may carry here; none where its key or the line before it is not known."""
        return [mac for previous in self.macs if (mac := line.sealed(self.secrets, previous)) is not None]

    def _line(self, number: int, line: Line) -> Iterator[Broken]:
        due = self._due(line)
        good = line.mac in due
        if str(line.columns["key_id"]) not in self.secrets.by_id:
            yield line.broken(Wrong.UNKNOWN_KEY, number, f"sealed with key {line.columns['key_id']}, which is not here")
        elif self.macs and not good:
            yield line.broken(Wrong.ALTERED, number, "not as it was written")
        if self.published and self.published.count == number and not line.mac.startswith(self.published.mac):
            yield line.broken(Wrong.REWRITTEN, number, f"not the line of the published head {self.published}")
        self.macs = [line.mac] if good else [line.mac, *due[:1]]
        self.last, self.line = number, line


def _count(lines: int) -> str:
    return f"{lines:,} line{'' if lines == 1 else 's'}"


def _place(journal: str | None, name: str, revision: object) -> str:
    if journal == incident_journal.name:
        return f"incident {name} {revision}"
    return f"flag {name} version {revision}" if journal == flag_journal.name else f"{name} revision {revision}"


def _lines(tx: Connection, table: Table) -> Iterator[Line]:
    names = [column.name for column in table.columns]
    for name, revision, *values in tx.execute(_query(tx, table), execution_options={"yield_per": AT_ONCE}):
        yield Line(table.name, _shown(name), revision, dict(zip(names, values, strict=True)))


def _shown(name: object) -> str:
    """A name that can be printed, whatever was made of it."""
    return str(name).encode(errors="backslashreplace").decode()


def _query(tx: Connection, table: Table) -> Select[Any]:
    columns = [_raw(tx, column) for column in table.columns]
    if table is flag_journal:
        return select(table.c.flag, table.c.version, *columns).order_by(table.c.link)
    if table is incident_journal:
        return select(table.c.number, table.c.verb, *columns).order_by(table.c.link)
    name = func.coalesce(rollouts.c.name, literal("a rollout that is gone"))
    outer = table.outerjoin(rollouts, rollouts.c.id == table.c.rollout_id)
    return select(name, table.c.revision, *columns).select_from(outer).order_by(table.c.link)


def _raw(tx: Connection, column: Any) -> Any:
    """A column as it is stored; an instant as the text that its seal covers."""
    if not isinstance(column.type, Instant):
        return column
    if tx.dialect.name == "postgresql":
        written = func.to_char(func.timezone("UTC", column), "YYYY-MM-DD HH24:MI:SS.US")
        return func.coalesce(written, cast(column, String))  # what is infinite has no such form, yet it is not nothing
    return type_coerce(column, String)
