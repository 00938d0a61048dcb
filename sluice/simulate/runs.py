"""Rehearsals by the number: each in a store of its own, each with its own share of one seed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from random import Random
from typing import cast

from sqlalchemy import Engine

from gates.judge import settle, unsupported
from gates.planner import Traffic
from plans.schema import Plan
from sluice.errors import RefusedError
from sluice.sharing import shared
from sluice.simulate.faults import Fault, Spell, check, spells
from sluice.simulate.outcome import Tally, tally
from sluice.simulate.stage import Ended, rehearse, starts
from sluice.simulate.traffic import Stream
from state.database import connect, migrate
from state.store import Store

PROCESS = "rehearsal"
HANDFUL = 5  # runs that a core takes at a time
WORTHWHILE = 20  # runs; with fewer the cores would spend their time on starting
MEMORY = "sqlite://"  # a real SQLite database, which is gone afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is rehearsed: a plan submitted at an instant, its traffic, what goes wrong, and the seed of all chance."""

    plan: Plan
    text: str
    traffic: Traffic
    spells: tuple[Spell, ...]
    submitted: datetime
    seed: int


def prepared(plan: Plan, text: str, traffic: Traffic, faults: Sequence[Fault], submitted: datetime, seed: int) -> Case:
    """A case that can be rehearsed; raises RefusedError for what cannot be judged, or for a fault that cannot be."""
    if problems := unsupported(plan):
        raise RefusedError(f"{plan.name} cannot be rehearsed yet: {'; '.join(problems)}")
    for fault in faults:
        check(fault, plan, traffic)
    dated = spells(faults, plan, starts(plan, submitted))
    return Case(plan=concrete(plan), text=text, traffic=traffic, spells=dated, submitted=submitted, seed=seed)


def one(case: Case) -> Ended:
    """The first run of a case."""
    with stores() as empty:
        return _run(next(empty), case, 0)


def many(case: Case, runs: int, cores: int = 1) -> Iterator[Tally]:
    """So many runs in their order, the first being that of `one`; on several cores they come in handfuls."""
    if cores < 2 or runs < WORTHWHILE:  # noqa: PLR2004 - one core is none to share with
        yield from _these(case, range(runs))
        return
    yield from shared(partial(_share, case), runs, cores, HANDFUL)


def _share(case: Case, runs: range) -> list[Tally]:
    """A worker's handful."""
    return list(_these(case, runs))


def _these(case: Case, runs: range) -> Iterator[Tally]:
    with stores() as empty:
        for run, store in zip(runs, empty, strict=False):
            yield tally(_run(store, case, run), case.traffic, case.spells)


def _run(store: Store, case: Case, run: int) -> Ended:
    stream = Stream(case.plan, case.traffic, case.spells, Random(f"{case.seed}/{run}"))  # noqa: S311 - a rehearsal
    return rehearse(store, case.plan, case.text, stream, case.submitted)


@contextmanager
def stores() -> Iterator[Iterator[Store]]:
    """One empty store after another; each takes the place of the one before, so that statements stay prepared."""
    empty, engine = connect(MEMORY), connect(MEMORY)
    try:
        migrate(empty)
        yield (_emptied(engine, empty) for _ in count())
    finally:
        empty.dispose()
        engine.dispose()


def _emptied(engine: Engine, empty: Engine) -> Store:
    """A store with its tables and nothing in them."""
    source, target = empty.raw_connection(), engine.raw_connection()
    try:
        cast("sqlite3.Connection", source.driver_connection).backup(
            cast("sqlite3.Connection", target.driver_connection)
        )
    finally:
        source.close()
        target.close()
    return Store(engine, PROCESS, settle)


def concrete(plan: Plan) -> Plan:
    """The plan for a flag that nobody has heard of: what `stable: current` is makes no difference to a rehearsal."""
    return plan.model_copy(update={"stable": dict(plan.candidate)}) if plan.stable == "current" else plan
