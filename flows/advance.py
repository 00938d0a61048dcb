"""One pass over one rollout: load, collect, judge, decide, commit. A plain function: Prefect only says when.

The rollout's own run and the guard share it; whichever comes second finds nothing left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import repeat

from flows.collect import Collect, Counted, Wanted
from gates.judge import Gate, Memory, compile, freeze, judge  # noqa: A004 - the gate's own word for it
from plans.schema import Plan
from rollout.decide import decide, due, refusal
from rollout.describe import look_notices
from rollout.model import FULL, Command, Evidence, RolloutState, Status, Transition, Verdict
from state.clock import Clock
from state.store import Live, Look, Rollout, Settled, StaleStateError, Store
from state.submitting import shape

WATCHED = frozenset({Status.RUNNING, Status.AWAITING_APPROVAL, Status.HELD})
MOST_STEPS = 20
MOST_TRIES = 50

Permit = Callable[[Transition], bool]
Made = tuple[Transition, ...]


class ContendedError(Exception):
    """Other processes moved the rollout at every try; the next pass will find it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the evidence says at one look; without a memory nothing was judged."""

    memory: Memory | None
    evidence: Evidence


def anything(_transition: Transition) -> bool:
    """Permit every transition: a rollout's own run may take all of its steps."""
    return True


def advance(
    store: Store, clock: Clock, name: str, collect: Collect, permit: Permit = anything
) -> tuple[Transition, ...]:
    """Take every step that is due and permitted, each on evidence of its own, until nothing is left to do now.

    Raises UnknownError for a rollout that was never submitted, ContendedError when others always came first.
    """
    made: list[Transition] = []
    for _ in repeat(None, MOST_TRIES):
        try:
            transition = take(store, clock, name, collect, permit)
        except StaleStateError:
            continue
        if transition is None:
            return tuple(made)
        made.append(transition)
        if len(made) == MOST_STEPS:
            return tuple(made)
    raise ContendedError(f"{name}: {MOST_TRIES} tries, each overtaken by another process")


def take(store: Store, clock: Clock, name: str, collect: Collect, permit: Permit) -> Transition | None:
    """One pass: at most one transition, else the evidence is kept; raises StaleStateError where another was faster."""
    now = clock.now()
    rollout = store.rollout(name)
    judged = look(rollout, collect, now)
    refused, open_ = sort_out(rollout.plan, rollout.state, judged.evidence, store.pending(name), now)
    transition = decide(rollout.plan, rollout.state, judged.evidence, open_, now)
    if transition is not None and permit(transition):
        kept = remembered(rollout.plan, transition, judged, rollout.memory)
        store.commit(transition, judged.evidence, kept, rollout.evidence_version)
        return transition
    for command, why in refused.items():
        store.refuse(command, why)
    if rollout.state.status.live:
        done = None if transition else settled(rollout.plan, rollout.state, now)
        if store.look((look_of(rollout, rollout.plan, judged, done),)):
            raise StaleStateError(name, rollout.state.revision)
    return None


def look(rollout: Rollout, collect: Collect, now: datetime) -> Judged:
    """Judge what was counted since the last look; a rollout that is not under way keeps what it has."""
    if rollout.state.status not in WATCHED:
        return Judged(None, rollout.evidence)
    memory = remember(rollout.memory)
    wanted = Wanted(rollout.id, rollout.name, rollout.state.flag, rollout.plan, memory.after if memory else None)
    (counted,) = collect((wanted,), now)
    return weigh(gate_of(shape(rollout.plan), rollout.plan), memory, counted, rollout.state, now)


def weigh(gate: Gate, memory: Memory | None, counted: Counted, state: RolloutState, now: datetime) -> Judged:
    """The verdicts at `now`, with the memory that carries them on."""
    return Judged(*judge(gate, memory, counted.buckets, state, now, counted.seen, counted.problems))


def sort_out(
    plan: Plan, state: RolloutState, evidence: Evidence, commands: Sequence[Command], now: datetime
) -> tuple[Mapping[int, str], tuple[Command, ...]]:
    """The commands that cannot be carried out, with why; and those that can."""
    answers = [(command, refusal(plan, state, evidence, command, now)) for command in commands]
    refused = {command.id: why for command, why in answers if why is not None}
    return refused, tuple(command for command, why in answers if why is None)


def remembered(plan: Plan, transition: Transition, judged: Judged, before: str | None) -> str | None:
    """The memory to keep with a transition: entering 100 % freezes what control's rate was."""
    if judged.memory is None:
        return before
    entering_full = transition.after.exposure == FULL != transition.before.exposure
    return (freeze(judged.memory, gate_of(shape(plan), plan)) if entering_full else judged.memory).to_json()


def remember(text: str | None) -> Memory | None:
    """The gate's memory as the store keeps it; None before the first look."""
    return Memory.from_json(text) if text else None


def settled(plan: Plan, state: RolloutState, now: datetime) -> Settled:
    """What a whole pass that decided on nothing says to the clock: go on until the schedule acts next."""
    step = due(plan, state, now)
    return Settled(at=now, revision=state.revision, due_at=step.at if step else None)


class _Compiled:
    """A plan as a cache key: plans of one shape are judged alike."""

    __slots__ = ("plan", "shape")

    def __init__(self, shape: str, plan: Plan) -> None:
        self.shape, self.plan = shape, plan

    def __hash__(self) -> int:
        return hash(self.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Compiled) and other.shape == self.shape


def gate_of(shape: str, plan: Plan) -> Gate:
    """The compiled gate of a plan, made once for all plans of its shape."""
    return _gate(_Compiled(shape, plan))


@lru_cache(maxsize=4096)
def _gate(key: _Compiled) -> Gate:
    return compile(key.plan)


def look_of(row: Rollout | Live, plan: Plan, judged: Judged, done: Settled | None) -> Look:
    """What a pass without a transition writes back."""
    return Look(
        id=row.id,
        name=row.name,
        evidence_version=row.evidence_version,
        evidence=judged.evidence,
        memory=judged.memory.to_json() if judged.memory else row.memory,
        notices=look_notices(plan, row.state, row.evidence, judged.evidence) if telling(row, judged) else (),
        settled=done,
    )


def telling(row: Rollout | Live, judged: Judged) -> bool:
    """Whether there may be something to tell: another verdict than at the last look, or data that stays away."""
    seen = ",".join(finding.verdict for finding in judged.evidence.findings)
    known = row.verdicts if isinstance(row, Live) else ",".join(finding.verdict for finding in row.evidence.findings)
    return seen != known or Verdict.NO_DATA in seen
