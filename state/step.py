"""What command line, HTTP and forms share: one rollout taken as far as it will go, and one command answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import orjson
from pydantic import JsonValue

from plans.load import Known, digest, loads, to_json
from plans.schema import Plan
from rollout.decide import decide, refusal
from rollout.describe import effect
from rollout.model import Command, Evidence, Transition, Verb
from rollout.proposing import Proposal
from state.errors import RefusedError, StaleStateError, UnknownError
from state.seen import NOTHING, Seen
from state.store import Rollout, Store, Submitted
from state.tables import CommandStatus

MOST = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """Evidence of this very pass: what was judged, the memory it leaves, and the version it was judged from."""

    evidence: Evidence
    memory: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command: the revision it made and its effect in words, or why it was refused.

    `revision` is the rollout's as it stands after the answer.
    """

    accepted: bool
    revision: int
    effect: str
    why: str | None = None


def step(store: Store, name: str, now: datetime, judged: Judged | None = None) -> tuple[Transition, ...]:
    """Carry out what is due and what was asked until nothing is left; gives the transitions made.

    Evidence that was judged from an older version than the store's is left aside. Raises UnknownError.
    """
    made: list[Transition] = []
    for _ in range(MOST):
        rollout = store.rollout(name)
        evidence, memory = _latest(rollout, None if made else judged)
        try:
            transition = _one(store, rollout, evidence, memory, now)
        except StaleStateError:
            continue
        if transition is None:
            break
        made.append(transition)
    return tuple(made)


def command(  # noqa: PLR0913 - what a command is made of
    store: Store,
    name: str,
    verb: Verb,
    by: str,
    reason: str,
    now: datetime,
    *,
    seen: Seen = NOTHING,
    args: Mapping[str, JsonValue] | None = None,
    person: str | None = None,
) -> Outcome:
    """Ask something of a rollout and answer at once; `args` are the verb's own words: `settings`, `duration`, `phase`.

    `person` is whom the one who asks is known to be, None where nobody vouches for that.
    Raises UnknownError for a rollout that was never submitted.
    """
    asked = store.add_command(name, verb, by, reason, now, seen=seen, args=args, person=person)
    step(store, name, now)
    return answer(store, name, asked)


def answer(store: Store, name: str, asked: Command) -> Outcome:
    """What became of a command, which may still be waiting for its turn."""
    found = store.asked(asked.id)
    rollout = store.rollout(name)
    if found.status is CommandStatus.DONE and found.revision is not None:
        entry = next(entry for entry in store.journal(name) if entry.revision == found.revision)
        return Outcome(True, rollout.state.revision, effect(rollout.plan, entry.before, entry.after))
    why = found.outcome or "not carried out yet: something else comes first"
    return Outcome(False, rollout.state.revision, "", why)


def rollback(store: Store, flag: str, by: str, reason: str, now: datetime) -> Outcome:
    """Give a flag back the stable it had before its last completed rollout.

    Raises UnknownError for an unknown flag, RefusedError where no rollout of it was completed.
    """
    store.stable(flag)
    served = store.flag(flag)
    if served is None or served.rollout is None:
        raise RefusedError(f"flag {flag} has had no rollout, so there is nothing to roll back")
    return command(store, served.rollout, Verb.ROLLBACK, by, reason, now)


def amend(
    store: Store,
    name: str,
    text: str,
    by: str,
    reason: str,
    now: datetime,
    *,
    known: Known | None = None,
    file: str = "plan.yaml",
) -> Outcome:
    """Change the plan of a live rollout; what is looser waits as a proposal.

    Raises PlanError with every problem of the text, UnknownError for a rollout that was never submitted.
    """
    return command(store, name, Verb.AMEND, by, reason, now, args=amendment(store, name, text, known=known, file=file))


def amendment(
    store: Store, name: str, text: str, *, known: Known | None = None, file: str = "plan.yaml", waits: bool = False
) -> dict[str, JsonValue]:
    """The words of a command that amends a rollout's plan to this text; `stable: current` is what the plan has.

    With `waits` even what is stricter waits for an approval.
    """
    plan = loads(text, file, known or Known())
    rollout = store.rollout(name)
    concrete = plan.model_copy(update={"stable": rollout.plan.stable}) if plan.stable == "current" else plan
    words: dict[str, JsonValue] = {"digest": digest(plan), "plan": orjson.loads(to_json(concrete)), "text": text}
    return words | ({"waits": True} if waits else {})


def approve_amendment(
    store: Store, name: str, digest_: str, by: str, reason: str, now: datetime, *, person: str | None = None
) -> Outcome:
    """Say yes to the amendment that waits, which puts it in force once enough have; `digest_` begins as its digest.

    Raises RefusedError where none waits, or another one.
    """
    waiting = store.rollout(name).state.proposal
    if waiting is None:
        raise RefusedError(f"no amendment of {name} waits for an approval")
    if not digest_ or not waiting.digest.startswith(digest_):
        raise RefusedError(
            f"the amendment that waits is {waiting.digest[:12]}, not {digest_}; look at it, then approve that"
        )
    given = agreeing(store, waiting)
    return command(store, name, Verb.AMEND, by, reason or waiting.reason, now, args=given, person=person)


def agreeing(store: Store, waiting: Proposal) -> dict[str, JsonValue]:
    """What a yes to an amendment that waits asks for: exactly what was proposed."""
    args = dict(store.asked(waiting.command).command.args) | {"approves": True}
    return cast("dict[str, JsonValue]", args)


def put_on_list(store: Store, flag: str, verb: Verb, unit: str, by: str, reason: str, now: datetime) -> Outcome:
    """Put a unit on the allow or block list of a flag's live rollout, or take it off again.

    Raises UnknownError for an unknown flag, RefusedError where no rollout of it is live.
    """
    store.stable(flag)
    served = store.flag(flag)
    name = None if served is None else served.rollout
    if name is None or not store.rollout(name).state.status.live:
        raise RefusedError(
            f"flag {flag} has no live rollout, so everyone has the same; there is no list to put {unit} on"
        )
    return command(store, name, verb, by, reason, now, args={"unit": unit})


def submit(  # noqa: PLR0913 - what a submission is made of
    store: Store,
    text: str,
    by: str,
    now: datetime,
    *,
    known: Known | None = None,
    file: str = "plan.yaml",
    reason: str = "",
    unsupported: Callable[[Plan], Sequence[str]] = lambda _plan: (),
    person: str | None = None,
) -> Submitted:
    """Read a plan and store it as a rollout; `unsupported` names what of a valid plan cannot be judged here.

    Raises PlanError with every problem of the text, RefusedError for what contradicts the store.
    """
    plan = loads(text, file, known or Known())
    if problems := tuple(unsupported(plan)):
        raise RefusedError(f"{plan.name} cannot be judged yet: {'; '.join(problems)}")
    return store.submit(plan, text, by, now, reason, person=person)


def _latest(rollout: Rollout, judged: Judged | None) -> tuple[Evidence, str | None]:
    """The evidence of the pass itself while nothing newer is stored; a commit of the pass stored it already."""
    if judged is None or judged.version != rollout.evidence_version:
        return rollout.evidence, rollout.memory
    return judged.evidence, judged.memory


def _one(store: Store, rollout: Rollout, evidence: Evidence, memory: str | None, now: datetime) -> Transition | None:
    """One transition, or the answers to what cannot be done and None."""
    plan, state = rollout.plan, rollout.state
    pending = store.pending(rollout.name)
    refused = _refused(plan, rollout, evidence, pending, now)
    transition = decide(plan, state, evidence, pending, now)
    if transition is None:
        for key, why in refused.items():
            store.refuse(key, why)
        return None
    store.commit(transition, evidence, memory, rollout.evidence_version, _before(transition, refused))
    return transition


def _refused(
    plan: Plan, rollout: Rollout, evidence: Evidence, pending: Sequence[Command], now: datetime
) -> dict[int, str]:
    answers = {command.id: refusal(plan, rollout.state, evidence, command, now) for command in pending}
    return {key: why for key, why in answers.items() if why is not None}


def _before(transition: Transition, refused: Mapping[int, str]) -> dict[int, str]:
    """Refusals that a transition does not outdate: those of commands older than the one it carries out."""
    newest = max(transition.consumes, default=0)
    return {key: why for key, why in refused.items() if key < newest}


__all__ = [
    "Judged",
    "Outcome",
    "UnknownError",
    "amend",
    "amendment",
    "answer",
    "approve_amendment",
    "command",
    "put_on_list",
    "rollback",
    "step",
    "submit",
]
