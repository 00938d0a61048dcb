"""What may be served: checks of stable's and the candidate's settings, for plans and for commands that change them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from plans.problems import shown, suggestion

Values = Mapping[str, JsonValue]

SETTING = re.compile(r"[A-Za-z0-9_-]{1,64}")
RESERVED = "enabled"
KINDS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("true or false", bool),
    ("a number", (int, float)),
    ("text", str),
    ("a list", list),
    ("a mapping", dict),
)


def faults(settings: Values) -> Iterator[tuple[str, str]]:
    """Settings that cannot be served, as key and what is wrong with it."""
    for key, value in settings.items():
        if SETTING.fullmatch(key) is None:
            yield key, "does not fit; name a setting with letters, digits, `_` or `-`, as in `<flag>.min_confidence`"
        if key == RESERVED:
            yield key, "is the kill switch's own name; call the setting something else"
        if value is None:
            yield key, "is empty; write a value or remove it"
        elif key == "min_confidence" and not (kind(value) == "a number" and 0 <= float(str(value)) <= 1):
            yield key, f"{shown(value)} is out of range; write a number from 0 to 1"


def mismatches(stable: Values, candidate: Values) -> Iterator[tuple[str, str, str]]:
    """Keys that stable and candidate do not both have in one kind, as owner, key and what is wrong with it."""
    for owner, mine, name, other in (
        ("stable", stable, "candidate", candidate),
        ("candidate", candidate, "stable", stable),
    ):
        for key in sorted(mine.keys() - other.keys()):
            yield owner, key, f"is missing from `{name}`; give it there too, or remove it here"
    for key in sorted(stable.keys() & candidate.keys()):
        if message := _other_kind(stable[key], candidate[key], "stable"):
            yield "candidate", key, message


def changes(candidate: Values, change: Values) -> Iterator[tuple[str, str]]:
    """What keeps a change from being applied to the candidate, as key and what is wrong with it."""
    yield from faults(change)
    for key, value in change.items():
        if key not in candidate:
            yield key, f"is no setting of the candidate; {suggestion(key, candidate)}"
        elif message := _other_kind(candidate[key], value, "the candidate"):
            yield key, message


def kind(value: JsonValue) -> str:
    """The kind of a value in words; applications read a setting as one kind for ever."""
    return next((words for words, types in KINDS if isinstance(value, types)), "nothing")


def _other_kind(old: JsonValue, new: JsonValue, owner: str) -> str | None:
    if old is None or new is None or kind(old) == kind(new):
        return None
    return f"{shown(new)} is {kind(new)} but {owner} has {kind(old)}, {shown(old)}; write {kind(old)}"
