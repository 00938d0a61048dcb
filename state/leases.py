"""Who does a job for now, and which parts of Sluice say that they work. All instants here are real time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from state.tables import heartbeats, leases
from state.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Beat:
    """When a part last said that it works."""

    name: str
    process: str
    at: datetime
    detail: str


class Leases(Transactions):
    """Leases and heartbeats."""

    def take_lease(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or prolong a lease; False while another owner's has not run out."""
        mine = or_(leases.c.owner == owner, leases.c.until <= now)
        with self.writing() as tx:
            taken = tx.execute(leases.update().where(leases.c.name == name, mine).values(owner=owner, until=until))
            if taken.rowcount:
                return True
        return self._first(name, owner, until)

    def lease(self, name: str, now: datetime) -> str | None:
        """Who holds a lease now, None where nobody does."""
        query = select(leases.c.owner).where(leases.c.name == name, leases.c.until > now)
        with self.reading() as tx:
            return tx.execute(query).scalar_one_or_none()

    def release(self, name: str, owner: str) -> None:
        """Give a lease back; another owner's is left alone."""
        with self.writing() as tx:
            tx.execute(leases.delete().where(leases.c.name == name, leases.c.owner == owner))

    def beat(self, name: str, at: datetime, detail: str = "") -> None:
        """Say that a part works."""
        values = {"process": self.process, "at": at, "detail": detail}
        with self.writing() as tx:
            if not tx.execute(heartbeats.update().where(heartbeats.c.name == name).values(**values)).rowcount:
                tx.execute(heartbeats.insert().values(name=name, **values))

    def beats(self) -> dict[str, Beat]:
        """The last word of every part, by name."""
        with self.reading() as tx:
            found = tx.execute(select(heartbeats)).all()
        return {row.name: Beat(row.name, row.process, row.at, row.detail) for row in found}

    def _first(self, name: str, owner: str, until: datetime) -> bool:
        try:
            with self.writing() as tx:
                tx.execute(leases.insert().values(name=name, owner=owner, until=until))
        except IntegrityError:  # somebody holds it
            return False
        return True
