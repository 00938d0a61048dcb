"""`sluice serve`: one plan's flags over OFREP and nothing else, for an application's own tests.

There is no store, no rollout and no Prefect: what is served stands still, and what is tracked is printed.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn
from pydantic import JsonValue

from plans.load import Known, digest
from plans.schema import Plan
from rollout import moves
from rollout.counting import event_names
from rollout.decide import initial
from rollout.exposure import Flag, served
from rollout.model import FULL, Cause, RolloutState, Verb
from rollout.moves import Why
from serving.app import routed
from serving.asgi import App, Receive, Scope, Send, json_answer, read_body
from serving.flags import FlagSet
from serving.guard import Guard, loopback
from serving.http1 import Http1
from serving.ofrep import ofrep_app
from serving.outcomes import BatchError, read, receipt_json
from sluice import options, plan_files
from sluice.errors import UsageError
from sluice.options import PlanFile, Port
from sluice.settings import Settings
from sluice.up import check_port
from state.outcomes import Outcome, Receipt, Unheard

Say = Callable[[str], None]
ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
PINNED: Mapping[str, Mapping[str, Any]] = {
    "candidate": {"enabled": True, "active": True, "exposure": FULL, "allow": (), "block": ()},
    "stable": {"enabled": True, "active": True, "exposure": 0, "allow": (), "block": ()},
    "off": {"enabled": False},
}
GRACE_SECONDS = 1


class Pin(StrEnum):
    """What `serve` gives everyone."""

    CANDIDATE = "candidate"
    STABLE = "stable"
    OFF = "off"


def serve(
    file: PlanFile,
    *,
    pin: Annotated[Pin | None, typer.Option(help="Give everyone this.", show_default=False)] = None,
    phase: Annotated[str | None, typer.Option(help="In this phase (default: the first).", show_default=False)] = None,
    port: Port = None,
) -> None:
    """Serve a plan's flags over OFREP alone, printing tracked events: for an application's own tests."""
    plan = plan_files.loaded(file, Known(offline=True))
    run(plan, pin, phase, options.settings(port=port), typer.echo)


def run(plan: Plan, pin: str | None, phase: str | None, settings: Settings, say: Say) -> None:
    """Serve until SIGINT or SIGTERM; raises UnreachableError where the port is taken."""
    flag = pinned(plan, pin, phase)
    if not loopback(settings.host):
        raise UsageError(f"host {settings.host}: `sluice serve` is for this machine alone; it knows no keys")
    check_port(settings.host, settings.port, "--port")
    config = uvicorn.Config(
        application(plan, flag, say),
        host=settings.host,
        port=settings.port,
        http=Http1,
        lifespan="off",
        log_level="error",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    Server(config, (f"{plan.flag}  {settings.url}  ({_course(flag, pin)})", "ready"), say).run()


class Server(uvicorn.Server):
    """uvicorn, saying that it is ready once it listens, and ending quietly however early it is told to."""

    def __init__(self, config: uvicorn.Config, greeting: Sequence[str], say: Say) -> None:
        super().__init__(config)
        self._greeting, self._say = greeting, say
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._leave)  # uvicorn hands its signal back here once it has stopped

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then greet."""
        await super().startup(sockets)
        for line in self._greeting:
            self._say(line)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        self.should_exit = True


def pinned(plan: Plan, pin: str | None, phase: str | None) -> Flag:
    """What the plan's flag serves in a phase, or the one thing that everyone gets.

    Raises UsageError for a phase that the plan does not have.
    """
    names = [one.name for one in plan.phases]
    if phase is not None and phase not in names:
        raise UsageError(f"--phase {phase}: {plan.name} has {', '.join(names)}")
    flag = served(plan, _in_phase(plan, names.index(phase) if phase else 0), digest(plan))
    return replace(flag, **PINNED[pin]) if pin else flag


def application(plan: Plan, flag: Flag, say: Say) -> App:
    """OFREP and `/v1/track` over one flag."""
    return routed(Guard(), ofrep_app(FlagSet([flag])), _printing(plan, say), _nothing_else)


def _in_phase(plan: Plan, phase: int) -> RolloutState:
    """The rollout as it enters a phase, with the adjustments of the phases before."""
    why = Why(cause=Cause.SCHEDULE, reason="served alone")
    state = moves.enter(Verb.START, plan, initial(plan, ANY_TIME), phase, ANY_TIME, why).after
    changes: dict[str, JsonValue] = {}
    for earlier in plan.phases[:phase]:
        for adjustment in earlier.adjust:
            changes |= adjustment.set
    return replace(state, settings={**plan.candidate, **changes})


def _printing(plan: Plan, say: Say) -> App:
    known = event_names(plan)

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        try:
            found = read(await read_body(receive))
        except BatchError as error:
            await json_answer(400, {"error": str(error)})(send)
            return
        for outcome in found.outcomes:
            say(_line(outcome))
        unknown = tuple(
            Unheard(event, next(iter(get_close_matches(event, known, 1)), None))
            for event in dict.fromkeys(outcome.event for outcome in found.outcomes)
            if event not in known
        )
        await json_answer(202, receipt_json(found, Receipt(accepted=len(found.outcomes), unknown=unknown)))(send)

    return app


def _line(outcome: Outcome) -> str:
    value = "" if outcome.value is None else f" {outcome.value:g}"
    return f"{outcome.flag}  {outcome.key or '-'}  {outcome.event}{value}"


async def _nothing_else(_scope: Scope, _receive: Receive, send: Send) -> None:
    await json_answer(404, {"error": "`sluice serve` has OFREP and /v1/track alone; `sluice up` has everything"})(send)


def _course(flag: Flag, pin: str | None) -> str:
    return f"everyone gets {pin}" if pin else f"phase {flag.phase}, {flag.exposure / 1000:g} % get the candidate"
