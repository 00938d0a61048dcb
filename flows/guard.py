"""The guard: one sweep over all live rollouts that are due for a look, in plain function calls.

Evidence of the quiet ones goes back in one transaction a page, each transition in its own. What the evidence demands is
done at once; a step of the schedule is left to the rollout's own run until that is late.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows import runs
from flows.advance import WATCHED, Judged, advance, look_of, news, remember, settled, shaped, telling, weigh
from flows.appearance import short, unattended
from flows.collect import Counted, Wanted
from flows.house import House, open_house
from gates.judge import Memory
from plans.schema import Plan
from rollout.decide import decide
from rollout.model import Cause, RolloutState, Status, Transition, Verdict
from state.store import Live, Look, Settled
from state.tables import ClockKind

PROCESS = "guard"
MOMENT = 3.0
NAP = 0.05
TOGETHER = timedelta(seconds=30)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep came to: rollouts looked at, transitions made, rollouts that could not be judged."""

    looked: int = 0
    moved: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to tell of it."""
        return not self.moved and not self.broken

    def __str__(self) -> str:
        """One line for the list of runs."""
        moved = f"; moved {', '.join(self.moved)}" if self.moved else ""
        broken = f"; could not judge {', '.join(self.broken)}" if self.broken else ""
        return f"Looked at {self.looked}{moved}{broken}"


@flow(name="guard", flow_run_name="sweep", persist_result=False)
def guard() -> State:
    """Sweep everything that is due for a look; on an accelerated clock, on and on for a moment.

    A Prefect run takes a good part of a second, in which hours pass on that clock. The run's state is named by what it
    came to; of those that came to nothing the list of runs keeps the last.
    """
    house = open_house(PROCESS)
    leave, swept = time.monotonic() + MOMENT, sweep(house)
    while house.clock.kind is ClockKind.ACCELERATED and time.monotonic() < leave and _moves(house):
        swept = _add(swept, sweep(house))
    if swept.quiet:
        _replace_quiet(house, UUID(str(runtime.flow_run.id)))
    return Completed(name=short(str(swept)))


def sweep(house: House) -> Swept:
    """Look at every live rollout whose interval has passed, or will have before long; a broken one fails alone."""
    now = house.clock.now()
    for over in house.store.close_incidents(now):
        logger.info("guard: incident %d is over: %s", over.number, over.reason)
    swept = Swept()
    for page in house.store.due_for_look(now + _ahead(house)):
        with _uncollected():
            swept = _add(swept, _page(house, page, now))
    return swept


def worth(house: House) -> bool:
    """Whether a sweep would find something to do: a look that is due, a command left behind, a run that is late."""
    now = house.clock.now()
    if house.store.with_pending():
        return True
    return any(_is_due(house, row, now) for page in house.store.due_for_look(now) for row in page)


def _replace_quiet(house: House, run: UUID) -> None:
    """Let a run stand for the quiet one before it: hundreds a day would hide the rollouts' own."""
    before, house.notes.quiet = house.notes.quiet, run
    if before is None:
        return
    try:
        with runs.prefect() as client:
            runs.drop(client, before)
    except runs.UNREACHABLE as error:
        logger.info("guard: an old run stays in the list (%s)", type(error).__name__)


def _moves(house: House) -> bool:
    """Whether time passed during a nap: an accelerated clock may stand for as long as something waits."""
    before = house.clock.now()
    time.sleep(NAP)
    return before < house.clock.now()


def _is_due(house: House, row: Live, now: datetime) -> bool:
    if unattended(row, now) and _left(house, row.state):
        return True
    interval = timedelta(seconds=row.check_every)
    return row.state.status in WATCHED and (row.looked_at is None or row.looked_at + interval <= now)


def _left(house: House, state: RolloutState) -> bool:
    """Whether a step of the schedule is left to the guard: the run is late, or sleeps until a person answers it."""
    return state.status is Status.AWAITING_APPROVAL or house.late(state.name, state.revision)


def _ahead(house: House) -> timedelta:
    """How early a look may come, so that rollouts of one interval are looked at together."""
    return timedelta(0) if house.clock.kind is ClockKind.ACCELERATED else TOGETHER


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave garbage to reference counts for a page, which makes no cycles: looking for some takes a quarter of it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _page(house: House, page: Sequence[Live], now: datetime) -> Swept:
    pass_ = _Pass(house, now, house.store.with_pending())
    ready = [row for row in page if pass_.prepare(row)]
    counted = house.collect([pass_.wanted[row.id] for row in ready], now)
    for row, counts in zip(ready, counted, strict=True):
        pass_.over(row, counts)
    house.store.look(pass_.quiet)
    return Swept(len(page), tuple(pass_.moved), tuple(pass_.broken))


class _Pass:
    """One page of a sweep: what is quiet, what moved, what broke."""

    def __init__(self, house: House, now: datetime, asked: frozenset[str]) -> None:
        self.house, self.now, self.asked = house, now, asked
        self.memories: dict[int, Memory | None] = {}
        self.wanted: dict[int, Wanted] = {}
        self.quiet: list[Look] = []
        self.moved: list[str] = []
        self.broken: list[str] = []

    def prepare(self, row: Live) -> bool:
        """Read what the gate remembers, from where its sources are asked on; False where it cannot be read."""
        with self._alone(row):
            memory, plan = remember(row.memory), partial(self.house.store.plan_of, row)
            after, elsewhere = memory.after if memory else None, shaped(row.shape, plan).elsewhere
            self.wanted[row.id] = Wanted(row.id, row.name, row.state.flag, after, elsewhere, plan)
            self.memories[row.id] = memory
        return row.id in self.memories

    def over(self, row: Live, counts: Counted) -> None:
        """Judge one rollout; move it where that is the guard's to do."""
        with self._alone(row):
            look = self._look(row, counts)
            if look is not None:
                self.quiet.append(look)
                return
            made = advance(self.house.store, self.house.clock, row.name, self.house.collect, self._mine)
            self.moved += [f"{row.name} ({transition.verb})" for transition in made]

    def _look(self, row: Live, counts: Counted) -> Look | None:
        """The evidence to keep, None where there is something to do."""
        memory, plan = self.memories[row.id], partial(self.house.store.plan_of, row)
        if row.state.status in WATCHED:
            judged = weigh(shaped(row.shape, plan).gate, memory, counts, row, self.now)
        else:
            judged = Judged(memory, row.evidence)
        if self._quiet(row, judged):
            return look_of(row, judged, (), Settled(at=self.now, revision=row.state.revision, due_at=row.due_at))
        return self._decided(row, plan(), judged)

    def _quiet(self, row: Live, judged: Judged) -> bool:
        """Whether nothing can follow from the look, so that the plan need not be read: what most rollouts are."""
        acting = any(finding.verdict is Verdict.BREACH for finding in judged.evidence.findings)
        due = row.due_at is not None and row.due_at <= self.now
        return not (acting or due or row.name in self.asked or telling(row, judged))

    def _decided(self, row: Live, plan: Plan, judged: Judged) -> Look | None:
        transition = decide(plan, row.state, judged.evidence, (), self.now)
        if row.name in self.asked or (transition is not None and self._mine(transition)):
            return None
        done = settled(plan, row.state, self.now) if transition is None else None
        return look_of(row, judged, news(row, plan, judged), done)

    def _mine(self, transition: Transition) -> bool:
        """Whether the guard may make this transition: a step of the schedule is its own run's while that may come."""
        return transition.cause is not Cause.SCHEDULE or _left(self.house, transition.before)

    @contextmanager
    def _alone(self, row: Live) -> Iterator[None]:
        try:
            yield
        except Exception:  # one rollout that cannot be judged must not leave the others unwatched
            logger.exception("guard: %s could not be judged", row.name)
            self.broken.append(row.name)


def _add(one: Swept, other: Swept) -> Swept:
    return Swept(one.looked + other.looked, one.moved + other.moved, one.broken + other.broken)
