"""What the store knows of time: the one clock of an installation, and where it must stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ScalarSelect, func, or_, select

from rollout.model import Status
from state.tables import ClockKind, clocks, live, rollouts
from state.transactions import Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """The stored clock: virtual time was `virtual` at the real instant `real` and runs `rate` times as fast.

    `barrier` is the first instant at which something waits for a pass or for a person; `reported_until` is how far the
    application has reported its outcomes, None where it never said so.
    """

    kind: ClockKind
    virtual: datetime | None
    real: datetime | None
    rate: float
    reported_until: datetime | None
    barrier: datetime | None


class Ticking(Transactions):
    """The clock's row, and the instants it may not pass."""

    def ticks(self) -> Ticks:
        """The clock's row with its barrier, read together."""
        with self.reading() as tx:
            row = tx.execute(_TICKS).one()
        return Ticks(
            kind=ClockKind(row.kind),
            virtual=row.anchor_virtual,
            real=row.anchor_real,
            rate=row.rate,
            reported_until=row.reported_until,
            barrier=min((at for at in (row.due, row.asked) if at is not None), default=None),
        )

    def accelerate(self, start: datetime, rate: float, real: datetime) -> None:
        """Make this store's clock an accelerated one that stands at `start` now."""
        with self.writing() as tx:
            tx.execute(
                clocks.update().values(
                    kind=str(ClockKind.ACCELERATED),
                    anchor_virtual=start,
                    anchor_real=real,
                    rate=rate,
                    reported_until=None,
                )
            )

    def anchor(self, virtual: datetime, real: datetime, seen: datetime) -> None:
        """Move the anchor to where the clock stands, unless another process moved it from `seen` already."""
        where = (clocks.c.anchor_real == seen, clocks.c.anchor_virtual <= virtual)
        with self.writing() as tx:
            tx.execute(clocks.update().where(*where).values(anchor_virtual=virtual, anchor_real=real))

    def reported(self, until: datetime) -> None:
        """Note that the application has reported all outcomes before `until`; an earlier instant changes nothing."""
        later = or_(clocks.c.reported_until.is_(None), clocks.c.reported_until < until)
        with self.writing() as tx:
            tx.execute(clocks.update().where(later).values(reported_until=until))


def _unsettled() -> ScalarSelect[datetime | None]:
    waiting = or_(rollouts.c.settled_at.is_(None), rollouts.c.settled_at < rollouts.c.due_at)
    return select(func.min(rollouts.c.due_at)).where(live, waiting).scalar_subquery()


def _asking() -> ScalarSelect[datetime | None]:
    return (
        select(func.min(rollouts.c.since)).where(live, rollouts.c.status == Status.AWAITING_APPROVAL).scalar_subquery()
    )


_TICKS = select(clocks, _unsettled().label("due"), _asking().label("asked"))
