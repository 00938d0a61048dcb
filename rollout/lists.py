"""Units that a person puts on a list while the rollout lives: who has the candidate, or stable, whatever the bucket.

Whoever was ever put on one stays outside the evidence of this rollout: a unit that is moved because of what happened to
it says nothing about chance, on the list or off it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

MOST = 500
LONGEST = 200


class Listed(StrEnum):
    """On which list a person has put a unit; `none` is one that was taken off again."""

    ALLOW = "allow"
    BLOCK = "block"
    NONE = "none"


Forced = Mapping[str, Listed]


def forced(said: Mapping[str, str]) -> Forced:
    """The lists as they were written down."""
    return {unit: Listed(to) for unit, to in said.items()}


def objection(lists: Forced, unit: str, to: Listed, reason: str) -> str | None:
    """Why a unit cannot be put there, with the remedy; None where it can."""
    if not unit or len(unit) > LONGEST:
        return f"name a unit of 1 to {LONGEST} characters"
    if not reason and to is not Listed.NONE:
        return "give a reason: this unit is treated unlike the others, and its outcomes no longer count"
    stands = lists.get(unit, Listed.NONE)
    if stands is to:
        return _already(unit, to)
    if unit not in lists and len(lists) >= MOST:
        return f"{MOST} units have been put on lists by hand; a plan with a rule for them, under `audience`, is due"
    return None


def effect(before: Forced, after: Forced) -> str | None:
    """What a change of the lists does, in words; None where nothing changed."""
    changed = [unit for unit in after if before.get(unit) is not after[unit]]
    return "; ".join(_words(unit, after[unit]) for unit in changed) or None


def _already(unit: str, to: Listed) -> str:
    if to is Listed.NONE:
        return f"{unit} was put on no list by hand; who the plan itself lists changes with the plan"
    return f"{unit} is on the {to} list already"


def _words(unit: str, to: Listed) -> str:
    match to:
        case Listed.ALLOW:
            return f"{unit} gets the candidate whatever its bucket, unless it is blocked, and no longer counts"
        case Listed.BLOCK:
            return f"{unit} keeps stable whatever its bucket, and no longer counts"
        case Listed.NONE:
            return f"{unit} gets what its bucket says again; its outcomes still do not count in this rollout"
