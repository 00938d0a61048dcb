"""Flags compiled into closures: lists, hash and threshold are prepared once a change, not once an evaluation.

A closure answers exactly as `rollout.exposure.variant` would; a property in the tests holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from functools import reduce
from typing import TypeVar

from mmh3 import hash as murmur
from pydantic import JsonValue

from plans.schema import Settings
from rollout.exposure import (
    TARGETING_KEY,
    Attributes,
    Flag,
    Matcher,
    Reason,
    UnitMissingError,
    Variant,
    matches,
    unit_of,
)
from rollout.lists import Listed
from rollout.model import FULL

T = TypeVar("T")
Choose = Callable[[Variant, Reason], T]
Compiled = Callable[[str | None, Attributes], T]
Test = Callable[[str | None, Attributes], bool]

ENABLED = "enabled"
_WILD = re.compile(r"[*?\[]")


def compile_flag(flag: Flag, answer: Choose[T]) -> Compiled[T]:
    """The flag as a closure `(targeting key, attributes) -> answer(variant, reason)`, the answers made beforehand.

    The closure raises UnitMissingError where the split needs a unit that the context does not name.
    """
    if not flag.enabled:
        return _constant(answer(Variant.OFF, Reason.STATIC))
    if not flag.active:
        return _constant(_fallback(flag, Reason.STATIC, answer))
    split = _split(flag, answer)
    return _listed(flag, answer, split) if flag.allow or flag.block or flag.forced else split


def settings_of(flag: Flag, variant: Variant) -> dict[str, JsonValue]:
    """What a variant carries: its settings and `enabled`; a number that is a float in one variant is one in all."""
    chosen = flag.candidate if variant is Variant.CANDIDATE else flag.off_settings
    floats = _float_keys(flag.candidate, flag.off_settings)
    values = {key: float(value) if key in floats else value for key, value in chosen.items()}  # type: ignore[arg-type]
    return {**values, ENABLED: variant is not Variant.OFF}


def values(flag: Flag) -> dict[str, Callable[[Variant], JsonValue]]:
    """Every key a flag is read by, with its value in each variant: the object, `.enabled` and one for each setting."""
    carried = {variant: settings_of(flag, variant) for variant in Variant}
    names = sorted({name for settings in carried.values() for name in settings})
    typed = {f"{flag.key}.{name}": _reader(carried, name) for name in names}
    return {flag.key: lambda variant: carried[variant], **typed}


class Evaluator:
    """Flags evaluated in process: one call, no I/O."""

    __slots__ = ("_values",)

    def __init__(self, flags: Iterable[Flag]) -> None:
        self._values: dict[str, Compiled[JsonValue]] = {}
        for flag in flags:
            for key, value in values(flag).items():
                self._values[key] = compile_flag(flag, _value_only(value))

    def value(self, key: str, unit: str | None, attributes: Attributes, default: JsonValue) -> JsonValue:
        """The value a unit is served, or the default where the flag is unknown or the unit it needs is missing."""
        try:
            return self._values[key](unit, attributes)
        except (KeyError, UnitMissingError):
            return default


def _value_only(value: Callable[[Variant], JsonValue]) -> Choose[JsonValue]:
    return lambda variant, _reason: value(variant)


def _reader(carried: Mapping[Variant, Mapping[str, JsonValue]], name: str) -> Callable[[Variant], JsonValue]:
    return lambda variant: carried[variant].get(name)


def _float_keys(candidate: Settings, other: Settings) -> frozenset[str]:
    """Numbers written as a float in one variant and as an integer in the other: a client asks for one type only."""
    both = ((key, candidate[key], other[key]) for key in candidate.keys() & other.keys())
    return frozenset(key for key, a, b in both if {type(a), type(b)} == {int, float})


def _constant(result: T) -> Compiled[T]:
    return lambda _key, _attributes: result


def _fallback(flag: Flag, reason: Reason, answer: Choose[T]) -> T:
    return answer(Variant.OFF if flag.stable is None else Variant.STABLE, reason)


def _split(flag: Flag, answer: Choose[T]) -> Compiled[T]:
    exposed, rest = answer(Variant.CANDIDATE, Reason.SPLIT), _fallback(flag, Reason.SPLIT, answer)
    if flag.exposure in {0, FULL}:
        return _constant(exposed if flag.exposure else rest)
    return _by_key(flag, exposed, rest) if flag.unit == TARGETING_KEY else _by_attribute(flag, exposed, rest)


def _limit(exposure: int) -> int:
    """The least 32-bit hash that is not exposed: `hash * FULL >> 32 < exposure` without the multiplication."""
    return -(-(exposure << 32) // FULL)


def _by_key(flag: Flag, exposed: T, rest: T) -> Compiled[T]:
    prefix, limit = f"{flag.salt}/", _limit(flag.exposure)

    def split(key: str | None, _attributes: Attributes) -> T:
        if key:
            return exposed if murmur(prefix + key, 0, False) < limit else rest
        raise UnitMissingError(TARGETING_KEY)

    return split


def _by_attribute(flag: Flag, exposed: T, rest: T) -> Compiled[T]:
    prefix, limit = f"{flag.salt}/", _limit(flag.exposure)

    def split(key: str | None, attributes: Attributes) -> T:
        unit = unit_of(flag, key, attributes)
        if unit is None:
            raise UnitMissingError(flag.unit)
        return exposed if murmur(prefix + unit, 0, False) < limit else rest

    return split


def _listed(flag: Flag, answer: Choose[T], split: Compiled[T]) -> Compiled[T]:
    blocked = _either(_any_of(flag.block), _by_hand(flag, Listed.BLOCK))
    allowed = _either(_any_of(flag.allow), _by_hand(flag, Listed.ALLOW))
    stable = _fallback(flag, Reason.TARGETING_MATCH, answer)
    candidate = answer(Variant.CANDIDATE, Reason.TARGETING_MATCH)

    def listed(key: str | None, attributes: Attributes) -> T:
        if blocked(key, attributes):
            return stable
        if allowed(key, attributes):
            return candidate
        return split(key, attributes)

    return listed


def _any_of(matchers: tuple[Matcher, ...]) -> Test:
    tests: Iterable[Test] = map(_all_of, matchers)
    nobody: Test = _never
    return reduce(_either, tests, nobody)


def _all_of(matcher: Matcher) -> Test:
    tests: Iterable[Test] = (_fits(name, patterns) for name, patterns in matcher.items())
    everybody: Test = _always
    return reduce(_both, tests, everybody)


def _never(_key: str | None, _attributes: Attributes) -> bool:
    return False


def _always(_key: str | None, _attributes: Attributes) -> bool:
    return True


def _by_hand(flag: Flag, to: Listed) -> Test:
    units = frozenset(unit for unit, listed in flag.forced.items() if unit and listed is to)
    if not units:
        return _never
    if flag.unit == TARGETING_KEY:
        return lambda key, _attributes: key in units
    return lambda key, attributes: unit_of(flag, key, attributes) in units


def _either(first: Test, second: Test) -> Test:
    if first is _never:
        return second
    if second is _never:
        return first
    return lambda key, attributes: first(key, attributes) or second(key, attributes)


def _both(first: Test, second: Test) -> Test:
    if first is _always:
        return second
    return lambda key, attributes: first(key, attributes) and second(key, attributes)


def _fits(name: str, patterns: tuple[str, ...]) -> Test:
    """One attribute against its patterns: text is looked up, whatever else JSON allows goes the reference's way."""
    exact = frozenset(pattern for pattern in patterns if pattern and not _WILD.search(pattern))
    wild = _wild(tuple(pattern for pattern in patterns if _WILD.search(pattern)))
    alone: Matcher = {name: patterns}

    def test(key: str | None, attributes: Attributes) -> bool:
        value = key if name == TARGETING_KEY else attributes.get(name)
        if value is None:
            return False
        if isinstance(value, str):
            return value in exact or (wild is not None and value != "" and wild(value))
        return matches(alone, key, attributes)

    return test


def _wild(patterns: tuple[str, ...]) -> Callable[[str], bool] | None:
    """Text against patterns with wildcards; `*@example.com` alone is the end of a string, which is quick to see."""
    ends = tuple(pattern[1:] for pattern in patterns if pattern[0] == "*" and not _WILD.search(pattern[1:]))
    if not patterns:
        return None
    if len(ends) == len(patterns):
        return lambda text: text.endswith(ends)
    fits = re.compile("|".join(map(translate, patterns))).match
    return lambda text: fits(text) is not None
