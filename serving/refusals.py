"""Errors as the control endpoints word them: `{"error", "place"?, "problems"?}`, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteHTTPException

from plans.problems import PlanError
from serving.shapes import problem_json
from state.errors import RefusedError, StaleStateError, StoreError, UnknownError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
STATUS: dict[type[StoreError], int] = {UnknownError: 404, RefusedError: 409, StaleStateError: 409}


class StrictRequest(Request):
    """A request whose JSON is what RFC 8259 allows: no NaN, no lone surrogates, no bottomless nesting."""

    async def json(self) -> Any:
        """The body; raises HTTPException 400 where it is not JSON."""
        try:
            return orjson.loads(await self.body())
        except orjson.JSONDecodeError as error:
            raise HTTPException(400, f"the body is not JSON: {error}") from error


class StrictRoute(APIRoute):
    """A route that reads its body strictly."""

    def get_route_handler(self) -> Handler:
        """The handler, given a strict request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def register(app: FastAPI) -> None:
    """Teach an application to answer with these errors."""
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(PlanError, _plan)
    app.add_exception_handler(RequestValidationError, _shape)
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(SQLAlchemyError, _unreachable)


async def _store(_request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)
    return _answer(status, error=str(error))


async def _plan(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PlanError)  # noqa: S101 - registered for nothing else
    first = next(iter(error.problems), None)
    problems = [problem_json(problem) for problem in error.problems]
    place = {"place": first.place} if first and first.place else {}
    return _answer(422, error=str(first or error), **place, problems=problems)


async def _shape(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    problems = [
        {"place": ".".join(str(part) for part in one["loc"][1:]), "message": one["msg"], "severity": "error"}
        for one in error.errors()
    ]
    first = problems[0]
    words = f"{first['place']}: {first['message']}" if first["place"] else first["message"]
    return _answer(400, error=words, place=first["place"], problems=problems)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - registered for nothing else
    return _answer(error.status_code, error=str(error.detail))


async def _unreachable(_request: Request, _error: Exception) -> Response:
    return _answer(503, error="the store cannot be reached; flags are served as last known, try again")


def _answer(status: int, **content: Any) -> Response:
    return JSONResponse(content, status)
