"""What an edited plan changes of the one that a rollout runs by, each change with what it does to caution.

Stricter is whatever makes the rollout slower, smaller or easier to stop. What cannot be shown to be stricter is looser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from plans.approval import Approval, Lapse
from plans.conditions import Condition
from plans.expressions import Duration
from plans.reach import reaching
from plans.schema import Criterion, OnNoData, Phase, Plan, Then


class Effect(StrEnum):
    """What a change does to caution; a fixed one cannot be made while the rollout lives."""

    STRICTER = "stricter"
    NEUTRAL = "neutral"
    LOOSER = "looser"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where in the plan, what it says now and what it is to say, and what follows."""

    place: str
    words: str
    effect: Effect


SEVERITY = {Then.NOTIFY: 0, Then.HOLD: 1, Then.REVERT: 2, Then.DISABLE: 3}
PATIENCE = {OnNoData.IGNORE: 0, OnNoData.HOLD: 1, OnNoData.REVERT: 2}
FIXED = {
    "name": "the name is the rollout's; another name is another rollout",
    "flag": "the flag is the rollout's; another flag is another rollout",
    "stable": "stable is what everyone goes back to",
    "candidate": "it is what is being tried; `sluice set` changes a setting, another model is another rollout",
    "tune": "the tree has begun to judge; end the rollout to change it",
}
VOTES = ("approvers", "approvals", "requester_may_approve")
NEUTRAL = ("summary", "owner", "notify", "use")
TOLD_OF_PLAN = frozenset(
    {*FIXED, *NEUTRAL, *VOTES, "sluice", "salt", "audience", "schedule", "phases", "metrics", "stop", "ends_below_100"}
)
TOLD_OF_SCHEDULE = frozenset({"start", "timezone", "advance", "freeze"})
TOLD_OF_PHASE = frozenset({"name", "expose", "hold", "approval", "advance", "adjust", "decide"})
TOLD_OF_STOP = frozenset({"check_every", "no_data_after", "confidence", "criteria"})
TOLD_OF_CRITERION = frozenset(
    {"when", "then", "on_no_data", "min_samples", "no_data_after", "tolerate", "test", "for_"}
)


def difference(old: Plan, new: Plan, entered: int) -> tuple[Change, ...]:
    """Every change from the old plan to the new one; `entered` is how many phases were ever entered.

    Empty for plans that say the same.
    """
    return (
        *_identity(old, new),
        *_votes(old, new),
        *_schedule(old, new, entered),
        *_phases(old, new, entered),
        *_stop(old, new),
        *_criteria(old, new),
        *_metrics(old, new),
    )


def _identity(old: Plan, new: Plan) -> Iterator[Change]:
    for name, why in FIXED.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change(name, f"{name} cannot be amended: {why}", Effect.FIXED)
    if old.bucketing_salt != new.bucketing_salt:
        yield Change("salt", "salt cannot be amended: other users would have the candidate", Effect.FIXED)
    if old.audience != new.audience:
        words = "audience cannot be amended: cohorts are drawn from it; `sluice allow` and `block` list single units"
        yield Change("audience", words, Effect.FIXED)
    if old.stop.confidence != new.stop.confidence:
        words = "confidence cannot be amended: it is the promise that this rollout was begun with"
        yield Change("stop.confidence", words, Effect.FIXED)
    for name in NEUTRAL:
        if getattr(old, name) != getattr(new, name):
            yield Change(name, f"{name} changes", Effect.NEUTRAL)
    yield from _others("", old, new, TOLD_OF_PLAN)


def _votes(old: Plan, new: Plan) -> Iterator[Change]:
    """Fewer people who may approve, or more of them needed, is stricter."""
    if old.approvers != new.approvers:
        before, after = ({person.casefold() for person in plan.approvers} for plan in (old, new))
        fewer = bool(after) and (not before or after <= before)
        effect = Effect.NEUTRAL if before == after else _if_stricter(fewer)
        yield _said("approvers", ", ".join(old.approvers) or None, ", ".join(new.approvers) or None, effect)
    if old.approvals != new.approvals:
        yield _said("approvals", old.approvals, new.approvals, _if_stricter(new.approvals > old.approvals))
    if old.requester_may_approve != new.requester_may_approve:
        words = "whoever asks may approve" if new.requester_may_approve else "whoever asks may not approve"
        yield Change("requester_may_approve", words, _if_stricter(not new.requester_may_approve))


def _schedule(old: Plan, new: Plan, entered: int) -> Iterator[Change]:
    before, after = old.schedule, new.schedule
    if before.timezone != after.timezone:
        yield _said("schedule.timezone", before.timezone, after.timezone, Effect.LOOSER)
    if before.start != after.start:
        later = before.start is None or (after.start is not None and after.start > before.start)
        effect = Effect.NEUTRAL if entered else Effect.STRICTER if later and after.start else Effect.LOOSER
        yield _said("schedule.start", before.start, after.start, effect)
    if before.advance != after.advance:
        yield _said("schedule.advance", before.advance, after.advance, _narrowed(before.advance, after.advance))
    if before.freeze != after.freeze:
        kept = all(any(n.from_ <= o.from_ and o.to <= n.to for n in after.freeze) for o in before.freeze)
        effect = Effect.STRICTER if kept else Effect.LOOSER
        yield Change("schedule.freeze", "more days are frozen" if kept else "fewer or other days are frozen", effect)
    yield from _others("schedule.", before, after, TOLD_OF_SCHEDULE)


def _others(place: str, old: BaseModel, new: BaseModel, told: frozenset[str]) -> Iterator[Change]:
    """Whatever else differs: what nobody has weighed is looser."""
    for name in type(old).model_fields:
        if name not in told and getattr(old, name) != getattr(new, name):
            yield Change(f"{place}{name}", f"{name} changes", Effect.LOOSER)


def _narrowed(before: Any, after: Any) -> Effect:
    """Whether exposure may grow at fewer times than before."""
    if before is None or after is None:
        return Effect.STRICTER if before is None else Effect.LOOSER
    ends = [(int(w.closes.hour * 60 + w.closes.minute) or 1440) for w in (before, after)]
    inside = set(after.days) <= set(before.days) and before.opens <= after.opens and ends[1] <= ends[0]
    return Effect.STRICTER if inside else Effect.LOOSER


def _phases(old: Plan, new: Plan, entered: int) -> Iterator[Change]:
    """Entered phases stay as they are; of the others each that both plans have, then those that only one has."""
    for index, phase in enumerate(old.phases[:entered]):
        if index >= len(new.phases) or new.phases[index] != phase or (old.exposure(index) != new.exposure(index)):
            words = f"{phase.name} has been entered and cannot be amended; `sluice extend` lengthens its hold"
            yield Change(f"phases[{index}]", words, Effect.FIXED)
    before = {phase.name: (phase, old.exposure(entered + at)) for at, phase in enumerate(old.phases[entered:])}
    after = {phase.name: (phase, new.exposure(entered + at)) for at, phase in enumerate(new.phases[entered:])}
    for name in [name for name in before if name in after]:
        yield from _phase(*before[name], *after[name])
    gone, come = [n for n in before if n not in after], [n for n in after if n not in before]
    moved = [n for n in before if n in after] != [n for n in after if n in before]
    if gone or come or moved:
        told = any(phase.adjust or phase.decide for name in (*gone, *come) for phase, _ in [(before | after)[name]])
        ramps = reaching(old, entered), reaching(new, entered)
        sooner, later = ramps[1].sooner_than(ramps[0]) or told, ramps[0].sooner_than(ramps[1])
        words = ", ".join([*(f"without {n}" for n in gone), *(f"with {n}" for n in come)]) or "in another order"
        yield Change(
            "phases", f"goes on {words}", Effect.LOOSER if sooner else Effect.STRICTER if later else Effect.NEUTRAL
        )
    if old.ends_below_100 != new.ends_below_100:
        yield _said("ends_below_100", old.ends_below_100, new.ends_below_100, Effect.NEUTRAL)


def _phase(old: Phase, old_exposure: int, new: Phase, exposure: int) -> Iterator[Change]:
    place = f"phases.{new.name}"
    if old_exposure != exposure:
        yield _said(f"{place}.expose", old.expose, new.expose, _if_stricter(exposure < old_exposure))
    if old.hold != new.hold:
        yield _said(f"{place}.hold", old.hold, new.hold, _if_stricter(_seconds(new.hold) > _seconds(old.hold)))
    if old.approval != new.approval:
        yield _said(f"{place}.approval", old.approval, new.approval, _if_stricter(_asks_more(old, new)))
    if old.advance != new.advance:
        yield _said(f"{place}.advance", old.advance, new.advance, _if_stricter(new.advance is not None))
    if old.adjust != new.adjust:
        yield Change(f"{place}.adjust", "other adjustments of the candidate", Effect.LOOSER)
    if old.decide != new.decide:
        yield Change(f"{place}.decide", "another test decides", Effect.LOOSER)
    yield from _others(f"{place}.", old, new, TOLD_OF_PHASE)


def _asks_more(old: Phase, new: Phase) -> bool:
    """Whether a phase asks where it did not, or for no longer and with no milder an end than before."""
    if old.approval is None or new.approval is None:
        return old.approval is None
    before, after = _standing(old.approval), _standing(new.approval)
    return all(one <= other for one, other in zip(after, before, strict=True))


def _standing(approval: Approval) -> tuple[float, int]:
    """How long a question stands, and how mild its end is."""
    if approval.expires is None:
        return float("inf"), 1
    return _seconds(approval.expires), int(approval.then is Lapse.HOLD)


def _stop(old: Plan, new: Plan) -> Iterator[Change]:
    for name in ("check_every", "no_data_after"):
        before, after = getattr(old.stop, name), getattr(new.stop, name)
        if before != after:
            yield _said(f"stop.{name}", before, after, _if_stricter(_seconds(after) < _seconds(before)))
    yield from _others("stop.", old.stop, new.stop, TOLD_OF_STOP)


def _criteria(old: Plan, new: Plan) -> Iterator[Change]:
    """Criteria that say the same, then those with another limit on the same thing, then those that only one has."""
    after = {criterion.text: criterion for criterion in new.stop.criteria}
    rest = [criterion for criterion in old.stop.criteria if criterion.text not in after]
    for criterion in old.stop.criteria:
        if criterion.text in after and after[criterion.text] != criterion:
            yield from _criterion(criterion, after[criterion.text])
    known = {criterion.text for criterion in old.stop.criteria}
    for criterion in [criterion for criterion in new.stop.criteria if criterion.text not in known]:
        former = next((one for one in rest if _subject(one) == _subject(criterion)), None)
        if former is None:
            yield Change("stop.criteria", f"with {criterion.text}", Effect.STRICTER)
            continue
        rest.remove(former)
        yield from _criterion(former, criterion)
    yield from (Change("stop.criteria", f"without {criterion.text}", Effect.LOOSER) for criterion in rest)


def _criterion(old: Criterion, new: Criterion) -> Iterator[Change]:
    place = f"stop.criteria ({new.text})"
    if old.when != new.when:
        yield _said(place, old.text, new.text, _limit(old.when, new.when))
    ranks: tuple[tuple[str, Callable[[Any], float]], ...] = (
        ("then", lambda then: SEVERITY[then]),
        ("on_no_data", lambda then: PATIENCE[then]),
        ("min_samples", lambda samples: -samples),
        ("no_data_after", lambda patience: -_seconds(patience) if patience else float("inf")),
    )
    for name, rank in ranks:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            stricter = None not in {before, after} and rank(after) > rank(before)
            yield _said(f"{place}.{name}", before, after, _if_stricter(stricter))
    if old.tolerate != new.tolerate:
        yield _said(f"{place}.tolerate", old.tolerate, new.tolerate, _tolerance(old, new))
    if (old.test, old.for_) != (new.test, new.for_):
        yield Change(place, "is judged by another test", Effect.LOOSER)
    yield from _others(f"{place}.", old, new, TOLD_OF_CRITERION)


def _subject(criterion: Criterion) -> object:
    """What makes two criteria the same one with another limit: what is measured, compared with what, on which side."""
    when = criterion.when
    return when.metric, when.aggregate, when.worse_is_more, when.target.kind, when.target.reference


def _limit(old: Condition, new: Condition) -> Effect:
    """A limit nearer to health is stricter; the same limit in other words, or with its edge, is the same."""
    if new.target.value == old.target.value:
        return Effect.NEUTRAL
    less = new.target.value < old.target.value
    return _if_stricter(less if new.worse_is_more else not less)


def _tolerance(old: Criterion, new: Criterion) -> Effect:
    if old.tolerate is None or new.tolerate is None:
        return Effect.LOOSER
    less = new.tolerate < old.tolerate
    return _if_stricter(less if new.when.worse_is_more else not less)


def _metrics(old: Plan, new: Plan) -> Iterator[Change]:
    """A metric that means something else makes other criteria of those that use it."""
    for name in sorted(old.metrics.keys() & new.metrics.keys()):
        if old.metrics[name] != new.metrics[name]:
            yield Change(f"metrics.{name}", "is measured otherwise", Effect.LOOSER)
    for name in sorted(old.metrics.keys() ^ new.metrics.keys()):
        words = "is no longer measured" if name in old.metrics else "is measured too"
        yield Change(f"metrics.{name}", words, Effect.NEUTRAL)


def _if_stricter(stricter: bool) -> Effect:  # noqa: FBT001 - the answer to the question that its name asks
    return Effect.STRICTER if stricter else Effect.LOOSER


def _said(place: str, before: object, after: object, effect: Effect) -> Change:
    return Change(place, f"{_shown(before)} -> {_shown(after)}", effect)


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)


def _seconds(duration: Duration) -> int:
    return duration.total_seconds
