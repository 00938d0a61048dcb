"""What the Prefect run of a rollout should look like, as a value: a state with a name that people can read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed, Scheduled

from flows.approvals import suspended
from plans.schema import Plan
from rollout.decide import due
from rollout.describe import state_name, title
from rollout.model import Cause, Evidence, RolloutState, Status, Verb
from state.clock import Clock
from state.store import JournalEntry
from state.tables import ClockKind

LONGEST = 160
IDLE = timedelta(minutes=5)
SOONEST = timedelta(seconds=5)
BEHIND = timedelta(seconds=30)
"""On an accelerated clock, which stops and jumps, a run is called when due; this late it comes by itself."""


class Known(Protocol):
    """What is known of a rollout; both the store's full and its light row fit."""

    @property
    def state(self) -> RolloutState:
        """The state."""
        ...

    @property
    def evidence(self) -> Evidence:
        """The evidence of the last look."""
        ...

    @property
    def due_at(self) -> datetime | None:
        """When the schedule acts next."""
        ...

    @property
    def settled_at(self) -> datetime | None:
        """When a pass last found nothing to do."""
        ...


def tags(plan: Plan) -> tuple[str, ...]:
    """What a run can be filtered by: its flag, and its owner where the plan names one."""
    return (f"flag:{plan.flag}", *((f"owner:{plan.owner}",) if plan.owner else ()))


def wanted(plan: Plan, known: Known, clock: Clock) -> State:
    """The state of a live rollout's run: asleep until its next wake-up, or waiting for a person."""
    now = clock.now()
    name = short(state_name(plan, known.state, known.evidence, now))
    if known.state.status is Status.AWAITING_APPROVAL:
        return suspended(known.state, name)
    return Scheduled(scheduled_time=wake(plan, known, clock, now), name=name)


def wake(plan: Plan, known: Known, clock: Clock, now: datetime) -> datetime:
    """When, in real time, the run should look again.

    A due step that no pass has attended to yet is for now, one that something stands against is for the next check.
    """
    real = clock.real()
    step = due(plan, known.state, now)
    interval = plan.stop.check_every.timedelta
    if step is None:
        return real + max(IDLE, interval)
    if step.at > now:
        lag = timedelta(0) if clock.kind is ClockKind.REAL else BEHIND
        return real + timedelta(seconds=clock.due_in_real(step.at)) + lag
    if unattended(known, now):
        return real
    return real + max(SOONEST, timedelta(seconds=clock.due_in_real(now + interval)))


def unattended(known: Known, now: datetime) -> bool:
    """Whether a step is due that no pass has looked at since it became due."""
    if known.due_at is None or known.due_at > now:
        return False
    return known.settled_at is None or known.settled_at < known.due_at


def ended(state: RolloutState, journal: Sequence[JournalEntry]) -> State:
    """The state of an ended rollout's run: what happened, and by whom where a person did it."""
    if state.status is Status.COMPLETED:
        return Completed(name=title("ga"))
    last = next(
        (entry for entry in reversed(journal) if not entry.after.status.live and entry.before.status.live), None
    )
    if last is not None and last.verb is Verb.ABORT and last.cause is Cause.SCHEDULE:
        return Cancelled(name=short(f"Aborted: {last.reason}"), message=last.reason)
    if last is not None and last.verb is Verb.ABORT:
        return Cancelled(name=short(f"Aborted by {last.by}"), message=last.reason)
    return Failed(name=short(f"{title(state.status)}: {state.reason}"))


def short(text: str) -> str:
    """Text on one line, cut where a badge would grow out of its page."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
