"""The plan's calendar: when each step falls due, in the plan's own zone.

Instants are aware UTC datetimes. Wall-clock times become instants by zoneinfo with `fold=0`: a time in the gap of a
clock change is taken after it, a time that comes twice is taken the first time (RFC 5545, section 3.3.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from plans.approval import demanded, demanding, lapse
from plans.expressions import WEEKDAYS, Duration, Reference, Window, percent

if TYPE_CHECKING:
    from plans.approval import Approval
    from plans.schema import Adjustment, Criterion, Phase, Plan, Settings

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONGEST_BUCKET = 300
UNDATED = datetime(2024, 1, 1, tzinfo=UTC)
FULL = 100_000
EVENTS = "events"
DAYS_OF_A_WEEK = 7


class What(StrEnum):
    """The kinds of dated step."""

    PHASE = "phase"
    ADJUST = "adjust"
    DECIDE = "decide"
    APPROVAL = "approval"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Step:
    """One dated step: `exposure` in thousandths of a percent and the candidate's `settings` hold from `at` on.

    `phase` is the phase that begins, is adjusted or judged, waits for its approval or ends; `text` tells the step in
    numbers.
    """

    at: datetime
    local: str
    what: What
    phase: str
    exposure: int
    settings: Settings
    text: str


def zone(plan: Plan) -> ZoneInfo:
    """The zone that the plan counts days in: its own, else UTC."""
    return ZoneInfo(plan.schedule.timezone or "UTC")


def start_due(plan: Plan, submitted: datetime) -> datetime:
    """When the rollout may first start, window and freezes not applied; a start in the past is the submission."""
    if plan.schedule.start is None:
        return submitted
    return max(submitted, _instant(plan.schedule.start, zone(plan)))


def wall_clock(plan: Plan, wall: datetime) -> datetime:
    """The instant of a wall-clock time in the plan's zone."""
    return _instant(wall, zone(plan))


def hold_ends(plan: Plan, phase: int, entered: datetime, extension: Duration) -> datetime:
    """When the hold of a phase is over: its days counted on the plan's calendar, then its elapsed seconds."""
    return later(plan, entered, plan.phases[phase].hold + extension)


def adjustment_due(plan: Plan, phase: int, index: int, entered: datetime) -> datetime:
    """When an adjustment is due, freezes not applied; at once where its clock time had passed as the phase began."""
    moment = plan.phases[phase].adjust[index].at
    if moment.after is not None:
        return later(plan, entered, moment.after)
    days = Duration(days=(moment.day or 1) - 1)
    if moment.at is None:
        return later(plan, entered, days)
    wall = entered.astimezone(zone(plan)).date() + timedelta(days=days.days)
    return max(entered, _instant(datetime.combine(wall, moment.at), zone(plan)))


def next_open(plan: Plan, at: datetime) -> datetime:
    """The earliest instant from `at` on that lies inside the window and in no freeze."""
    while True:
        thawed = next_thaw(plan, at)
        at = _next_opening(plan, thawed)
        if at == thawed:
            return at


def next_thaw(plan: Plan, at: datetime) -> datetime:
    """The earliest instant from `at` on that lies in no freeze."""
    place = zone(plan)
    while True:
        today = at.astimezone(place).date()
        last = max((freeze.to for freeze in plan.schedule.freeze if freeze.from_ <= today <= freeze.to), default=None)
        if last is None:
            return at
        at = _instant(datetime.combine(last + timedelta(days=1), time.min), place)


def next_closing(plan: Plan, at: datetime) -> datetime | None:
    """When growth that is open at an instant next stops being so: the window's end or a freeze; None where never."""
    place, window = zone(plan), plan.schedule.advance
    day = at.astimezone(place).date()
    freezes = (_instant(datetime.combine(freeze.from_, time.min), place) for freeze in plan.schedule.freeze)
    ends = [start for start in freezes if start > at]
    if window is not None:
        closed = (_instant(wall, place) for wall in _closings(window, day))
        ends += [end for end in closed if end > at and not _inside(plan, end)][:1]
    return min(ends, default=None)


def local(plan: Plan, at: datetime) -> str:
    """An instant as the plan's readers say it, `Tue 8 Dec 09:00`.

    With the year where it is not the one the plan starts in, seconds where there are any, UTC where no zone is named.
    """
    there = at.astimezone(zone(plan))
    start = plan.schedule.start
    words = [WEEKDAYS[there.weekday()], str(there.day), MONTHS[there.month - 1]]
    if start is not None and there.year != start.year:
        words.append(str(there.year))
    words.append(f"{there:%H:%M:%S}" if there.second else f"{there:%H:%M}")
    return " ".join(words if plan.schedule.timezone else [*words, "UTC"])


def timeline(plan: Plan, submitted: datetime) -> tuple[Step, ...]:
    """Every dated step of a rollout submitted at an instant, each test shipped and each approval given at once."""
    return tuple(_steps(plan, submitted))


def planned_buckets(plan: Plan) -> int:
    """How many buckets lie between start and completion of the previewed timeline; at least 1.

    A plan without a start is laid out from Monday 1 January 2024, so that the number belongs to the plan alone.
    """
    steps = timeline(plan, UNDATED)
    return max(1, -(-int((steps[-1].at - steps[0].at).total_seconds()) // bucket_seconds(plan)))


def bucket_seconds(plan: Plan) -> int:
    """Length of a bucket of counts: five minutes, or `check_every` where that is shorter."""
    return min(LONGEST_BUCKET, plan.stop.check_every.total_seconds)


def warnings(plan: Plan, submitted: datetime) -> tuple[str, ...]:
    """What a reader of the preview should know before submitting at an instant."""
    return (
        *_start_warnings(plan, submitted),
        *(text for c in plan.stop.criteria for text in _criterion_warnings(plan, c)),
    )


def _instant(wall: datetime, place: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=place, fold=0).astimezone(UTC)


def later(plan: Plan, at: datetime, duration: Duration) -> datetime:
    """A duration after an instant: calendar days first, elapsed seconds after.

    Without days both passes of a doubled hour stay apart.
    """
    if duration.days:
        place = zone(plan)
        at = _instant(at.astimezone(place).replace(tzinfo=None) + timedelta(days=duration.days), place)
    return at + timedelta(seconds=duration.seconds)


def _next_opening(plan: Plan, at: datetime) -> datetime:
    """The earliest instant from `at` on inside the window, freezes aside."""
    window, place = plan.schedule.advance, zone(plan)
    if window is None or _inside(plan, at):
        return at
    day = at.astimezone(place).date()
    while True:
        for opening in _openings(datetime.combine(day, window.opens), place):
            if opening >= at and _inside(plan, opening):
                return opening
        day += timedelta(days=1)


def _closings(window: Window, day: date) -> Iterator[datetime]:
    """The wall-clock ends of the window's hours, for a week and a day from a day on."""
    for later_on in range(DAYS_OF_A_WEEK + 1):
        start = day + timedelta(days=later_on)
        if start.weekday() in window.days:
            yield datetime.combine(start + timedelta(days=window.closes == time.min), window.closes)


def _openings(wall: datetime, place: ZoneInfo) -> tuple[datetime, ...]:
    """Both instants of a wall-clock time, which are one on most days; in a gap, the instant at which the gap ends."""
    first, second = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first, second
    before, after = second, first
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        passed = middle.astimezone(place).replace(tzinfo=None) >= wall
        before, after = (before, middle) if passed else (middle, after)
    return (after.replace(microsecond=0),)


def _inside(plan: Plan, at: datetime) -> bool:
    there = at.astimezone(zone(plan))
    window = plan.schedule.advance
    return window is None or window.holds(there.weekday(), there.time())


def _steps(plan: Plan, submitted: datetime) -> Iterator[Step]:
    at = next_open(plan, start_due(plan, submitted))
    settings = plan.candidate
    for index, phase in enumerate(plan.phases):
        entered = at
        yield _step(plan, at, What.PHASE, index, settings, _beginning(plan, phase, plan.exposure(index)))
        for number, adjustment in enumerate(phase.adjust):
            at = next_thaw(plan, max(at, adjustment_due(plan, index, number, entered)))
            text = _change(settings, adjustment)
            settings = {**settings, **adjustment.set}
            yield _step(plan, at, What.ADJUST, index, settings, text)
        at = max(at, hold_ends(plan, index, entered, Duration()))
        if phase.decide:
            yield _step(plan, at, What.DECIDE, index, settings, f"{phase.name} is judged: ship, revert or ask")
        if phase.approval:
            yield _step(plan, at, What.APPROVAL, index, settings, _question(plan, phase.name, phase.approval))
        at = next_open(plan, at)
    yield _step(plan, at, What.COMPLETE, len(plan.phases) - 1, settings, _completion(plan))


def _step(plan: Plan, at: datetime, what: What, phase: int, settings: Settings, text: str) -> Step:
    return Step(at, local(plan, at), what, plan.phases[phase].name, plan.exposure(phase), settings, text)


def _beginning(plan: Plan, phase: Phase, exposure: int) -> str:
    if not exposure:
        return f"{phase.name} begins: the allow list alone gets the candidate"
    size, unit = plan.audience.size, f"{plan.audience.unit}s"
    number = f", {round(size * exposure / FULL):,} a day," if size else ""
    return f"{phase.name} begins: {percent(exposure)} of {unit}{number} get the candidate"


def _question(plan: Plan, phase: str, approval: Approval) -> str:
    who = f"by {demanded(plan)}" if demanding(plan) else ""
    said = "; ".join(filter(None, (who, lapse(approval))))
    return f"approval to leave {phase}: {said}" if said else f"approval to leave {phase}"


def _change(settings: Settings, adjustment: Adjustment) -> str:
    changes = (f"{key} {settings.get(key)} → {value}" for key, value in adjustment.set.items())
    return f"the candidate's {', '.join(changes)}"


def _completion(plan: Plan) -> str:
    ending = ", the block list ends" if plan.audience.block else ""
    return f"the rollout is complete: the candidate is the new stable for everyone{ending}"


def _start_warnings(plan: Plan, submitted: datetime) -> Iterator[str]:
    start = plan.schedule.start
    if start is not None and (declared := _instant(start, zone(plan))) < submitted:
        yield f"schedule.start: {local(plan, declared)} has passed; the rollout starts at once, inside the window"
    due = start_due(plan, submitted)
    if (opens := next_open(plan, due)) != due:
        yield f"schedule: {local(plan, due)} is outside the window or frozen; the rollout starts {local(plan, opens)}"


def _criterion_warnings(plan: Plan, criterion: Criterion) -> Iterator[str]:
    metric, target = plan.metrics[criterion.when.metric], criterion.when.target
    if target.reference is Reference.BASELINE and metric.baseline is not None:
        yield (
            f"{criterion.text}: a fixed baseline cannot tell a bad candidate from a bad hour for everyone; "
            f"prefer `control`"
        )
    if metric.source != EVENTS:
        yield (
            f"{criterion.text}: the promise of `confidence` holds if what {metric.source} counts are distinct units; "
            f"one user counted many times makes a false revert likelier"
        )
    if criterion.test == "threshold":
        yield f"{criterion.text}: `test: threshold` is outside the promise of `confidence`"
