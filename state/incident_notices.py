"""Telling of an incident: each channel once, on which a live rollout that it is about would be heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select

from plans.listeners import Event, listening
from rollout.incidents import Incident
from rollout.model import LIVE
from rollout.notices import of_incident
from state.journaling import post
from state.tables import rollouts

_LIVE = (
    select(rollouts.c.id, rollouts.c.name, rollouts.c.revision, rollouts.c.plan)
    .where(rollouts.c.status.in_([str(status) for status in LIVE]))
    .order_by(rollouts.c.id)
)


def tell_of(tx: Connection, one: Incident, event: Event, at: datetime) -> None:
    """Put the beginning or the end of an incident in the outbox; nobody hears of one that touches no live rollout.

    A notice belongs to a rollout: for a channel that is the oldest that would be heard there. So a channel hears of an
    incident once, however many rollouts it touches; the log and Prefect have a line for each of these oldest.
    """
    touched = tx.execute(_LIVE.where(rollouts.c.flag.in_(one.flags)) if one.flags else _LIVE).all()
    if not touched:
        return
    names = [row.name for row in touched]
    for row, channels in _bearers(touched, event).items():
        notice = of_incident(one, event, names, channels)
        post(tx, row.id, f"incident{one.number}.{event}", row.revision, at, (notice,))


def _bearers(touched: Sequence[Row[Any]], event: Event) -> Mapping[Row[Any], tuple[str, ...]]:
    """Which rollouts' notices it takes, and the channels of each."""
    first: dict[str, Row[Any]] = {}
    for row in touched:
        for channel in listening(orjson.loads(row.plan).get("notify", ()), event):
            first.setdefault(channel, row)
    bearers = dict.fromkeys([touched[0], *first.values()])
    return {row: tuple(name for name, bearer in first.items() if bearer is row) for row in bearers}
