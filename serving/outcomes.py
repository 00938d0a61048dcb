"""Reading what applications report: each outcome on its own, so that a bad one is refused alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from state.outcomes import Outcome, Receipt, Refusal

MOST = 1_000
LONGEST = 250
REVISIONS = range(2**31)
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class BatchError(Exception):
    """A body that holds no outcomes at all."""


class Read(NamedTuple):
    """The outcomes of a body that can be read, each with its place in it, and why the others cannot."""

    outcomes: list[Outcome]
    places: list[int]
    refused: list[Refusal]


class _OutcomeError(ValueError):
    """Why one outcome cannot be read."""


def read(body: bytes) -> Read:
    """One outcome or a list of at most 1,000; raises BatchError for anything else."""
    found = Read([], [], [])
    for index, item in enumerate(_items(body)):
        try:
            found.outcomes.append(_outcome(item))
            found.places.append(index)
        except _OutcomeError as error:
            found.refused.append(Refusal(index, str(error)))
    return found


def receipt_json(read: Read, receipt: Receipt) -> dict[str, Any]:
    """What became of a body; indices are those of the body."""
    refused = {one.index: one.reason for one in read.refused}
    refused |= {read.places[one.index]: one.reason for one in receipt.refused}
    return {
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "late": receipt.late,
        "refused": [{"index": index, "reason": reason} for index, reason in sorted(refused.items())],
        "unknown": [{"event": one.event, "did_you_mean": one.did_you_mean} for one in receipt.unknown],
    }


def _items(body: bytes) -> list[Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BatchError(f"the body is not JSON: {error}") from error
    if isinstance(content, dict):
        return [content]
    if not isinstance(content, list):
        raise BatchError("send one outcome as an object, or a list of them")
    if len(content) > MOST:
        raise BatchError(f"{len(content)} outcomes at once; send at most {MOST}")
    return content


def _outcome(item: Any) -> Outcome:
    if not isinstance(item, dict):
        raise _OutcomeError("an outcome is an object")
    return Outcome(
        flag=_text(item, "flag"),
        key=None if item.get("targetingKey") is None else _text(item, "targetingKey"),
        event=_text(item, "event"),
        at=_at(item.get("at")),
        revision=_revision(item.get("revision")),
        value=_value(item.get("value")),
        context=_context(item.get("context")),
    )


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise _OutcomeError(f"{name} must be text" if name in item else f"{name} is missing")
    if len(value) > LONGEST or _CONTROL.search(value):
        raise _OutcomeError(f"{name} must be at most {LONGEST} characters, none of them control characters")
    return value


def _at(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _OutcomeError("at must be an instant with its zone, such as 2026-12-01T14:00:00Z")


def _revision(value: Any) -> int | None:
    if value is None or (type(value) is int and value in REVISIONS):
        return value
    raise _OutcomeError("revision must be the whole number that the evaluation's metadata carried")


def _value(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _OutcomeError("value must be a number")
    return float(value)


def _context(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _OutcomeError("context must be an object")
    return value
