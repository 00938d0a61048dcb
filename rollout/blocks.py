"""What keeps a rollout where it is, each with what clears it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from plans.schema import Plan
from plans.timeline import local, next_open, next_thaw
from rollout.deciding import decision_blocks
from rollout.model import Evidence, RolloutState, Status
from rollout.obstacles import LOOKS_MISSED, Block, Code, criteria_blocks, incident_words, stale
from rollout.tuning import observation_blocks

__all__ = ["Block", "Code", "blocks"]


def blocks(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> tuple[Block, ...]:
    """Everything but the hold itself that stands before the rollout's next step."""
    return (
        *_people(plan, state),
        *_incident(plan, state, now),
        *observation_blocks(plan, state),
        *(criteria_blocks(plan, state, evidence) if state.watched else ()),
        *decision_blocks(plan, state, evidence),
        *_staleness(plan, state, evidence, now),
        *_calendar(plan, state, now),
    )


def _people(plan: Plan, state: RolloutState) -> Iterator[Block]:
    if state.status is Status.HELD:
        yield Block(Code.HELD, f"held: {state.reason or 'no reason given'}", "person")
    if state.status is Status.AWAITING_APPROVAL:
        why = f": {state.reason}" if state.reason else ""
        yield Block(Code.APPROVAL, f"approval to leave {plan.phases[state.phase].name}{why}", "person")
    if state.killed:
        yield Block(Code.KILLED, f"flag {state.flag} is killed", "person")


def _incident(plan: Plan, state: RolloutState, now: datetime) -> Iterator[Block]:
    if state.status.live and (words := incident_words(plan, state, now)):
        yield Block(Code.INCIDENT, words, "by itself")


def _staleness(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> Iterator[Block]:
    settled = state.entered is not None and state.entered < now - LOOKS_MISSED * plan.stop.check_every.timedelta
    if state.watched and settled and stale(plan, evidence, now):
        seen = "never" if evidence.at is None else local(plan, evidence.at)
        yield Block(Code.STALE_EVIDENCE, f"criteria last judged: {seen}", "by itself")


def _calendar(plan: Plan, state: RolloutState, now: datetime) -> Iterator[Block]:
    if not state.status.live or next_open(plan, now) == now:
        return
    until = local(plan, next_open(plan, now))
    if next_thaw(plan, now) > now:
        yield Block(Code.FREEZE, f"frozen: exposure may grow from {until}", "by itself")
    else:
        yield Block(Code.WINDOW, f"outside the window: exposure may grow from {until}", "by itself")
