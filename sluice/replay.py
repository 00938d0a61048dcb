"""`sluice replay`: every journaled decision derived once more from what was stored with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import orjson
import typer
from rich.console import Group
from rich.text import Text

from plans.schema import Plan
from rollout.decide import decide, initial, kill, restore
from rollout.model import Command, Evidence, RolloutState, Transition, Verb
from sluice import render
from sluice.access import here
from sluice.errors import RefusedError
from sluice.options import AsJson, Data, Name, emit
from state import rows
from state.store import JournalEntry, Store

NOTHING = "no decision"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as stored: `what` it is, as it stands in the journal, as it comes out now."""

    what: str
    stored: object
    derived: object


@dataclass(frozen=True, slots=True)
class Replayed:
    """One line of a journal beside the decision derived anew."""

    entry: JournalEntry
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether the decision comes out as it was written down."""
        return not self.differences


def replay(
    name: Name,
    *,
    revision: Annotated[
        int | None, typer.Option(help="This decision alone (default: all).", show_default=False, min=1)
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Derive every journaled decision once more, and say whether it is identical.

    Inputs are those in the journal: the state before, the evidence, the
    command of a person, the instant. Exit 1 where anything comes out otherwise.
    """
    with here(data) as desk:
        found = replayed(desk.store, name)
    if revision is not None:
        found = tuple(one for one in found if one.entry.revision == revision)
        if not found:
            raise RefusedError(f"{name} has no revision {revision}; `sluice history {name}` lists those it has")
    identical = all(one.identical for one in found)
    told = {"name": name, "identical": identical, "decisions": [replayed_json(one) for one in found]}
    emit(told, _shown(name, found), as_json=as_json)
    if not identical:
        raise typer.Exit(RefusedError.code)


def replayed(store: Store, name: str) -> tuple[Replayed, ...]:
    """Every decision of a rollout beside itself derived anew, oldest first; raises UnknownError."""
    rollout, carried_out = store.rollout(name), store.carried_out(name)
    journal = store.journal(name)
    first = journal[0].before.digest if journal else rollout.digest
    submitted = initial(rollout.plan, rollout.state.submitted)
    stands = replace(submitted, digest=first, requester=rollout.state.requester)
    found = []
    for entry in journal:
        plan = store.plan(entry.before.digest)
        commands = carried_out.get(entry.revision, ())
        differences = (*_chain(stands, entry), *compared(entry, derived(plan, entry, commands), commands))
        found.append(Replayed(entry, differences))
        stands = entry.after
    return tuple(found)


def derived(plan: Plan, entry: JournalEntry, commands: Sequence[Command]) -> Transition | None:
    """What the core decides on the inputs of a journal line; `commands` are those that it carried out."""
    match entry.verb:
        case Verb.KILL:
            return kill(entry.before, entry.by, entry.reason, entry.at)
        case Verb.RESTORE:
            return restore(entry.before, entry.by, entry.reason, entry.at)
        case _:
            return decide(plan, entry.before, entry.evidence, commands, entry.at)


def compared(entry: JournalEntry, again: Transition | None, commands: Sequence[Command]) -> Iterator[Difference]:
    """What differs between a journal line and the decision derived anew."""
    if again is None:
        yield Difference("transition", str(entry.verb), NOTHING)
        return
    if again.consumes != tuple(command.id for command in commands):
        yield Difference("commands", [command.id for command in commands], list(again.consumes))
    stored, derived = _parts(entry), _parts(again)
    yield from (Difference(what, stored[what], derived[what]) for what in stored if stored[what] != derived[what])


def replayed_json(one: Replayed) -> dict[str, Any]:
    """One decision as `--json` gives it."""
    return {
        "revision": one.entry.revision,
        "at": one.entry.at.isoformat().replace("+00:00", "Z"),
        "transition": str(one.entry.verb),
        "identical": one.identical,
        "differences": [{"what": d.what, "stored": d.stored, "derived": d.derived} for d in one.differences],
    }


def _chain(stands: RolloutState, entry: JournalEntry) -> Iterator[Difference]:
    """Where a line does not begin with what the line before it left, apart from what is only read along."""
    left, found = _fields("before", stands), _fields("before", entry.before)
    for what in left:
        if what.removeprefix("before.") not in rows.READ_ALONG and left[what] != found[what]:
            yield Difference(what, found[what], left[what])


def _parts(of: JournalEntry | Transition) -> Mapping[str, object]:
    """What makes up a decision, as plain JSON, by name."""
    finding = rows.finding_json(of.finding)
    return {
        "transition": str(of.verb),
        "cause": str(of.cause),
        "at": of.at.isoformat(),
        "by": of.by,
        "reason": of.reason,
        "finding": None if finding is None else orjson.loads(finding),
        **_fields("after", of.after),
    }


def _fields(label: str, state: RolloutState) -> dict[str, object]:
    return {f"{label}.{name}": value for name, value in orjson.loads(rows.state_json(state)).items()}


def _shown(name: str, found: Sequence[Replayed]) -> Group:
    wrong = [one for one in found if not one.identical]
    decisions = "1 decision" if len(found) == 1 else f"{len(found):,} decisions"
    verdict = f"{len(wrong):,} not identical" if wrong else "identical"
    title = Text.assemble((name, "bold"), f"  {decisions} derived anew: ", (verdict, "red" if wrong else "green"))
    table = render.plain_table("rev", "at (UTC)", "what", "rests on", "derived anew")
    for one in found:
        at = render.instant(one.entry.at.isoformat())
        verdict = "identical" if one.identical else "\n".join(map(_words, one.differences))
        told = Text(verdict, "" if one.identical else "red")
        table.add_row(str(one.entry.revision), at, render.words(one.entry.verb), _basis(one.entry), told)
    return Group(title, table) if found else Group(title)


def _basis(entry: JournalEntry) -> str:
    return f"{entry.cause}{_judged(entry.evidence)}".replace("_", " ")


def _judged(evidence: Evidence) -> str:
    count = len(evidence.findings)
    return f" · {count} finding{'' if count == 1 else 's'}" if count else ""


def _words(difference: Difference) -> str:
    return f"{difference.what}: {difference.stored} stored, {difference.derived} derived"
