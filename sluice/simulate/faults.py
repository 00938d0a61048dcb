"""What goes wrong in a rehearsal, in words: `error_rate 5x from day 9`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum

from gates.planner import Traffic, faulty
from plans.expressions import When
from plans.schema import Plan
from plans.timeline import zone
from sluice.errors import RefusedError, UsageError

FORM = (
    "write METRIC Nx, METRIC = 6%, METRIC silent, METRIC nan or split 60/40, with `from day 9` or `from 36h` and "
    "`to day 12`"
)
NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
FAULT = re.compile(
    r"(?P<everyone>everyone )?(?P<metric>[^ =]+)"
    rf"(?: (?P<times>{NUMBER})x| ?= ?(?P<share>{NUMBER}) ?%| (?P<word>silent|nan))"
    r"(?: from (?P<begins>.+?))?(?: to (?P<ends>.+))?"
)
SPLIT = re.compile(
    rf"split (?P<candidate>{NUMBER})/(?P<stable>{NUMBER})(?: from (?P<begins>.+?))?(?: to (?P<ends>.+))?"
)
WHOLE = 100
FOREVER = datetime.max.replace(tzinfo=UTC)


class Kind(StrEnum):
    """What a fault does to a metric, or to the split between the variants."""

    TIMES = "times"
    SHARE = "share"
    SILENT = "silent"
    NAN = "nan"
    SPLIT = "split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong; `value` is a factor or a share, `everyone` means that nobody's variant is to blame.

    Of a lopsided split, `metric` is empty and `value` the share that really gets the candidate.

    Moments count from the rollout's start as those of a plan's phase do; a fault `to` a day lasts through that day.
    """

    text: str
    metric: str
    kind: Kind
    value: float
    everyone: bool
    begins: When | None
    ends: When | None


@dataclass(frozen=True, slots=True)
class Spell:
    """A fault with its dates: it lasts from `begins` until `ends`, which is not part of it."""

    fault: Fault
    begins: datetime
    ends: datetime


def parse(text: str, plan: Plan) -> Fault:
    """A fault of one of the plan's metrics.

    Raises UsageError where the text cannot be read, RefusedError where the plan has no such metric.
    """
    words = " ".join(text.split())
    if words.startswith("split "):
        return _split(words, text)
    found = FAULT.fullmatch(words)
    if found is None:
        raise UsageError(f"{text!r} is no fault that can be rehearsed; {FORM}")
    if found["metric"] not in plan.metrics:
        raise RefusedError(f"{text!r}: the plan has no metric {found['metric']!r}{_meant(found['metric'], plan)}")
    kind, value = _what(found, text)
    return Fault(
        text=words,
        metric=found["metric"],
        kind=kind,
        value=value,
        everyone=bool(found["everyone"]) or kind is Kind.NAN,
        begins=_moment(found["begins"], text),
        ends=_moment(found["ends"], text),
    )


def spells(faults: Iterable[Fault], plan: Plan, started: datetime) -> tuple[Spell, ...]:
    """The faults with their dates in a rollout that starts at an instant; raises UsageError for one that never is."""
    return tuple(_spell(fault, plan, started) for fault in faults)


def check(fault: Fault, plan: Plan, traffic: Traffic) -> None:
    """Raises RefusedError for a fault that would hit more units than there are."""
    if fault.kind is Kind.SPLIT:
        return
    if plan.metrics[fault.metric].value is not None:
        if fault.kind is Kind.SHARE:
            raise RefusedError(f"{fault.text!r}: {fault.metric} is a number and no share; write `{fault.metric} 2x`")
        return
    usual, good = traffic.rates[fault.metric], plan.metrics[fault.metric].bad is None
    hit = (1 - usual) * fault.value if good and fault.value > 1 else usual * fault.value
    if fault.kind is Kind.TIMES and hit > 1:
        what = "all that it could miss" if good else "everyone"
        worst = "0%" if good else "100%"
        raise RefusedError(
            f"{fault.text!r}: {fault.value:g} times {100 * hit / fault.value:.3g} % is more than {what}; "
            f"write `{fault.metric} = {worst}` for the worst"
        )


def rate(fault: Fault, usual: float, *, good: bool) -> float | None:
    """A metric's rate, in its own terms, under a fault; None where nothing is counted."""
    match fault.kind:
        case Kind.TIMES:
            return faulty(usual, fault.value, good=good)
        case Kind.SHARE:
            return fault.value
        case _:
            return None


def mean_under(fault: Fault, usual: float) -> float | None:
    """A number's mean under a fault; None where nothing is counted."""
    return usual * fault.value if fault.kind is Kind.TIMES else None


def _split(words: str, text: str) -> Fault:
    found = SPLIT.fullmatch(words)
    if found is None or float(found["candidate"]) + float(found["stable"]) != WHOLE:
        raise UsageError(f"{text!r}: write the shares of candidate and stable, together 100: split 60/40")
    return Fault(
        text=words,
        metric="",
        kind=Kind.SPLIT,
        value=float(found["candidate"]) / WHOLE,
        everyone=True,
        begins=_moment(found["begins"], text),
        ends=_moment(found["ends"], text),
    )


def _what(found: re.Match[str], text: str) -> tuple[Kind, float]:
    if found["word"]:
        return Kind(found["word"]), 0.0
    if found["times"]:
        return Kind.TIMES, float(found["times"])
    share = float(found["share"]) / 100
    if share > 1:
        raise UsageError(f"{text!r}: more than 100 % of units; write a share such as 6%")
    return Kind.SHARE, share


def _moment(words: str | None, text: str) -> When | None:
    try:
        return When.parse(words) if words else None
    except ValueError as error:
        raise UsageError(f"{text!r}: {error}") from None


def _spell(fault: Fault, plan: Plan, started: datetime) -> Spell:
    begins = started if fault.begins is None else _instant(fault.begins, plan, started)
    ends = FOREVER if fault.ends is None else _end(fault.ends, plan, started)
    if ends <= begins:
        raise UsageError(f"{fault.text!r} ends before it begins; put the later moment behind `to`")
    return Spell(fault, begins, ends)


def _instant(when: When, plan: Plan, started: datetime) -> datetime:
    """A moment as a plan's adjustments mean it: the first day is the one that begins with the start."""
    place = zone(plan)
    wall = started.astimezone(place).replace(tzinfo=None)
    if when.after is not None:
        later = (wall + timedelta(days=when.after.days)).replace(tzinfo=place).astimezone(UTC)
        return later + timedelta(seconds=when.after.seconds)
    wall += timedelta(days=(when.day or 1) - 1)
    if when.at is not None:
        wall = datetime.combine(wall.date(), when.at)
    return max(started, wall.replace(tzinfo=place).astimezone(UTC))


def _end(when: When, plan: Plan, started: datetime) -> datetime:
    whole_day = when.day is not None and when.at is None
    return _instant(When(day=(when.day or 0) + 1) if whole_day else when, plan, started)


def _meant(metric: str, plan: Plan) -> str:
    nearest = get_close_matches(metric, plan.metrics, n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; it has {', '.join(plan.metrics)}"
