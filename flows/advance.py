"""One pass over one rollout: load, collect, judge, decide, commit. A plain function: Prefect only says when.

The rollout's own run and the guard share it; whichever comes second finds nothing left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat

from flows.ask import by_source
from flows.collect import Collect, Counted, Wanted
from gates.judge import Gate, Memory, compile, judge  # noqa: A004 - the gate's own word for it
from plans.schema import Plan
from rollout.decide import decide, due, refusal
from rollout.model import Bucket, Command, Evidence, RolloutState, Status, Transition, Verdict
from rollout.notices import Notice, look_notices
from state.clock import Clock
from state.store import Live, Look, Rollout, Settled, StaleStateError, Store

WATCHED = frozenset({Status.RUNNING, Status.AWAITING_APPROVAL, Status.HELD})
MOST_STEPS = 20
MOST_TRIES = 50
MOST_SHAPES = 4_096

Permit = Callable[[Transition], bool]
Made = tuple[Transition, ...]


class ContendedError(Exception):
    """Other processes moved the rollout at every try; the next pass will find it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the evidence says at one look; without a memory nothing was judged.

    `told` is what other sources than the application's events told for it.
    """

    memory: Memory | None
    evidence: Evidence
    told: Sequence[Bucket] = ()


@dataclass(frozen=True, slots=True)
class Shaped:
    """What plans that are judged alike share: their gate, and whether they count in other sources than events."""

    gate: Gate
    elsewhere: bool


_SHAPES: dict[str, Shaped] = {}


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
    """One pass: at most one transition, else the evidence is kept; raises StaleStateError where another was faster.

    A look that another pass overtook is dropped without a second try, unless a step is due of which the clock must be
    told: sweeps that follow one another closely would otherwise overtake each try.
    """
    now = clock.now()
    rollout = store.rollout(name)
    judged = look(rollout, collect, now)
    refused, open_ = sort_out(rollout.plan, rollout.state, judged.evidence, store.pending(name), now)
    transition = decide(rollout.plan, rollout.state, judged.evidence, open_, now)
    if transition is not None and permit(transition):
        memory = judged.memory.to_json() if judged.memory else rollout.memory
        store.commit(transition, judged.evidence, memory, rollout.evidence_version, told=judged.told)
        return transition
    for command, why in refused.items():
        store.refuse(command, why)
    if rollout.state.status.live:
        done = None if transition else settled(rollout.plan, rollout.state, now)
        overtaken = store.look((look_of(rollout, judged, news(rollout, rollout.plan, judged), done),))
        if overtaken and done and done.due_at and done.due_at <= now:
            raise StaleStateError(name, rollout.state.revision)
    return None


def look(rollout: Rollout, collect: Collect, now: datetime) -> Judged:
    """Judge what was counted since the last look; a rollout that is not under way keeps what it has."""
    if rollout.state.status not in WATCHED:
        return Judged(None, rollout.evidence)
    memory, alike = remember(rollout.memory), shaped(rollout.shape, lambda: rollout.plan)
    after = memory.after if memory else None
    wanted = Wanted(rollout.id, rollout.name, rollout.state.flag, after, alike.elsewhere, lambda: rollout.plan)
    (counted,) = collect((wanted,), now)
    return weigh(alike.gate, memory, counted, rollout, now)


def weigh(gate: Gate, memory: Memory | None, counted: Counted, row: Rollout | Live, now: datetime) -> Judged:
    """The verdicts at `now`, with the memory that carries them on."""
    buckets, seen, problems = counted.buckets, counted.seen, counted.problems
    left, evidence = judge(gate, memory, buckets, row.state, now, seen, problems, incidents=row.incidents)
    return Judged(left, evidence, counted.told)


def sort_out(
    plan: Plan, state: RolloutState, evidence: Evidence, commands: Sequence[Command], now: datetime
) -> tuple[Mapping[int, str], tuple[Command, ...]]:
    """The commands that cannot be carried out, with why; and those that can."""
    answers = [(command, refusal(plan, state, evidence, command, now)) for command in commands]
    refused = {command.id: why for command, why in answers if why is not None}
    return refused, tuple(command for command, why in answers if why is None)


def remember(text: str | None) -> Memory | None:
    """The gate's memory as the store keeps it; None before the first look."""
    return Memory.from_json(text) if text else None


def settled(plan: Plan, state: RolloutState, now: datetime) -> Settled:
    """What a whole pass that decided on nothing says to the clock: go on until the schedule acts next."""
    step = due(plan, state, now)
    return Settled(at=now, revision=state.revision, due_at=step.at if step else None)


def shaped(shape: str, plan: Callable[[], Plan]) -> Shaped:
    """What a plan shares with all plans of its shape; the plan is asked for once."""
    if shape not in _SHAPES:
        if len(_SHAPES) == MOST_SHAPES:
            _SHAPES.clear()
        _SHAPES[shape] = Shaped(compile(found := plan()), bool(by_source(found)))
    return _SHAPES[shape]


def look_of(row: Rollout | Live, judged: Judged, notices: Sequence[Notice], done: Settled | None) -> Look:
    """What a pass without a transition writes back."""
    return Look(
        id=row.id,
        name=row.name,
        evidence_version=row.evidence_version,
        evidence=judged.evidence,
        memory=judged.memory.to_json() if judged.memory else row.memory,
        told=judged.told,
        notices=notices,
        settled=done,
    )


def news(row: Rollout | Live, plan: Plan, judged: Judged) -> tuple[Notice, ...]:
    """What to tell people of a look that moved nothing."""
    return look_notices(plan, row.state, row.evidence, judged.evidence) if telling(row, judged) else ()


def telling(row: Rollout | Live, judged: Judged) -> bool:
    """Whether there may be something to tell: another verdict than at the last look, or data that stays away."""
    seen = ",".join(finding.verdict for finding in judged.evidence.findings)
    known = row.verdicts if isinstance(row, Live) else ",".join(finding.verdict for finding in row.evidence.findings)
    return seen != known or Verdict.NO_DATA in seen
