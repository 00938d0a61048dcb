"""One rollout rehearsed: the passes that a guard would make, in virtual time, through a real store.

Between two events nothing happens but looks. Those are judged in memory, many at a time, and kept together: evidence
does not depend on how buckets are batched, and a breach, once there, stays. The look that finds something to do is
found exactly, and is made by the guard's own pass from the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flows.advance import advance
from flows.collect import from_events
from gates.judge import Memory, compile, judge  # noqa: A004 - the gate's own word for it
from plans.approval import demanding
from plans.schema import OnNoData, Plan
from plans.timeline import bucket_seconds, next_open, start_due, timeline
from rollout.counting import event_names
from rollout.decide import decide, due
from rollout.model import Bucket, Cause, Evidence, RolloutState, Status, Transition, Verb
from rollout.notices import look_notices
from sluice.simulate.traffic import Crowd
from state.clock import Clock, HandClock
from state.events import Events
from state.recording import Recorded, record
from state.step import command
from state.store import JournalEntry, Look, Rollout, Store

TOGETHER = 48  # looks judged in one go
FLUSH = timedelta(days=7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PERSON = "rehearsal"
MOVING = frozenset({Status.SCHEDULED, Status.RUNNING})


@dataclass(frozen=True, slots=True)
class Ended:
    """How a rehearsal ended: the rollout as it then was, the instant, and everything that happened."""

    rollout: Rollout
    at: datetime
    journal: tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a look found, and the memory that carries it on."""

    memory: Memory
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Sight:
    """What quiet looks came to: the last of them, all that was counted, and the instant of the next pass."""

    judged: Weighed | None
    buckets: list[Bucket]
    next_pass: datetime


def rehearse(store: Store, plan: Plan, text: str, stream: Crowd, submitted: datetime) -> Ended:
    """Run a plan from submission to its end, or until half as long again as it would take without any trouble.

    Approvals are given at once, by a person named `rehearsal`; a hold is not lifted, and ends it.
    """
    store.submit(plan, text, PERSON, submitted)
    stage = _Stage(store, plan.name, stream, submitted)
    stage.pass_over()
    while stage.goes_on:
        stage.quiet()
        stage.pass_over()
    return Ended(stage.rollout, stage.hand.at, store.journal(plan.name))


def starts(plan: Plan, submitted: datetime) -> datetime:
    """When a rollout that is submitted at an instant begins its first phase."""
    return next_open(plan, start_due(plan, submitted))


class _Stage:
    """One rollout, the hands of its clock, and how far its buckets are filled."""

    def __init__(self, store: Store, name: str, stream: Crowd, submitted: datetime) -> None:
        self.store, self.name, self.stream = store, name, stream
        self.hand = HandClock(submitted)
        self.clock = Clock(store, self.hand.now)
        self.collect = from_events(Events(store, self.hand))
        self.rollout = store.rollout(name)
        self.plan = self.rollout.plan
        self.gate = compile(self.plan)
        self.width = timedelta(seconds=bucket_seconds(self.plan))
        self.interval = self.plan.stop.check_every.timedelta
        self.filled = submitted
        self.names = event_names(self.plan)
        self.unheard = set(self.names)
        self.waits = False
        steps = timeline(self.plan, submitted)
        self.horizon = steps[-1].at + max(timedelta(days=1), (steps[-1].at - steps[0].at) / 2)
        self.together, self.together_waiting = _batches(self.plan)

    @property
    def goes_on(self) -> bool:
        """Whether anything can still happen by itself."""
        return self.rollout.state.status in MOVING and self.hand.at < self.horizon

    def pass_over(self) -> None:
        """One pass of the guard, and the answer to what it asks."""
        self._follow(advance(self.store, self.clock, self.name, self.collect))
        if self.rollout.state.status is Status.AWAITING_APPROVAL:
            for person in _voters(self.plan):
                asked = self.store, self.name, Verb.APPROVE, person, "approved in rehearsal", self.hand.at
                command(*asked, person=person)
            self._follow(advance(self.store, self.clock, self.name, self.collect))

    def quiet(self) -> None:
        """Let time pass until something has to be done, keeping what was counted and judged on the way."""
        state = self.rollout.state
        step = due(self.plan, state, self.hand.at)
        if state.status is Status.SCHEDULED and step is not None:
            self.hand.at = self.filled = step.at
            return
        self.waits = step is None or step.at <= self.hand.at
        ends = [self.hand.at + FLUSH, self.horizon]
        if step is not None and not self.waits:
            ends.append(step.at)
        sight = self._looks(min(ends), self.together_waiting if self.waits else self.together)
        self._record(sight.buckets)
        if sight.judged is not None:
            self.store.look((self._kept(sight.judged),))
        self.hand.at = sight.next_pass

    def _looks(self, end: datetime, together: int) -> Sight:
        """Judge looks in memory up to `end`, or up to those before the first that finds something to do."""
        at, buckets, judged = self.hand.at, list[Bucket](), None
        memory = Memory.from_json(self.rollout.memory) if self.rollout.memory else None
        while at < end:
            stop = min(at + together * self.interval, end)
            new = self._fill(stop)
            found = self._judge(memory, new, stop)
            if self._moves(found, stop):
                stop = self._first(memory, new, at, stop)
                new = [bucket for bucket in new if bucket.end <= stop]
                self.filled = min(self.filled, max([bucket.end for bucket in new], default=self.filled))
                return Sight(judged, buckets + new, stop)
            at, memory, judged = stop, found.memory, found
            buckets += new
        return Sight(judged, buckets, end)

    def _first(self, memory: Memory | None, new: list[Bucket], at: datetime, stop: datetime) -> datetime:
        """The first look after `at` that finds something to do, `stop` at the latest."""
        while (at := at + self.interval) < stop:
            found = self._judge(memory, [bucket for bucket in new if bucket.end <= at], at)
            if self._moves(found, at):
                return at
        return stop

    def _judge(self, memory: Memory | None, new: list[Bucket], at: datetime) -> Weighed:
        return Weighed(*judge(self.gate, memory, new, self.rollout.state, at, self.names - self.unheard))

    def _kept(self, judged: Weighed) -> Look:
        """What the store keeps of looks that moved nothing."""
        row = self.rollout
        return Look(
            id=row.id,
            name=row.name,
            evidence_version=row.evidence_version,
            evidence=judged.evidence,
            memory=judged.memory.to_json(),
            notices=look_notices(self.plan, row.state, row.evidence, judged.evidence),
        )

    def _moves(self, judged: Weighed, at: datetime) -> bool:
        """Whether a look finds something to do that the calendar did not announce."""
        transition = decide(self.plan, self.rollout.state, judged.evidence, (), at)
        return transition is not None and (self.waits or transition.cause is not Cause.SCHEDULE)

    def _fill(self, until: datetime) -> list[Bucket]:
        """The buckets that close up to an instant, on the grid that the events source uses."""
        made = []
        while (end := self.filled - (self.filled - EPOCH) % self.width + self.width) <= until:
            made.append(self.stream.bucket(self.rollout.state, self.filled, end))
            self.filled = end
        if self.unheard:
            self.unheard -= self.stream.heard(made)
        return made

    def _follow(self, made: tuple[Transition, ...]) -> None:
        """What is served has changed: the open bucket ends here."""
        for transition in made:
            if transition.before.watched and transition.before.epoch != transition.after.epoch:
                self._cut(transition.before)
        self.rollout = self.store.rollout(self.name)

    def _cut(self, before: RolloutState) -> None:
        if self.filled < self.hand.at:
            self._record([self.stream.bucket(before, self.filled, self.hand.at)])
        self.filled = self.hand.at

    def _record(self, buckets: list[Bucket]) -> None:
        record(self.store, Recorded(self.rollout.id, self.rollout.state.flag, buckets, self.names - self.unheard))


def _voters(plan: Plan) -> tuple[str, ...]:
    """People whose yes is enough: the plan's approvers, or as many stand-ins as it takes."""
    if not demanding(plan):
        return (PERSON,)
    stand_ins = tuple(f"{PERSON} {number}" for number in range(1, plan.approvals + 1))
    return (plan.approvers or stand_ins)[: plan.approvals]


def _batches(plan: Plan) -> tuple[int, int]:
    """How many looks can be judged in one go with none of them hiding a reason to act: while on course, while waiting.

    A revert for want of data, or a proof, may come and go between two looks. Data that came back counts as present for
    as long as the plan has patience.
    """
    if any(criterion.on_no_data is OnNoData.REVERT for criterion in plan.stop.criteria):
        return 1, 1
    if any(phase.advance == "pass" for phase in plan.phases):
        return TOGETHER, 1
    spans = [plan.stop.no_data_after, *(c.no_data_after for c in plan.stop.criteria if c.no_data_after)]
    patience = min(span.total_seconds for span in spans)
    return TOGETHER, max(1, min(TOGETHER, patience // plan.stop.check_every.total_seconds))
