"""Registering what Prefect may run, and running it: one runner here, or a process work pool that workers share.

`python -m flows.deploy` serves everything from this process. `python -m flows.deploy POOL` makes the process work pool
where it is missing and registers everything to it, for `prefect worker start --pool POOL` on any machine that has the
store.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from prefect import Flow, serve
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, Pause
from prefect.types.entrypoint import EntrypointType

from flows import runs
from flows.operate import FORMS
from flows.rollout import rollout

ABREAST = 30
POLL = 2.0
PATIENCE = 120.0

logger = logging.getLogger(__name__)


def deployments(pool: str | None = None) -> Iterator[RunnerDeployment]:
    """Rollouts and every form, each under its flow's name, found by module so that any folder will do to start in."""
    yield _deployment(rollout, pool, [])
    for form in FORMS:
        yield _deployment(form, pool, ["operate"])


def main() -> None:
    """Serve here, or register to the work pool that is named."""
    _await_server()
    if len(sys.argv) > 1:
        register(sys.argv[1])
    else:
        serve_on()


def serve_on() -> None:
    """Serve until told to stop.

    A run that is suspended while the runner picks it up ends Prefect's runner: it hears `Pause` where it asked for
    `Pending`, and lets no such signal pass. The next one finds everything as it is.
    """
    while True:
        try:
            serve(
                *deployments(), limit=ABREAST, pause_on_shutdown=False, print_starting_message=False, query_seconds=POLL
            )
        except BaseExceptionGroup as group:
            _, other = group.split(Pause)
            if other is not None:
                raise
            logger.warning("a run was suspended while it was picked up; serving again")
        else:
            return


def register(pool: str) -> None:
    """Make the process work pool and put every deployment on it; what exists is brought up to date."""
    with runs.prefect() as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    for deployment in deployments(pool):
        deployment.apply()


def _deployment(one: Flow[Any, Any], pool: str | None, tags: list[str]) -> RunnerDeployment:
    where = EntrypointType.MODULE_PATH
    made = one.to_deployment(one.name, tags=tags, work_pool_name=pool, entrypoint_type=where)
    assert isinstance(made, RunnerDeployment)  # noqa: S101 - a coroutine only where a loop is running
    return made


def _await_server() -> None:
    """Wait for Prefect's server, which starts beside this process; raises TimeoutError when it never answers."""
    deadline = time.monotonic() + PATIENCE
    while not runs.answers():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no Prefect server answers after {PATIENCE:g} s; is PREFECT_API_URL right?")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
