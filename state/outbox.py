"""What is still to be told to people, committed with what it tells of."""

from __future__ import annotations

from sqlalchemy import select

from state.rows import Notification
from state.tables import outbox, rollouts
from state.transactions import Transactions


class Outbox(Transactions):
    """Notices on their way; who delivers one twice is told by its id."""

    def outbox_pending(self, limit: int = 100) -> tuple[Notification, ...]:
        """Notices that are not delivered, oldest first."""
        query = (
            select(outbox, rollouts.c.name)
            .join(rollouts, rollouts.c.id == outbox.c.rollout_id)
            .where(outbox.c.delivered.is_(False))
            .order_by(outbox.c.id)
        )
        with self.reading() as tx:
            found = tx.execute(query.limit(limit)).all()
        return tuple(
            Notification(
                id=row.id,
                rollout=row.name,
                revision=row.revision,
                event=row.event,
                title=row.title,
                body=row.body,
                at=row.at,
            )
            for row in found
        )

    def delivered(self, notification: int) -> None:
        """Note that a notice has arrived."""
        with self.writing() as tx:
            tx.execute(outbox.update().where(outbox.c.id == notification).values(delivered=True))
