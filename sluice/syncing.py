"""What becomes of each plan file of a checkout: a new one is handed in, a changed one is proposed and waits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plans.load import Known, PlanError, Problem, check, digest, text_of
from plans.schema import Plan
from rollout.model import LIVE
from sluice.errors import RefusedError
from sluice.plan_files import problem_json
from state.errors import StoreError

if TYPE_CHECKING:
    from sluice.client import Client

Json = dict[str, Any]
ANYWHERE = Known(offline=True)
"""Sources and channels are known where the rollout will run, and are looked at there."""
NAME = re.compile(r"^name\s*:\s*[\"']?([\w.-]+)", re.MULTILINE)
NOTHING: Json = {"name": None, "digest": None, "changes": [], "effect": "", "waits": False, "problems": []}


class Did(StrEnum):
    """What became of a plan file, or would."""

    SUBMITTED = "submitted"
    PROPOSED = "proposed"
    WAITING = "waiting"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Asking:
    """Who syncs and why; with `check` nothing is done."""

    by: str
    reason: str
    check: bool


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A file with its text and plan, None where it has errors; a name even then, where it gives one.

    `unread` is why there is no text.
    """

    file: str
    text: str = ""
    plan: Plan | None = None
    name: str | None = None
    unread: tuple[Problem, ...] = ()


def opened(file: Path) -> PlanFile:
    """A plan file, read."""
    try:
        text = text_of(file)
    except PlanError as error:
        return PlanFile(str(file), unread=error.problems)
    plan, _ = check(text, str(file), ANYWHERE)
    claimed = NAME.search(text)
    return PlanFile(str(file), text, plan, plan.name if plan else claimed and claimed[1])


def synced(sluice: Client, files: Sequence[PlanFile], standing: Mapping[str, Json], asking: Asking) -> Iterator[Json]:
    """Each file with what became of it; what is wrong with one keeps no other from going through."""
    twice = {name for name, times in Counter(found.name for found in files if found.name).items() if times > 1}
    for found in files:
        try:
            _refuse_second(found, [one.file for one in files if one.name == found.name and one.name in twice])
            done = _done(sluice, found, standing, asking)
        except (PlanError, StoreError, RefusedError) as error:
            done = {"did": Did.REFUSED, "problems": _problems(error)}
        yield {"file": found.file} | NOTHING | {"name": found.name} | done


def without_file(files: Iterable[PlanFile], standing: Mapping[str, Json]) -> list[Json]:
    """The live rollouts whose name no file gives: their file was removed, or they were handed in elsewhere."""
    named = {found.name for found in files}
    keys = ("name", "status", "phase", "exposure")
    return [
        {key: rollout[key] for key in keys}
        for name, rollout in standing.items()
        if name not in named and rollout["status"] in LIVE
    ]


def _refuse_second(found: PlanFile, sharing: Sequence[str]) -> None:
    """Raise where other files have the same name: nobody can tell which one is meant."""
    if sharing:
        raise RefusedError(f"the name {found.name} is in {', '.join(sharing)}; a rollout has one file")


def _done(sluice: Client, found: PlanFile, standing: Mapping[str, Json], asking: Asking) -> Json:
    """Hand in what is new, propose what is changed, leave the rest; a bad plan is refused where it is handed in."""
    rollout = standing.get(found.name or "")
    if found.unread:
        raise PlanError(found.unread)
    if found.plan is None or rollout is None:
        told = sluice.submit(found.text, found.file, asking.by, asking.reason, check=asking.check)
        new = told["created"] or asking.check
        return _shape(told, Did.SUBMITTED if new else Did.UNCHANGED)
    mine, proposal = digest(found.plan), rollout["proposal"]
    if rollout["digest"] == mine:
        other = f"another amendment of it waits, by {proposal['by']}: {proposal['reason']}" if proposal else ""
        return {"did": Did.UNCHANGED, "digest": mine, "effect": other}
    waiting = proposal is not None and proposal["digest"] == mine
    told = sluice.amend(
        rollout["name"],
        found.text,
        found.file,
        asking.by,
        asking.reason,
        check=asking.check or waiting,
        waits=True,
    )
    if waiting:
        return _shape(told, Did.WAITING) | {"effect": told["effect"].removeprefix("would: ")}
    return _shape(told, Did.PROPOSED)


def _shape(told: Json, did: Did) -> Json:
    kept = ("digest", "changes", "effect", "waits")
    return {"did": did, "changes": [], **{key: told[key] for key in kept if key in told}}


def _problems(error: PlanError | StoreError | RefusedError) -> list[Json]:
    if isinstance(error, PlanError):
        return [problem_json(problem) for problem in error.problems]
    told = error.problems if isinstance(error, RefusedError) else ()
    nowhere = {"line": None, "place": "", "severity": "error"}
    return [nowhere | dict(one) for one in told or ({"message": str(error)},)]
