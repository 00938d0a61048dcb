"""Who gets what: cohorts by one threshold on a salted hash, and the four layers of a flag as one value.

The bucket is MurmurHash3 x86 32-bit of "salt/unit" scaled to 100,000 steps by a multiplication and a shift: the integer
arithmetic of flagd's `fractional` at a total weight of 100,000. Raising the threshold only ever adds units.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache

import mmh3
from pydantic import JsonValue

from plans.schema import Plan, Settings
from rollout.lists import Forced, Listed
from rollout.model import FULL, Cohort, RolloutState, Status

Attributes = Mapping[str, JsonValue]
Matcher = Mapping[str, tuple[str, ...]]
TARGETING_KEY = "user"


class Variant(StrEnum):
    """What a unit is served."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    OFF = "off"


class Reason(StrEnum):
    """Why, in the words of the OpenFeature specification.

    Never its DISABLED: a client may then take its own default for the value, and would miss the kill switch (ADR 12).
    """

    STATIC = "STATIC"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"


class UnitMissingError(Exception):
    """The evaluation context lacks the attribute that this flag buckets by."""

    def __init__(self, attribute: str) -> None:
        super().__init__(f"the context has no {attribute!r}, which this flag is bucketed by")
        self.attribute = attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One flag as it is served: kill switch, exposure, thresholds and model in one value.

    `stable` is None where there is nothing before the candidate; `active` says that a rollout is past its start, so
    that exposure, allow and block lists are in force. `enabled` is the flag's switch and the rollout's part together.
    `forced` are the units that people put on a list, those that were taken off again among them.
    """

    key: str
    enabled: bool = True
    active: bool = False
    exposure: int = 0
    stable: Settings | None
    candidate: Settings
    first_candidate: Settings
    salt: str
    unit: str = TARGETING_KEY
    allow: tuple[Matcher, ...] = ()
    block: tuple[Matcher, ...] = ()
    forced: Forced = field(default_factory=dict)
    rollout: str | None = None
    phase: str | None = None
    plan: str = ""
    revision: int = 0
    version: int = 0

    @property
    def off_settings(self) -> Settings:
        """What the typed flags carry in variant `off`: something that is deployed."""
        return self.first_candidate if self.stable is None else self.stable

    @property
    def listed(self) -> bool:
        """Whether there is any list that could decide."""
        return bool(self.allow or self.block or self.forced)

    @property
    def needs(self) -> frozenset[str]:
        """Attributes without which a unit's cohort cannot be known."""
        named = {name for matcher in (*self.allow, *self.block) for name in matcher}
        return frozenset(named | {self.unit})


def bucket(salt: str, unit: str) -> int:
    """The unit's place on the line from 0 to 99,999; it is exposed where that is below the exposure."""
    return (mmh3.hash(f"{salt}/{unit}", signed=False) * FULL) >> 32


def attribute(name: str, key: str | None, attributes: Attributes) -> JsonValue:
    """A context value by name; `user` is the targeting key."""
    return key if name == TARGETING_KEY else attributes.get(name)


def unit_of(flag: Flag, key: str | None, attributes: Attributes) -> str | None:
    """The unit as text, None where the context does not name one."""
    value = attribute(flag.unit, key, attributes)
    return _text(value) or None


def matches(matcher: Matcher, key: str | None, attributes: Attributes) -> bool:
    """Whether every attribute of the matcher fits one of its patterns (`*` and `?` are wildcards)."""
    return all(_fits(attribute(name, key, attributes), patterns) for name, patterns in matcher.items())


def forced(flag: Flag, key: str | None, attributes: Attributes) -> Variant | None:
    """The variant that a list decides, the plan's or one made by hand, None where none does; a block wins."""
    unit = unit_of(flag, key, attributes) if flag.forced else None
    by_hand = flag.forced.get(unit) if unit else None
    if by_hand is Listed.BLOCK or any(matches(matcher, key, attributes) for matcher in flag.block):
        return Variant.STABLE
    if by_hand is Listed.ALLOW or any(matches(matcher, key, attributes) for matcher in flag.allow):
        return Variant.CANDIDATE
    return None


def variant(flag: Flag, key: str | None, attributes: Attributes) -> tuple[Variant, Reason]:
    """What the unit is served and why.

    Raises UnitMissingError where the split needs a unit that the context does not have.
    """
    if not flag.enabled:
        return Variant.OFF, Reason.STATIC
    if not flag.active:
        return _fallback(flag, Reason.STATIC)
    listed = forced(flag, key, attributes) if flag.listed else None
    if listed is Variant.CANDIDATE:
        return listed, Reason.TARGETING_MATCH
    if listed is Variant.STABLE:
        return _fallback(flag, Reason.TARGETING_MATCH)
    return (Variant.CANDIDATE, Reason.SPLIT) if _exposed(flag, key, attributes) else _fallback(flag, Reason.SPLIT)


def cohort(flag: Flag, key: str | None, attributes: Attributes, exposure: int) -> Cohort | None:
    """The group a unit is compared in under an exposure; None for forced units and where no unit is named.

    A unit that people have taken off a list again belongs to neither for the rest of the rollout.
    """
    unit = unit_of(flag, key, attributes)
    if unit is None or unit in flag.forced or (flag.listed and forced(flag, key, attributes) is not None):
        return None
    return Cohort.TREATMENT if bucket(flag.salt, unit) < exposure else Cohort.CONTROL


def served(plan: Plan, state: RolloutState, digest: str) -> Flag:
    """The flag that a rollout in this state serves; a completed candidate is the new stable."""
    completed = state.status is Status.COMPLETED
    started = state.status.live and state.phase >= 0
    return Flag(
        key=plan.flag,
        enabled=state.enabled and not state.killed,
        active=started,
        exposure=state.exposure if started else 0,
        stable=state.settings if completed else declared_stable(plan),
        candidate=state.settings,
        first_candidate=plan.candidate,
        salt=plan.bucketing_salt,
        unit=plan.audience.unit,
        allow=plan.audience.allow,
        block=plan.audience.block,
        forced=state.forced,
        rollout=plan.name,
        phase=plan.phases[state.phase].name if state.phase >= 0 else None,
        plan=digest,
        revision=state.revision,
    )


def declared_stable(plan: Plan) -> Settings | None:
    """The plan's stable settings, None where there is nothing before the candidate."""
    return None if isinstance(plan.stable, str) else plan.stable


def _exposed(flag: Flag, key: str | None, attributes: Attributes) -> bool:
    if flag.exposure in {0, FULL}:
        return flag.exposure == FULL
    unit = unit_of(flag, key, attributes)
    if unit is None:
        raise UnitMissingError(flag.unit)
    return bucket(flag.salt, unit) < flag.exposure


def _fallback(flag: Flag, reason: Reason) -> tuple[Variant, Reason]:
    return Variant.OFF if flag.stable is None else Variant.STABLE, reason


def _fits(value: JsonValue, patterns: tuple[str, ...]) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(patterns) and any(_pattern(patterns)(text) for text in map(_text, values) if text)


@lru_cache(maxsize=1024)
def _pattern(patterns: tuple[str, ...]) -> Callable[[str], object]:
    return re.compile("|".join(map(translate, patterns))).match


def _text(value: JsonValue) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return ""
