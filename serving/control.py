"""The REST side: rollouts and switches for scripts and people, on FastAPI, described at /docs.

Handlers are plain functions over the store and run in threads, away from the loop that answers evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gates.judge import unsupported
from plans.load import Known, digest, loads
from plans.schema import Plan
from rollout.commands import carry_out
from rollout.decide import refusal
from rollout.describe import effect, status_json
from rollout.model import Command
from serving.flags import KEY
from serving.refusals import StrictRoute
from serving.shapes import Asked, AskedCommand, Who, journal_json, run_url
from state import step
from state.clock import Clock
from state.commands import Seen
from state.errors import RefusedError, UnknownError
from state.store import Rollout, Store

UNNAMED = "HTTP (unidentified)"
YAML_BODY = {"requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the control endpoints work with; `prefect` is the Prefect API's address, where runs are looked at."""

    store: Store
    clock: Clock
    environment: str = "default"
    prefect: str | None = None
    known: Known = field(default_factory=Known)

    def status(self, rollout: Rollout) -> Json:
        """One rollout as every reader gets it."""
        return status_json(
            rollout.plan,
            rollout.state,
            rollout.evidence,
            self.clock.now(),
            environment=self.environment,
            prefect_url=run_url(self.prefect, rollout),
        )


async def plan_text(request: Request) -> str:
    """The body as the text of a plan."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"the plan is not UTF-8: {error}") from error


def routes(desk: Desk) -> APIRouter:
    """Every control endpoint over one store."""
    router = APIRouter(route_class=StrictRoute, tags=["rollouts"])
    _reading(router, desk)
    _commanding(router, desk)
    _switching(router, desk)
    return router


def _reading(router: APIRouter, desk: Desk) -> None:
    @router.get("/v1/rollouts")
    def rollouts() -> list[Json]:
        """Every rollout, oldest first."""
        return [desk.status(desk.store.rollout(name)) for name in desk.store.names()]

    @router.get("/v1/rollouts/{name}")
    def rollout(name: str) -> Json:
        """One rollout: where it stands, what comes next, what is in the way, each criterion with its numbers."""
        return desk.status(_found(desk.store, name))

    @router.get("/v1/rollouts/{name}/journal")
    def journal(name: str) -> list[Json]:
        """Everything that happened to a rollout, oldest first."""
        return [journal_json(entry) for entry in desk.store.journal(_named("rollout", name))]


def _commanding(router: APIRouter, desk: Desk) -> None:
    @router.post("/v1/rollouts", openapi_extra=YAML_BODY)
    def submit(
        response: Response,
        text: Annotated[str, Depends(plan_text)],
        by: Annotated[Who, Query()] = UNNAMED,
        file: Annotated[Who, Query()] = "plan.yaml",
        *,
        check: Annotated[bool, Query()] = False,
    ) -> Json:
        """Hand in a plan: 201 where that made a rollout, 200 where it was there already or `check` was asked for."""
        if check:
            return _checked_plan(loads(text, file, desk.known))
        now = desk.clock.now()
        done = step.submit(desk.store, text, by, now, known=desk.known, file=file, unsupported=unsupported)
        response.status_code = 201 if done.created else 200
        rollout = desk.store.rollout(done.name)
        url = run_url(desk.prefect, rollout)
        told = {"name": done.name, "digest": done.digest, "created": done.created, "prefect_run": rollout.run_id}
        return told | {"url": url, "effect": done.effect or desk.status(rollout)["summary"]}

    @router.post("/v1/rollouts/{name}/commands")
    def command(name: str, asked: AskedCommand) -> Json:
        """Ask something of a rollout: `effect` is the consequence in words and numbers; 409 where it is refused."""
        rollout = _found(desk.store, name)
        if asked.check:
            return _checked_command(desk, rollout, asked)
        seen, now = Seen(revision=asked.revision, question=asked.question), desk.clock.now()
        outcome = step.command(desk.store, name, asked.command, asked.by, asked.reason, now, seen=seen, args=asked.args)
        return _answered(name, outcome)


def _switching(router: APIRouter, desk: Desk) -> None:
    @router.post("/v1/flags/{key}/kill")
    def kill(key: str, asked: Asked) -> Json:
        """Turn a flag off for everyone, at once."""
        return dict(desk.store.kill(_named("flag", key), asked.by, asked.reason, desk.clock.now()))

    @router.post("/v1/flags/{key}/restore")
    def restore(key: str, asked: Asked) -> Json:
        """Lift a flag's kill switch, and nothing else."""
        return dict(desk.store.restore(_named("flag", key), asked.by, asked.reason, desk.clock.now()))

    @router.post("/v1/flags/{key}/rollback")
    def rollback(key: str, asked: Asked) -> Json:
        """Give everyone the stable from before the flag's last completed rollout."""
        outcome = step.rollback(desk.store, _named("flag", key), asked.by, asked.reason, desk.clock.now())
        served = desk.store.flag(key)
        switched = {"flag": key, "enabled": served.enabled, "version": served.version} if served else {"flag": key}
        return _answered(key, outcome) | switched


def _checked_plan(plan: Plan) -> Json:
    """What handing in a plan would come to, without doing it."""
    if problems := unsupported(plan):
        raise RefusedError(f"{plan.name} cannot be judged yet: {'; '.join(problems)}")
    phases = ", ".join(f"{phase.name} {plan.exposure(index) / 1000:g} %" for index, phase in enumerate(plan.phases))
    told: Json = {"name": plan.name, "created": False, "prefect_run": None, "url": None}
    return told | {"digest": digest(plan), "effect": f"would raise {plan.flag} by {len(plan.phases)} phases: {phases}"}


def _checked_command(desk: Desk, rollout: Rollout, asked: AskedCommand) -> Json:
    """What a command would come to, without giving it."""
    now = desk.clock.now()
    seen = {"revision": asked.revision, "question": asked.question}
    command = Command(id=0, verb=asked.command, by=asked.by, reason=asked.reason, at=now, args=asked.args, **seen)
    if why := refusal(rollout.plan, rollout.state, rollout.evidence, command, now):
        raise RefusedError(why)
    after = carry_out(rollout.plan, rollout.state, rollout.evidence, command, now).after
    words = effect(rollout.plan, rollout.state, after)
    return {"name": rollout.name, "accepted": True, "revision": rollout.state.revision, "effect": f"would: {words}"}


def _answered(name: str, outcome: step.Outcome) -> Json:
    if not outcome.accepted:
        raise RefusedError(outcome.why or "refused")
    return {"name": name, "accepted": True, "revision": outcome.revision, "effect": outcome.effect}


def _found(store: Store, name: str) -> Rollout:
    return store.rollout(_named("rollout", name))


def _named(what: str, name: str) -> str:
    """A name that can exist; raises UnknownError for any other, so that the database never sees it."""
    if not KEY.fullmatch(name):
        raise UnknownError(what, name, ())
    return name
