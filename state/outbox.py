"""What is still to be told to people, committed with what it tells of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from rollout.notices import Notice
from state.chain import head
from state.journaling import post
from state.rows import Notification, notification
from state.tables import outbox, rollouts
from state.transactions import Transactions


class Outbox(Transactions):
    """Notices on their way; who delivers one twice is told by its id.

    Each carries the head of the journals as it is now: a cut tail shows against what people were sent.
    """

    def outbox_pending(self, limit: int = 100) -> tuple[Notification, ...]:
        """Notices that are not delivered, oldest first."""
        query = (
            select(outbox, rollouts.c.name, rollouts.c.flag, rollouts.c.run_id)
            .join(rollouts, rollouts.c.id == outbox.c.rollout_id)
            .where(outbox.c.delivered.is_(False))
            .order_by(outbox.c.id)
        )
        with self.reading() as tx:
            found, end = tx.execute(query.limit(limit)).all(), head(tx)
        return tuple(notification(row, end) for row in found)

    def delivered(self, notification: int) -> None:
        """Note that a notice has arrived."""
        with self.writing() as tx:
            tx.execute(outbox.update().where(outbox.c.id == notification).values(delivered=True))

    def post_once(self, rollout: int, subject: str, revision: int, at: datetime, notice: Notice) -> bool:
        """Put a notice into the outbox that no transition caused; False where its subject was told before."""
        told = (outbox.c.rollout_id == rollout, outbox.c.subject == f"{subject}.0")
        with self.reading() as tx:
            if tx.execute(select(outbox.c.id).where(*told)).first() is not None:
                return False
        try:
            with self.writing() as tx:
                post(tx, rollout, subject, revision, at, (notice,))
        except IntegrityError:  # another supervisor was faster
            return False
        return True
