"""Every condition that a plan wants judged, in one shape: stopping criteria, branches of a tree, a test's decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gates.streaks import Streak
from plans.conditions import Condition
from plans.expressions import DAY
from plans.hours import Hours, expected
from plans.schema import Criterion, Phase, Plan, Then, Tune
from plans.timeline import bucket_seconds, planned_buckets, zone
from rollout.counting import TOTAL
from rollout.model import Role

ASSUMED_SIZE = 20_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One condition: what it is for, and how it is to be judged.

    `place` is the index of the criterion, the tree or the deciding phase; `patience` is in seconds, `planned` the units
    expected while it is judged. `streak` is there where looks are to be counted instead of evidence. `expects` are the
    hours in which silence counts, all where it is None.
    """

    when: Condition
    role: Role
    place: int
    then: Then
    patience: float
    planned: float
    min_samples: int = 0
    tolerate: float | None = None
    streak: Streak | None = None
    zone: str = ""
    expects: Hours | None = None

    @property
    def where(self) -> str:
        """The place in the plan, as its problems name it."""
        match self.role:
            case Role.STOP:
                return f"stop.criteria[{self.place}]"
            case Role.TUNE_WHEN | Role.TUNE_KEEP | Role.TUNE_NOTE:
                return f"tune[{self.place}].{KEYS[self.role]}"
            case _:
                return f"phases[{self.place}].decide.{KEYS[self.role]}"


KEYS = {
    Role.TUNE_WHEN: "when",
    Role.TUNE_KEEP: "keep_if",
    Role.TUNE_NOTE: "note_if",
    Role.SHIP: "ship",
    Role.REVERT: "revert",
    Role.ASK: "ask",
}


def asked(plan: Plan) -> tuple[Asked, ...]:
    """All conditions of a plan: its criteria in order, then its trees, then the decisions of its phases."""
    days = planned_buckets(plan) * bucket_seconds(plan) / DAY
    daily = plan.audience.size or ASSUMED_SIZE
    patience, hours = plan.stop.no_data_after.timedelta.total_seconds(), expected(plan)
    return (
        *(_criterion(plan, place, criterion, daily * days) for place, criterion in enumerate(plan.stop.criteria)),
        *(one for place, tune in enumerate(plan.tune) for one in _tune(place, tune, patience, daily * days, hours)),
        *(
            one
            for place, phase in enumerate(plan.phases)
            for one in _decide(place, phase, patience, daily * phase.hold.total_seconds / DAY, hours)
        ),
    )


def _criterion(plan: Plan, place: int, criterion: Criterion, planned: float) -> Asked:
    looks = criterion.test == "threshold"
    return Asked(
        when=criterion.when,
        role=Role.STOP,
        place=place,
        then=criterion.then,
        patience=(criterion.no_data_after or plan.stop.no_data_after).timedelta.total_seconds(),
        planned=planned,
        min_samples=criterion.min_samples,
        tolerate=criterion.tolerate,
        streak=Streak.parse(criterion.for_, plan.stop.check_every.total_seconds) if looks else None,
        zone=zone(plan).key if criterion.when.aggregate == TOTAL else "",
        expects=expected(plan, criterion),
    )


def _tune(place: int, tune: Tune, patience: float, planned: float, hours: Hours | None) -> Iterator[Asked]:
    limits = ((Role.TUNE_WHEN, tune.when), (Role.TUNE_KEEP, tune.keep_if), (Role.TUNE_NOTE, tune.note_if))
    for role, limit in limits:
        if limit is not None:
            yield Asked(limit.of(tune.metric), role, place, Then.NOTIFY, patience, planned, expects=hours)


def _decide(place: int, phase: Phase, patience: float, planned: float, hours: Hours | None) -> Iterator[Asked]:
    if phase.decide is None:
        return
    branches = ((Role.SHIP, phase.decide.ship), (Role.REVERT, phase.decide.revert), (Role.ASK, phase.decide.ask))
    for role, condition in branches:
        if condition is not None:
            yield Asked(condition, role, place, Then.NOTIFY, patience, planned, expects=hours)
