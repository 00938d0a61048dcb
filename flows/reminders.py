"""Telling again of an approval that nobody answers: once each, by the outbox's own keys."""

from __future__ import annotations

from flows.house import House
from plans.channels import Reminders
from rollout.model import Status
from rollout.notices import reminder
from state.store import Live


def remind(house: House, reminders: Reminders) -> tuple[str, ...]:
    """Post every reminder that is due and give the rollouts' names; of those that were missed, only the latest."""
    waiting = [row for row in house.store.live() if row.state.status is Status.AWAITING_APPROVAL]
    return tuple(row.name for row in waiting if _remind(house, row, reminders))


def _remind(house: House, row: Live, reminders: Reminders) -> bool:
    now, state = house.clock.now(), row.state
    waited = now - state.since - reminders.after.timedelta
    number = waited // reminders.every.timedelta + 1
    if number < 1:
        return False
    subject = f"q{state.promise}.{state.question}.{number}"
    return house.store.post_once(row.id, subject, state.revision, now, reminder(house.store.plan_of(row), state, now))
