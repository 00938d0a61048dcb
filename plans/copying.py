"""A plan's text taken over for a new rollout: another name, no start that has passed, every comment kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from plans.load import Known, loads
from plans.schema import Plan
from plans.timeline import local, wall_clock

ANYWHERE = Known(offline=True)
"""Sources and channels are not the copy's concern."""
_PLAIN = re.compile(r"[a-z][a-z0-9-]*")
_WORDS = frozenset({"null", "true", "false"})


@dataclass(frozen=True, slots=True)
class Copy:
    """The text of the new plan, and what was done to the old one, a sentence each."""

    text: str
    told: tuple[str, ...]


def copied(text: str, name: str, now: datetime) -> Copy:
    """A valid plan's text under a new name, ready to be edited.

    Raises PlanError where the text is no plan, or where the new name is none.
    """
    plan = loads(text, known=ANYWHERE)
    body = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    root = _composed(body)
    edits = [_renamed(root, name)]
    told = [f"name {plan.name} -> {name}", _of_salt(plan)]
    start = plan.schedule.start
    if start is not None and wall_clock(plan, start) < now:
        edits.append(_without_start(root, body))
        told.append(f"start {local(plan, wall_clock(plan, start))} has passed and was dropped: it starts at once")
    edited = _edited(body, edits)
    loads(edited, known=ANYWHERE)
    return Copy(edited, tuple(told))


@dataclass(frozen=True, slots=True)
class _Edit:
    """One stretch of the text, from `begin` up to `end`, and what takes its place."""

    begin: int
    end: int
    text: str


def _of_salt(plan: Plan) -> str:
    if plan.salt:
        return f"salt {plan.salt} kept: who had {plan.name} first has this one first too; remove it to draw anew"
    return f"no salt: users are drawn anew; `salt: {plan.name}` would give it to those who had {plan.name} first"


def _composed(body: str) -> MappingNode:
    root = yaml.compose(body, Loader=yaml.SafeLoader)
    assert isinstance(root, MappingNode)  # noqa: S101 - `loads` took it for a plan
    return root


def _renamed(root: MappingNode, name: str) -> _Edit:
    value = _entry(root, "name")[1]
    plain = _PLAIN.fullmatch(name) and name not in _WORDS
    return _Edit(value.start_mark.index, value.end_mark.index, name if plain else f'"{name}"')


def _without_start(root: MappingNode, body: str) -> _Edit:
    """The start taken out; with all of `schedule` where it says nothing else."""
    schedule = _entry(root, "schedule")[1]
    assert isinstance(schedule, MappingNode)  # noqa: S101 - a plan's schedule is a mapping
    if len(schedule.value) == 1:
        return _without(root, "schedule", body)
    return _without(schedule, "start", body)


def _without(mapping: MappingNode, key: str, body: str) -> _Edit:
    """An entry taken out: its lines in a block; in braces, up to the entry behind it or from the one before it."""
    entries = list(_entries(mapping))
    place = next(index for index, (name, _, _) in enumerate(entries) if name == key)
    _, first, last = entries[place]
    if not mapping.flow_style:
        begin = body.rfind("\n", 0, first.start_mark.index) + 1
        end = body.find("\n", _end_of(last, body))
        return _Edit(begin, len(body) if end < 0 else end + 1, "")
    if place + 1 < len(entries):
        return _Edit(first.start_mark.index, entries[place + 1][1].start_mark.index, "")
    return _Edit(entries[place - 1][2].end_mark.index, last.end_mark.index, "")


def _end_of(node: Node, body: str) -> int:
    """Where a value's own text ends: a mapping in a block ends with its last entry, not with the key behind it."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _end_of(node.value[-1][1], body)
    return int(node.end_mark.index)


def _entries(mapping: MappingNode) -> Iterator[tuple[str, Node, Node]]:
    for key, value in mapping.value:
        if isinstance(key, ScalarNode):
            yield key.value, key, value


def _entry(mapping: MappingNode, key: str) -> tuple[Node, Node]:
    return next((first, last) for name, first, last in _entries(mapping) if name == key)


def _edited(body: str, edits: list[_Edit]) -> str:
    for edit in sorted(edits, key=lambda edit: edit.begin, reverse=True):
        body = body[: edit.begin] + edit.text + body[edit.end :]
    return body
