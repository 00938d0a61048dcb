"""How a command that failed ends: what is told of the error, and the exit code. Imported only when one has failed."""

from __future__ import annotations

import httpx
from sqlalchemy.exc import SQLAlchemyError

from plans.problems import PlanError
from sluice import render
from sluice.errors import CommandError, RefusedError, UnreachableError
from state.errors import StoreError


def told(error: Exception) -> int | None:
    """Tell an expected error on stderr; its exit code, 1 refused, 2 usage, 3 out of reach. None of any other error."""
    code = _code(error)
    if code is not None:
        render.console(stderr=True).print(f"sluice: {error}", style="red", soft_wrap=True)
    return code


def _code(error: Exception) -> int | None:
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, SQLAlchemyError | httpx.HTTPError):
        return UnreachableError.code
    return RefusedError.code if isinstance(error, PlanError | StoreError) else None
