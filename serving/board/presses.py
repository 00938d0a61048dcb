"""What a signed-in person may press on a rollout's page, each press with its effect in words before it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rollout.amending import amended_plan, changes, in_words
from rollout.approving import amendment, progress
from rollout.commands import carry_out, refusal
from rollout.describe import effect, percent, title
from rollout.model import Command, Status, Verb
from serving.desk import Desk
from serving.shapes import Why
from state import step
from state.credentials import Key, scope_of
from state.errors import RefusedError
from state.rows import Rollout
from state.seen import Seen
from state.store import Store

VERBS = (Verb.APPROVE, Verb.AMEND, Verb.RESUME, Verb.RESTORE, Verb.HOLD, Verb.ABORT, Verb.KILL)
NOTHING: Mapping[str, object] = MappingProxyType({})
ON_FLAG = frozenset({Verb.KILL, Verb.RESTORE})
CAUTIOUS = frozenset({Verb.HOLD, Verb.ABORT, Verb.KILL})
"""These lower exposure or keep it, so they count whatever has happened since the page was shown."""
NEEDS_REASON = frozenset({Verb.RESUME, Verb.ABORT, Verb.KILL})


class Pressed(BaseModel):
    """What the form of a button sends: the revision, the question and the waiting amendment that the page showed."""

    model_config = ConfigDict(extra="forbid")

    verb: Literal[Verb.APPROVE, Verb.AMEND, Verb.RESUME, Verb.RESTORE, Verb.HOLD, Verb.ABORT, Verb.KILL]
    reason: Why = ""
    revision: int
    question: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """One button: its verb, what pressing it does to whom, and whether it wants a reason."""

    verb: str
    effect: str
    needs_reason: bool
    cautious: bool


def presses(store: Store, rollout: Rollout, key: Key | None, now: datetime) -> tuple[Press, ...]:
    """The buttons that the key and the state of the rollout allow; none for somebody who is not signed in."""
    return () if key is None else tuple(_allowed(store, rollout, key, now))


def withheld(rollout: Rollout, key: Key | None, now: datetime) -> str | None:
    """Why the signed-in person may not answer the open question though their key may approve; None where they may."""
    if key is None or not key.may(scope_of(Verb.APPROVE)) or rollout.state.status is not Status.AWAITING_APPROVAL:
        return None
    return refusal(rollout.plan, rollout.state, rollout.evidence, _asked(Verb.APPROVE, key, now), now)


def agree(desk: Desk, name: str, digest: str, key: Key, reason: str) -> int:
    """Say yes to the amendment that the person saw; gives the revision, raises RefusedError where another waits."""
    return int(desk.approve_amendment(name, digest, key.who, reason, person=key.person)["revision"])


def press(desk: Desk, name: str, verb: Verb, key: Key, reason: str, seen: Seen) -> int:
    """Carry a press out; gives the revision that the rollout is at then.

    Raises RefusedError where the rollout is not any more what the person saw, unless the press is a cautious one.
    """
    rollout = desk.store.rollout(name)
    if verb in NEEDS_REASON and not reason:
        raise RefusedError(f"{verb}: give a reason; it is kept in the journal")
    if verb not in ON_FLAG:
        bound = Seen() if verb in CAUTIOUS else seen if verb is Verb.APPROVE else Seen(revision=seen.revision)
        told = desk.command(name, verb, key.who, reason, bound, {}, check=False, person=key.person)
        return int(told["revision"])
    if verb not in CAUTIOUS and seen.revision != rollout.state.revision:
        raise RefusedError(
            f"stale: you saw revision {seen.revision}, {name} is at {rollout.state.revision}; look again"
        )
    (desk.kill if verb is Verb.KILL else desk.restore)(rollout.state.flag, key.who, reason)
    return desk.store.rollout(name).state.revision


def _allowed(store: Store, rollout: Rollout, key: Key, now: datetime) -> Iterator[Press]:
    for verb in VERBS:
        effect_of = partial(_agreed, store) if verb is Verb.AMEND else partial(_effect, verb=verb)
        if key.may(scope_of(verb)) and (words := effect_of(rollout=rollout, key=key, now=now)) is not None:
            yield Press(str(verb), words, verb in NEEDS_REASON, verb in CAUTIOUS)


def _asked(verb: Verb, key: Key, now: datetime, args: Mapping[str, object] = NOTHING) -> Command:
    return Command(id=0, verb=verb, by=key.who, reason="asked", at=now, person=key.person, args=args)


def _agreed(store: Store, rollout: Rollout, key: Key, now: datetime) -> str | None:
    """What a yes to the waiting amendment would do, change by change; None where none waits or it would be refused."""
    plan, state = rollout.plan, rollout.state
    if state.proposal is None:
        return None
    asked = _asked(Verb.AMEND, key, now, step.agreeing(store, state.proposal))
    if refusal(plan, state, rollout.evidence, asked, now):
        return None
    after = carry_out(plan, state, rollout.evidence, asked, now).after
    comes_to = "in force at once" if after.proposal is None else progress(plan, amendment(after))
    return f"{comes_to}: {in_words(changes(plan, state, amended_plan(asked)))}"


def _effect(rollout: Rollout, verb: Verb, key: Key, now: datetime) -> str | None:
    """What a press would do, None where it would be refused."""
    plan, state = rollout.plan, rollout.state
    if verb in ON_FLAG:
        killed = verb is Verb.KILL
        return None if state.killed is killed else _switch(rollout, killed=killed)
    asked = _asked(verb, key, now)
    if refusal(plan, state, rollout.evidence, asked, now):
        return None
    after = carry_out(plan, state, rollout.evidence, asked, now).after
    told = effect(plan, state, after)
    if verb is Verb.APPROVE and not after.approved:
        return told
    if verb is Verb.APPROVE:
        grows = f"{percent(plan.exposure(state.phase))} → {percent(plan.exposure(state.phase + 1))}"
        return f"{title(plan.phases[state.phase].name)} may end: exposure {grows} once nothing else stands against it"
    if verb is Verb.HOLD:
        return f"{told}; exposure stays where it is until somebody resumes, and the guard goes on watching"
    return f"{told}; it goes on from there" if verb is Verb.RESUME else told


def _switch(rollout: Rollout, *, killed: bool) -> str:
    plan, state = rollout.plan, rollout.state
    if not state.status.live and state.status is not Status.COMPLETED:
        return f"{plan.flag} is {'off' if killed else 'on again'} for everyone, whatever its rollouts do"
    return effect(plan, state, replace(state, killed=killed))
