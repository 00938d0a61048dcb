"""Which channel still has to hear of which notice: one row each, claimed by compare-and-swap. All instants are real.

A message is what goes out at once: one notice, or several that waited together. It keeps its number over all attempts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from state.chain import head
from state.rows import Notification, notification
from state.tables import DeliveryStatus, deliveries, outbox, rollouts
from state.transactions import Transactions

MOST = 100


@dataclass(frozen=True, slots=True)
class Message:
    """Notices that one channel is about to be sent; `attempt` counts from 1, `first` is when the first was made.

    `number` is that of the first notice: with the channel it names the message for ever.
    """

    channel: str
    number: int
    attempt: int
    first: datetime
    notices: tuple[Notification, ...]


@dataclass(frozen=True, slots=True)
class Backlog:
    """How one channel fares: notices that wait, and those that were given up."""

    channel: str
    waiting: int
    given_up: int


class Deliveries(Transactions):
    """Claiming, and saying what became of it."""

    def schedule(self, channel: str, now: datetime, gather: timedelta, apart: timedelta) -> None:
        """Let what is new for a channel wait `gather`, and until `apart` after its last message, for company."""
        new = (deliveries.c.channel == channel, _waiting, deliveries.c.due_at.is_(None))
        sent = (deliveries.c.channel == channel, deliveries.c.status == DeliveryStatus.DELIVERED)
        with self.reading() as tx:
            if tx.execute(select(deliveries.c.outbox_id).where(*new).limit(1)).first() is None:
                return
            last = tx.execute(select(func.max(deliveries.c.due_at)).where(*sent)).scalar()
        due = max(now + gather, last + apart) if last else now + gather
        with self.writing() as tx:
            tx.execute(deliveries.update().where(*new).values(due_at=due))

    def claim(self, channel: str, now: datetime, until: datetime) -> Message | None:
        """Take what is due for a channel, for one attempt that ends before `until`; None where nothing is due.

        An attempt that nobody ended is due again at `until`. A message that was tried comes before a new one.
        """
        with self.reading() as tx:
            if _first_due(tx, channel, now) is None:
                return None
        with self.writing() as tx:
            due = _first_due(tx, channel, now)
            if due is None:
                return None
            taken = _retry(tx, due, until) if due.message is not None else _gather(tx, channel, now, until)
            return _message(tx, channel, taken) if taken is not None else None

    def end_attempt(self, message: Message, status: DeliveryStatus, at: datetime, problem: str = "") -> bool:
        """Write down what became of an attempt, and when it was over or is to be made again.

        False, having written nothing, where another attempt came after it.
        """
        mine = (
            deliveries.c.channel == message.channel,
            deliveries.c.message == message.number,
            deliveries.c.attempts == message.attempt,
            _waiting,
        )
        with self.writing() as tx:
            done = tx.execute(deliveries.update().where(*mine).values(status=status, due_at=at, problem=problem))
        return bool(done.rowcount)

    def backlog(self) -> tuple[Backlog, ...]:
        """Every channel that anything waits for or was given up for, by name."""
        query = (
            select(deliveries.c.channel, deliveries.c.status, func.count())
            .where(deliveries.c.status != DeliveryStatus.DELIVERED)
            .group_by(deliveries.c.channel, deliveries.c.status)
        )
        with self.reading() as tx:
            found = {(channel, status): count for channel, status, count in tx.execute(query)}
        names = sorted({channel for channel, _ in found})
        return tuple(
            Backlog(name, found.get((name, DeliveryStatus.WAITING), 0), found.get((name, DeliveryStatus.GIVEN_UP), 0))
            for name in names
        )

    def problems(self, rollout: str) -> tuple[tuple[str, str, str], ...]:
        """(event, channel, what went wrong) of every notice of a rollout that was given up, oldest first."""
        query = (
            select(outbox.c.event, deliveries.c.channel, deliveries.c.problem)
            .join(outbox, outbox.c.id == deliveries.c.outbox_id)
            .join(rollouts, rollouts.c.id == outbox.c.rollout_id)
            .where(rollouts.c.name == rollout, deliveries.c.status == DeliveryStatus.GIVEN_UP)
            .order_by(outbox.c.id)
        )
        with self.reading() as tx:
            return tuple((row.event, row.channel, row.problem) for row in tx.execute(query))


@dataclass(frozen=True, slots=True)
class _Due:
    channel: str
    message: int | None
    attempts: int


_waiting = deliveries.c.status == DeliveryStatus.WAITING


def _first_due(tx: Connection, channel: str, now: datetime) -> _Due | None:
    query = (
        select(deliveries.c.message, deliveries.c.attempts)
        .where(deliveries.c.channel == channel, _waiting, deliveries.c.due_at <= now)
        .order_by(deliveries.c.outbox_id)
        .limit(1)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else _Due(channel, row.message, row.attempts)


def _retry(tx: Connection, due: _Due, until: datetime) -> tuple[int, int] | None:
    """Take up a message that was tried before, all of it; None where another process just did."""
    mine = (
        deliveries.c.channel == due.channel,
        deliveries.c.message == due.message,
        deliveries.c.attempts == due.attempts,
        _waiting,
    )
    taken = tx.execute(deliveries.update().where(*mine).values(attempts=due.attempts + 1, due_at=until))
    return (due.message or 0, due.attempts + 1) if taken.rowcount else None


def _gather(tx: Connection, channel: str, now: datetime, until: datetime) -> tuple[int, int] | None:
    """Make one message of everything new; rows that another process is just taking are left to it."""
    new = (deliveries.c.channel == channel, _waiting, deliveries.c.attempts == 0)
    query = select(deliveries.c.outbox_id).where(*new).order_by(deliveries.c.outbox_id).limit(MOST)
    taken = tx.execute(query.with_for_update(skip_locked=True)).scalars().all()
    if not taken:
        return None
    tx.execute(
        deliveries.update()
        .where(*new, deliveries.c.outbox_id.in_(taken))
        .values(message=taken[0], attempts=1, first_at=now, due_at=until)
    )
    return taken[0], 1


def _message(tx: Connection, channel: str, taken: tuple[int, int]) -> Message:
    number, attempt = taken
    query = (
        select(outbox, rollouts.c.name, rollouts.c.flag, rollouts.c.run_id, deliveries.c.first_at)
        .join(deliveries, deliveries.c.outbox_id == outbox.c.id)
        .join(rollouts, rollouts.c.id == outbox.c.rollout_id)
        .where(deliveries.c.channel == channel, deliveries.c.message == number)
        .order_by(outbox.c.id)
    )
    found = tx.execute(query).all()
    end = head(tx)
    return Message(channel, number, attempt, found[0].first_at, tuple(notification(row, end) for row in found))
