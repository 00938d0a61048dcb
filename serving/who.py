"""Who gets what and when: the past from the flag's journal, the future from the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from rollout.course import course
from rollout.describe import percent
from rollout.exposure import TARGETING_KEY, Attributes, Flag, Variant, bucket, forced, served, unit_of, variant
from rollout.lists import Listed
from state.errors import UnknownError
from state.rows import FlagEntry, Rollout
from state.store import Store


def who(store: Store, key: str, unit: str, attributes: Attributes, now: datetime, at: datetime) -> dict[str, Any]:
    """What a unit is served at an instant: before `now` by the journal, after it as the plan will have it.

    `joins` is when the unit gets the candidate if nothing stops the rollout; null where it has it or never will.
    Raises UnknownError for a flag that no plan ever named.
    """
    entries = store.flag_journal(key)
    if not entries:
        raise UnknownError("flag", key, (flag.key for flag in store.flags()))
    flag = entries[-1].flag
    context = {**attributes} if flag.unit == TARGETING_KEY else {**attributes, flag.unit: unit}
    rollout = _live(store, flag)
    history = [(entry.at, entry.flag) for entry in entries if entry.at <= max(now, entries[0].at)]
    coming = list(_forecast(rollout, flag, now)) if rollout else []
    return _told([*history, *coming], unit, context, now, at, _by_hand(entries, flag, unit, context, at))


def _told(
    course: list[tuple[datetime, Flag]],
    unit: str,
    context: Attributes,
    now: datetime,
    at: datetime,
    by_hand: str | None,
) -> dict[str, Any]:
    """The answer at `at`, from everything that the flag served and will serve in order."""
    until_then = [(since, flag) for since, flag in course if since <= at] or course[:1]
    flag = until_then[-1][1]
    variants = [(since, variant(flag, unit, context)[0]) for since, flag in until_then]
    later = [(since, variant(flag, unit, context)[0]) for since, flag in course if since > max(at, now)]
    has = variants[-1][1] is Variant.CANDIDATE
    joins = None if has else next((since for since, what in later if what is Variant.CANDIDATE), None)
    return {
        "variant": str(variants[-1][1]),
        "bucket": bucket(flag.salt, unit_of(flag, unit, context) or unit),
        "exposure": flag.exposure / 1000,
        "why": _why(flag, unit, context, by_hand),
        "since": _iso(_since(variants)),
        "joins": _iso(joins) if joins else None,
    }


def _since(variants: list[tuple[datetime, Variant]]) -> datetime:
    """When the present variant began: the oldest instant of its unbroken run."""
    since, present = variants[-1]
    for at, what in reversed(variants):
        if what is not present:
            break
        since = at
    return since


def _why(flag: Flag, unit: str, context: Attributes, by_hand: str | None) -> str:
    """The rule that decides, in words; `by_hand` is who put the unit on a list, where somebody did."""
    if not flag.enabled:
        return "the flag is off for everyone"
    if not flag.active:
        return "no rollout is under way"
    if (listed := forced(flag, unit, context)) is not None:
        return f"on the {'allow' if listed is Variant.CANDIDATE else 'block'} list{by_hand or ''}"
    place = bucket(flag.salt, unit_of(flag, unit, context) or unit)
    side = "below" if place < flag.exposure else "not below"
    return f"bucket {place:,} of 100,000 is {side} the exposure of {percent(flag.exposure)}"


def _by_hand(entries: Sequence[FlagEntry], flag: Flag, unit: str, context: Attributes, at: datetime) -> str | None:
    """Who put the unit on the list that it is on at an instant, and why; None where no hand did."""
    named = unit_of(flag, unit, context) or unit
    listed = None
    for before, entry in pairwise((None, *entries)):
        assert entry is not None  # noqa: S101 - only the first of a pair can be
        was = before.flag.forced.get(named) if before and before.rollout == entry.rollout else None
        to = entry.flag.forced.get(named)
        if entry.at <= at and to is not was:
            on = to is not None and to is not Listed.NONE
            listed = f", put there by {entry.by}: {entry.reason}" if on else None
    return listed


def _live(store: Store, flag: Flag) -> Rollout | None:
    if flag.rollout is None:
        return None
    rollout = store.rollout(flag.rollout)
    return rollout if rollout.state.status.live else None


def _forecast(rollout: Rollout, flag: Flag, now: datetime) -> Iterator[tuple[datetime, Flag]]:
    """What the flag will serve from when, if every approval comes at once and nothing stops the rollout."""
    for move in course(rollout.plan, rollout.state, now):
        yield move.at, served(rollout.plan, move.after, flag.plan)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
