"""Prefect runs of rollouts: finding, making, naming and ending them over Prefect's API.

A run belongs to one promise of one rollout: a rollout that is resumed after a revert gets a new run of the same name.
Which promise a run belongs to is read from its idempotency key, so that making a run twice gives the same run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, DeploymentStatus, FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectException
from prefect.settings import PREFECT_API_URL

DEPLOYMENT = "rollout/rollout"
PAGE = 200
OPEN_STATES = [kind for kind in StateType if kind not in TERMINAL_STATES]

UNREACHABLE: tuple[type[Exception], ...] = (httpx.HTTPError, PrefectException, OSError)
"""What a call to Prefect raises when the server is down, restarting or overloaded."""


@contextmanager
def prefect() -> Iterator[SyncPrefectClient]:
    """A client of the server at `PREFECT_API_URL`."""
    with get_client(sync_client=True) as client:
        yield client


def answers() -> bool:
    """Whether the server at `PREFECT_API_URL` answers now."""
    try:
        return httpx.get(f"{PREFECT_API_URL.value()}/health", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def served(client: SyncPrefectClient) -> bool:
    """Whether a runner or worker has lately asked for runs of rollouts."""
    try:
        return client.read_deployment_by_name(DEPLOYMENT).status is DeploymentStatus.READY
    except ObjectNotFound:
        return False


def deployment(client: SyncPrefectClient) -> UUID | None:
    """The deployment that rollout runs are made from, None until a runner has registered it."""
    try:
        return client.read_deployment_by_name(DEPLOYMENT).id
    except ObjectNotFound:
        return None


def key(name: str, promise: int) -> str:
    """What makes a run unique: the rollout, and the promise that this run is to keep."""
    return f"sluice:{name}:{promise}"


def promise(run: FlowRun) -> int | None:
    """The promise a run was made for, None for runs that somebody started by hand."""
    parts = (run.idempotency_key or "").split(":")
    return int(parts[2]) if len(parts) == 3 and parts[0] == "sluice" and parts[2].isdecimal() else None  # noqa: PLR2004


def rollout_name(run: FlowRun) -> str:
    """The rollout a run is for, by its parameter: the run's own name can be edited in the UI."""
    return str(run.parameters.get("name", ""))


def make(client: SyncPrefectClient, deployed: UUID, name: str, kept: int, state: State, tags: Sequence[str]) -> FlowRun:
    """The run of a rollout's promise: made in `state` where it does not exist, found where it does."""
    return client.create_flow_run_from_deployment(
        deployed, parameters={"name": name}, name=name, idempotency_key=key(name, kept), state=state, tags=tags
    )


def find(client: SyncPrefectClient, run: UUID) -> FlowRun | None:
    """The run as it is now, None where somebody deleted it."""
    try:
        return client.read_flow_run(run)
    except ObjectNotFound:
        return None


def open_runs(client: SyncPrefectClient, deployed: UUID) -> list[FlowRun]:
    """Every run of the deployment that has not ended."""
    return _runs(client, deployed, FlowRunFilter(state=_state(OPEN_STATES)))


def ended_runs(client: SyncPrefectClient, deployed: UUID, since: datetime) -> list[FlowRun]:
    """The runs that ended after `since`, latest state included."""
    ended = FlowRunFilterEndTime.model_validate({"after_": since})
    return _runs(client, deployed, FlowRunFilter(state=_state(list(TERMINAL_STATES)), end_time=ended))


def runs_by_id(client: SyncPrefectClient, deployed: UUID, ids: list[UUID]) -> list[FlowRun]:
    """Those of the runs that still exist."""
    pages = [ids[at : at + PAGE] for at in range(0, len(ids), PAGE)]
    return [run for page in pages for run in _runs(client, deployed, FlowRunFilter(id=FlowRunFilterId(any_=page)))]


def force(client: SyncPrefectClient, run: UUID, state: State) -> None:
    """Put a run into a state whatever Prefect's own rules say, keeping the state's name."""
    client.set_flow_run_state(run, state, force=True)


def drop(client: SyncPrefectClient, run: UUID) -> None:
    """Delete a run, if it is there."""
    try:
        client.delete_flow_run(run)
    except ObjectNotFound:
        return


def age(run: FlowRun, real: datetime) -> timedelta:
    """How long the run has been in its present state."""
    return real - run.state.timestamp if run.state else timedelta.max


def read_input(client: SyncPrefectClient, run: UUID, name: str) -> object:
    """What was answered to a form field set by name, None where nothing was."""
    try:
        text = client.read_flow_run_input(run, name)
    except ObjectNotFound:
        return None
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return None
        raise
    answer: object = json.loads(text)
    return answer


def write_input(client: SyncPrefectClient, run: UUID, name: str, value: object) -> None:
    """Keep a value with the run under `name`, in place of what was there."""
    drop_input(client, run, name)
    try:
        client.create_flow_run_input(run, name, json.dumps(value))
    except (ObjectAlreadyExists, httpx.HTTPStatusError) as error:
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code != httpx.codes.CONFLICT:
            raise


def drop_input(client: SyncPrefectClient, run: UUID, name: str) -> None:
    """Forget what is kept with the run under `name`."""
    try:
        client.delete_flow_run_input(run, name)
    except ObjectNotFound:
        return
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise


def show(client: SyncPrefectClient, run: UUID | None, name: str, text: str, about: str) -> None:
    """Put a Markdown page on the run; the latest of a name stands for it."""
    client.create_artifact(ArtifactCreate(key=name, type="markdown", description=about, data=text, flow_run_id=run))


def show_progress(client: SyncPrefectClient, run: UUID, name: str, share: float, about: str) -> None:
    """Put a bar on the run, filled to `share` percent."""
    made = ArtifactCreate(key=name, type="progress", description=about, data=share, flow_run_id=run)
    client.create_artifact(made)


def shown(client: SyncPrefectClient, run: UUID) -> Mapping[str, str]:
    """What the latest artifact of each key on the run says it is.

    Asked by hand: the client's own call sends empty filters, which the server refuses (422).
    """
    wanted = {"artifacts": {"flow_run_id": {"any_": [str(run)]}}, "sort": "CREATED_DESC", "limit": PAGE}
    found = client.request("POST", "/artifacts/filter", json=wanted).json()
    return {one["key"]: one["description"] or "" for one in reversed(found) if one["key"]}


def _state(kinds: list[StateType]) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=kinds))


def _runs(client: SyncPrefectClient, deployed: UUID, wanted: FlowRunFilter) -> list[FlowRun]:
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=wanted,
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployed])),
            sort=FlowRunSort.ID_DESC,
            limit=PAGE,
            offset=len(found),
        )
        found += page
        if len(page) < PAGE:
            return found
