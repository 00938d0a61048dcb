"""Keeping Prefect equal to the store: runs made, named, woken, ended, and people's clicks taken up.

Every function here may run at any time, any number of times and in several processes: it compares what is with what
should be.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Scheduled

from flows import approvals, runs, settle
from flows.answers import abort, take_answer
from flows.appearance import ended, tags, unattended, wanted
from flows.artifacts import publish
from flows.house import Deleted, House
from flows.identity import codes
from flows.settle import Move
from state.store import Live, Rollout, UnknownError
from state.tables import ClockKind

ENDED_LATELY = timedelta(minutes=10)
FORM_FIRST = timedelta(hours=1)
PAGES = 20
"""Rollouts whose pages one comparison brings up to date: after a start that may be all of them."""
DELETED = "its run was deleted in Prefect's UI"

logger = logging.getLogger(__name__)


def compare(house: House, client: SyncPrefectClient) -> None:
    """Compare every live rollout, and every run that is open or ended lately, with the store; put right the rest."""
    deployed = runs.deployment(client)
    if deployed is None:
        return
    since = house.clock.real() - ENDED_LATELY
    found = [*runs.open_runs(client, deployed), *runs.ended_runs(client, deployed, since)]
    live = {row.name: row for row in house.store.live()}
    house.notes.pages = 0
    house.notes.newest = max((row.id for row in live.values()), default=0)
    kept = _by_rollout(found, live) | _named(client, deployed, found, live)
    for row in live.values():
        settle_live(house, client, deployed, row, kept.get(row.name))
    for run in found:
        name = runs.rollout_name(run)
        if name not in live:
            settle_over(house, client, name, run)
        elif settle.outdated(live[name].state.promise, run):
            runs.force(client, run.id, State(type=StateType.CANCELLED, name="Replaced by a newer run"))


def settle_run(house: House, client: SyncPrefectClient, run_id: UUID) -> None:
    """Compare one run, of which an event told, with the store."""
    deployed, run = runs.deployment(client), runs.find(client, run_id)
    if run is None or deployed is None or run.deployment_id != deployed:
        return
    name = runs.rollout_name(run)
    row = next((row for row in house.store.live() if row.name == name), None)
    if row is None:
        settle_over(house, client, name, run)
    elif runs.promise(run) == row.state.promise:
        settle_live(house, client, deployed, row, run)


def settle_live(house: House, client: SyncPrefectClient, deployed: UUID, row: Live, run: FlowRun | None) -> None:
    """Make, dress or wake the run of a live rollout, or take up what a person did to it."""
    look = wanted(house.store.plan_of(row), row, house.clock)
    held, real = at_work(house, row.name, run), house.clock.real()
    match settle.live(row.state.promise, run, look, leased=held, pace=house.pace, real=real):
        case Move.MAKE:
            _make(house, client, deployed, row, look)
        case Move.ABORT if run is not None:
            logger.info("%s: run %s was cancelled; aborting", row.name, run.id)
            abort(house, row.name)
            settle_over(house, client, row.name, run)
        case Move.DRESS | Move.LISTEN if run is not None:
            dress(house, client, run, house.store.rollout(row.name))
        case Move.LEAVE if run is not None:
            if look.type is StateType.PAUSED:
                _refresh(house, client, run, row)
            if run.state_type is not StateType.RUNNING:
                _republish(house, client, run, row)


def settle_ended(house: House, client: SyncPrefectClient, names: Iterable[str]) -> None:
    """Give the runs of ended rollouts their proper end, however long ago they ended."""
    for name in names:
        rollout = house.store.rollout(name)
        if not rollout.state.status.live and rollout.run_id and (run := runs.find(client, UUID(rollout.run_id))):
            settle_over(house, client, name, run)


def settle_over(house: House, client: SyncPrefectClient, name: str, run: FlowRun) -> None:
    """End the run of a rollout that has ended, or give it its proper name back."""
    try:
        rollout = house.store.rollout(name)
    except UnknownError:
        return
    if rollout.state.status.live:
        return
    look = ended(rollout.state, house.store.journal(name))
    held, real = at_work(house, name, run), house.clock.real()
    move = settle.over(rollout.state.promise, run, look, leased=held, pace=house.pace, real=real)
    if move is Move.DRESS:
        publish(client, run.id, house.store, rollout, house.clock.now())
        runs.force(client, run.id, look)


def dress(house: House, client: SyncPrefectClient, run: FlowRun, rollout: Rollout) -> None:
    """Put a live rollout's run into the state it should be in; an answer that waits on it is heard first.

    A run that moved on since it was read is left to the next comparison.
    """
    take_answer(house, client, run.id, rollout.state)
    rollout = house.store.rollout(rollout.name)
    if not rollout.state.status.live:
        settle_over(house, client, rollout.name, run)
        return
    look = wanted(rollout.plan, rollout, house.clock)
    if look.type is StateType.PAUSED:
        page = house.page(rollout.name)
        approvals.ask(client, run.id, rollout.plan, rollout.state, rollout.evidence, page, codes(house))
    present = runs.find(client, run.id)
    if present is not None and present.state_id == run.state_id:
        runs.force(client, run.id, settle.earlier(run.state, look) if run.state else look)


def urgent(house: House) -> bool:
    """Whether a rollout is new, or an accelerated clock has stopped for a step that is due: each is told once.

    On a real clock a run wakes in time by itself.
    """
    now, real = house.clock.now(), house.clock.kind is ClockKind.REAL
    rows = house.store.live(after=house.notes.newest if real else 0)
    waiting = {(row.name, row.state.revision) for row in rows if row.run_id is None or unattended(row, now)}
    fresh = waiting - house.notes.attended
    house.notes.attended = waiting
    return bool(fresh)


def at_work(house: House, name: str, run: FlowRun | None) -> bool:
    """Whether a process holds the lease on a run that says it is running."""
    running = run is not None and run.state_type is StateType.RUNNING
    return running and house.store.lease(lease_name(name), house.clock.real()) is not None


def lease_name(name: str) -> str:
    """The lease that the process of a rollout's run holds."""
    return f"run:{name}"


def _refresh(house: House, client: SyncPrefectClient, run: FlowRun, row: Live) -> None:
    """Keep the evidence on an open form that of the last look."""
    if house.notes.shown.get(row.name) != row.evidence_version:
        approvals.tell(client, run.id, house.store.plan_of(row), row.state, row.evidence, house.page(row.name))
        house.notes.shown[row.name] = row.evidence_version


def _republish(house: House, client: SyncPrefectClient, run: FlowRun, row: Live) -> None:
    """Bring the run's pages up to date where the rollout moved or a verdict changed; a quiet look changes none.

    Who works on a run publishes what came of it, so this is for runs that sleep. It is noted first: comparisons and
    events come from two threads.
    """
    seen, before = f"{row.state.revision}:{row.verdicts}", house.notes.published.get(row.name)
    if before == seen or house.notes.pages >= PAGES:
        return
    house.notes.pages += 1
    house.notes.published[row.name] = seen
    try:
        publish(client, run.id, house.store, house.store.rollout(row.name), house.clock.now())
    except Exception:
        house.notes.published[row.name] = before or ""
        raise


def _make(house: House, client: SyncPrefectClient, deployed: UUID, row: Live, look: State) -> None:
    """Make the run that is missing. One that the store knew and Prefect no longer does was deleted by a person."""
    known = UUID(row.run_id) if row.run_id else None
    if known and house.deleted is Deleted.ABORT and runs.find(client, known) is None:
        abort(house, row.name, DELETED)
        return
    start = look if look.type is StateType.SCHEDULED else Scheduled(scheduled_time=house.clock.real() + FORM_FIRST)
    run = runs.make(client, deployed, row.name, row.state.promise, start, tags(house.store.plan_of(row)))
    house.store.set_run(row.name, str(run.id))
    logger.info("%s: made run %s", row.name, run.id)
    if look.type is StateType.PAUSED:
        dress(house, client, run, house.store.rollout(row.name))


def _by_rollout(found: Iterable[FlowRun], live: Mapping[str, Live]) -> dict[str, FlowRun]:
    """The run of every live rollout's present promise, among those found."""
    pairs = ((runs.rollout_name(run), run) for run in found)
    return {name: run for name, run in pairs if name in live and runs.promise(run) == live[name].state.promise}


def _named(
    client: SyncPrefectClient, deployed: UUID, found: Iterable[FlowRun], live: Mapping[str, Live]
) -> dict[str, FlowRun]:
    """The runs that the store names and that ended longer ago, by rollout."""
    have = {str(run.id) for run in found}
    missing = {row.run_id: row for row in live.values() if row.run_id and row.run_id not in have}
    older = runs.runs_by_id(client, deployed, [UUID(run_id) for run_id in missing])
    rows = ((missing[str(run.id)], run) for run in older)
    return {row.name: run for row, run in rows if runs.promise(run) == row.state.promise}
