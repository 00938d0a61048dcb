"""The REST side: rollouts and switches for scripts and people, on FastAPI, described at /docs.

Handlers are plain functions over the desk and run in threads, away from the loop that answers evaluations.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from pydantic import AfterValidator

from rollout.model import Verb
from serving.access import refusal
from serving.author import author
from serving.calendar import CONTENT_TYPE, calendar
from serving.desk import Desk, Json
from serving.flags import KEY
from serving.refusals import StrictRoute
from serving.shapes import Asked, AskedApproval, AskedCommand, AskedIncident, AskedList, AskedWho, Who, Why
from state.author import Author
from state.credentials import scope_of
from state.errors import UnknownError
from state.seen import Seen

NAMELESS = "name who asks; it is kept in the journal"
WEEK, MONTH = 7, 31
UNNAMED = "HTTP (unidentified)"
YAML_BODY = {"requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}}

YAML_ANSWER: dict[int | str, dict[str, object]] = {
    200: {"content": {"application/yaml": {"schema": {"type": "string"}}}}
}


def _rollout_name(name: str) -> str:
    return _possible("rollout", name)


def _flag_key(key: str) -> str:
    return _possible("flag", key)


def _possible(what: str, name: str) -> str:
    """A name that can exist; raises UnknownError for any other, so that the database never sees it."""
    if not KEY.fullmatch(name):
        raise UnknownError(what, name, ())
    return name


Name = Annotated[str, Path(), AfterValidator(_rollout_name)]
Days = Annotated[int, Query(ge=1, le=366)]
Key = Annotated[str, Path(), AfterValidator(_flag_key)]
Number = Annotated[int, Path(ge=1, lt=2**31)]


async def plan_text(request: Request) -> str:
    """The body as the text of a plan."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"the plan is not UTF-8: {error}") from error


def routes(desk: Desk) -> APIRouter:
    """Every control endpoint over one desk."""
    router = APIRouter(route_class=StrictRoute, tags=["rollouts"])
    _reading(router, desk)
    _commanding(router, desk)
    _amending(router, desk)
    _switching(router, desk)
    _listing(router, desk)
    _declaring(router, desk)
    return router


def _reading(router: APIRouter, desk: Desk) -> None:
    @router.get("/v1/rollouts")
    def rollouts() -> list[Json]:
        """Every rollout, oldest first."""
        return desk.rollouts()

    @router.get("/v1/rollouts/{name}")
    def rollout(name: Name) -> Json:
        """One rollout: where it stands, what comes next, what is in the way, each criterion with its numbers."""
        return desk.rollout(name)

    @router.get("/v1/rollouts/{name}/plan", response_class=PlainTextResponse, responses=YAML_ANSWER)
    def plan(name: Name) -> Response:
        """The plan that a rollout runs by, as it was written."""
        return Response(desk.plan_text(name), media_type="application/yaml")

    @router.get("/v1/rollouts/{name}/journal")
    def journal(name: Name) -> list[Json]:
        """Everything that happened to a rollout, oldest first."""
        return desk.history(name)

    @router.get("/v1/agenda")
    def agenda(days: Days = WEEK) -> list[Json]:
        """What changes when over all rollouts, approvals that are due and freezes, in order."""
        return desk.agenda(days)

    @router.get("/v1/agenda.ics", response_class=Response, responses={200: {"content": {"text/calendar": {}}}})
    def feed(days: Days = MONTH) -> Response:
        """The same as a calendar to subscribe to."""
        return Response(calendar(desk.agenda(days), desk.clock.now()), media_type=CONTENT_TYPE)

    @router.post("/v1/flags/{key}/who")
    def who(key: Key, asked: AskedWho) -> Json:
        """What one unit is served, was served, or will be served if nothing stops the rollout."""
        return desk.who(key, asked.unit, asked.context, asked.at)


def _commanding(router: APIRouter, desk: Desk) -> None:
    @router.post("/v1/rollouts", openapi_extra=YAML_BODY)
    def submit(
        response: Response,
        request: Request,
        text: Annotated[str, Depends(plan_text)],
        by: Annotated[Who | None, Query()] = None,
        file: Annotated[Who, Query()] = "plan.yaml",
        reason: Annotated[Why, Query()] = "",
        *,
        check: Annotated[bool, Query()] = False,
    ) -> Json:
        """Hand in a plan: 201 where that made a rollout, 200 where it was there already or `check` was asked for."""
        who = author(request.scope, by)
        told = desk.submit(text, file, who.by or UNNAMED, reason, check=check, person=who.person)
        response.status_code = 201 if told["created"] else 200
        return told

    @router.post("/v1/rollouts/{name}/commands")
    def command(name: Name, asked: AskedCommand, request: Request) -> Json:
        """Ask something of a rollout: `effect` is the consequence in words and numbers; 409 where it is refused."""
        seen = Seen(revision=asked.revision, question=asked.question)
        who = _asking(request, asked.by)
        if who.key is not None and (why := refusal(who.key, scope_of(asked.command))):
            raise HTTPException(403, why)
        words = asked.reason, seen, asked.args
        return desk.command(name, asked.command, who.by, *words, check=asked.check, person=who.person)


def _amending(router: APIRouter, desk: Desk) -> None:
    @router.post("/v1/rollouts/{name}/amend", openapi_extra=YAML_BODY)
    def amend(
        name: Name,
        request: Request,
        text: Annotated[str, Depends(plan_text)],
        reason: Annotated[Why, Query()] = "",
        by: Annotated[Who | None, Query()] = None,
        file: Annotated[Who, Query()] = "plan.yaml",
        *,
        check: Annotated[bool, Query()] = False,
        waits: Annotated[bool, Query()] = False,
    ) -> Json:
        """Change the plan of a live rollout: `changes` says what; what is looser, or all of it, `waits` for a yes."""
        who = author(request.scope, by)
        return desk.amend(name, text, file, who.by or UNNAMED, reason, check=check, waits=waits, person=who.person)

    @router.post("/v1/rollouts/{name}/amend/approve")
    def approve_amendment(name: Name, asked: AskedApproval, request: Request) -> Json:
        """Say yes to the amendment that waits under this digest; the last yes needed puts it in force."""
        who = _asking(request, asked.by)
        return desk.approve_amendment(name, asked.digest, who.by, asked.reason, person=who.person)


def _switching(router: APIRouter, desk: Desk) -> None:
    @router.post("/v1/flags/{key}/kill")
    def kill(key: Key, asked: Asked, request: Request) -> Json:
        """Turn a flag off for everyone, at once."""
        return desk.kill(key, _asking(request, asked.by).by, asked.reason)

    @router.post("/v1/flags/{key}/restore")
    def restore(key: Key, asked: Asked, request: Request) -> Json:
        """Lift a flag's kill switch, and nothing else."""
        return desk.restore(key, _asking(request, asked.by).by, asked.reason)

    @router.post("/v1/flags/{key}/rollback")
    def rollback(key: Key, asked: Asked, request: Request) -> Json:
        """Give everyone the stable from before the flag's last completed rollout."""
        return desk.rollback(key, _asking(request, asked.by).by, asked.reason)


def _listing(router: APIRouter, desk: Desk) -> None:
    @router.post("/v1/flags/{key}/allow")
    def allow(key: Key, asked: AskedList, request: Request) -> Json:
        """Give one unit the candidate while the rollout is live; its outcomes no longer count."""
        return desk.put_on_list(key, Verb.ALLOW, asked.unit, _asking(request, asked.by).by, asked.reason)

    @router.post("/v1/flags/{key}/block")
    def block(key: Key, asked: AskedList, request: Request) -> Json:
        """Give one unit stable while the rollout is live; its outcomes no longer count."""
        return desk.put_on_list(key, Verb.BLOCK, asked.unit, _asking(request, asked.by).by, asked.reason)

    @router.post("/v1/flags/{key}/unlist")
    def unlist(key: Key, asked: AskedList, request: Request) -> Json:
        """Let a listed unit's bucket decide again; it stays outside the evidence of this rollout."""
        return desk.put_on_list(key, Verb.UNLIST, asked.unit, _asking(request, asked.by).by, asked.reason)


def _declaring(router: APIRouter, desk: Desk) -> None:
    @router.get("/v1/incidents")
    def incidents() -> list[Json]:
        """Every incident ever declared, oldest first."""
        return desk.incidents()

    @router.post("/v1/incidents", status_code=201)
    def start_incident(asked: AskedIncident, request: Request) -> Json:
        """Declare an incident: nothing grows until it is over, and fixed limits are mute."""
        return desk.start_incident(asked.length, asked.flags, _asking(request, asked.by).by, asked.reason)

    @router.post("/v1/incidents/{number}/end")
    def end_incident(number: Number, asked: Asked, request: Request) -> Json:
        """End an incident before its time."""
        return desk.end_incident(number, _asking(request, asked.by).by, asked.reason)


def _asking(request: Request, claimed: str | None) -> Author:
    """Who asks; raises RequestValidationError where neither a key nor the body says so."""
    who = author(request.scope, claimed)
    if not who.by:
        raise RequestValidationError([{"loc": ("body", "by"), "msg": NAMELESS, "type": "missing"}])
    return who
