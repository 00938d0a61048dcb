"""The Prefect flow of one rollout: one run from submit to end, awake only when something is due.

Every entry reads the store first, so that a run that was lost, doubled, retried or entered late does what is true now.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from prefect import flow, get_run_logger, runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import Pause
from prefect.states import Completed, Failed

from flows import approvals, runs
from flows.advance import advance
from flows.answers import take_answer
from flows.appearance import ended, short, wanted
from flows.artifacts import publish
from flows.house import House, open_house
from flows.identity import codes
from flows.reconcile import lease_name
from rollout.decide import due
from rollout.describe import effect
from rollout.model import Transition
from state.store import Rollout, UnknownError

PROCESS = "rollout run"
LONGEST_VISIT = 60.0
SHORTEST_REST = 0.25


@flow(name="rollout", persist_result=False)
def rollout(name: str) -> None:
    """Take a rollout as far as it will go now, then sleep until its next due time or until a person has answered.

    There is no process in between: the run puts itself back to Scheduled or Suspended and leaves. An end is set the
    same way, so that its name is what happened.
    """
    house = open_house(PROCESS)
    run = UUID(str(runtime.flow_run.id))
    with runs.prefect() as client:
        state = attend(house, client, run, name)
        runs.force(client, run, state)
    raise Pause(state=state)


def attend(house: House, client: SyncPrefectClient, run: UUID, name: str) -> State:
    """Do what is due for the rollout and give the state that its run should leave with."""
    try:
        promise = house.store.rollout(name).state.promise
    except UnknownError as unknown:
        return Failed(name=short(str(unknown)))
    found = runs.find(client, run)
    if found is None or runs.promise(found) != promise:
        return Completed(name=short(f"Not the run of {name}: nothing done"))
    with at_work(house, name, run):
        visited = visit(house, client, run, name)
    publish(client, run, house.store, visited, house.clock.now())
    if not visited.state.status.live:
        return ended(visited.state, house.store.journal(name))
    look = wanted(visited.plan, visited, house.clock)
    if look.type is StateType.PAUSED:
        approvals.ask(client, run, visited.plan, visited.state, visited.evidence, house.page(name), codes(house))
    return look


def visit(house: House, client: SyncPrefectClient, run: UUID, name: str) -> Rollout:
    """Pass after pass, waiting out a remainder of a few seconds rather than leaving for it."""
    leave = time.monotonic() + LONGEST_VISIT
    while True:
        hold_lease(house, name, run)
        take_answer(house, client, run, house.store.rollout(name).state)
        made = advance(house.store, house.clock, name, house.collect)
        visited = house.store.rollout(name)
        log(house, visited, made)
        rest = remainder(house, visited)
        if rest is None or rest > house.pace.wait_out or time.monotonic() + rest > leave:
            return visited
        time.sleep(max(rest, SHORTEST_REST))


def log(house: House, visited: Rollout, made: Sequence[Transition]) -> None:
    """Tell each transition on the run's page, which shows a sleeping run no artifacts, and where to see more."""
    for transition in made:
        words = effect(visited.plan, transition.before, transition.after)
        get_run_logger().info("%s: %s", str(transition.verb).replace("_", " "), words)
    if made and (page := house.page(visited.name)):
        get_run_logger().info("evidence and charts: %s", page)


def remainder(house: House, visited: Rollout) -> float | None:
    """Real seconds until the next step is due; None where none is dated, or where one is due and not taken."""
    now = house.clock.now()
    step = due(visited.plan, visited.state, now)
    if step is None or step.at <= now:
        return None
    return house.clock.due_in_real(step.at)


def hold_lease(house: House, name: str, run: UUID) -> None:
    """Say that a process is at work, so that nobody takes the run for dead."""
    real = house.clock.real()
    house.store.take_lease(lease_name(name), str(run), real, real + timedelta(seconds=house.pace.lease))


@contextmanager
def at_work(house: House, name: str, run: UUID) -> Iterator[None]:
    """Give the lease back at the end, whatever happened."""
    try:
        yield
    finally:
        house.store.release(lease_name(name), str(run))
