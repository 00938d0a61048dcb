"""Which key opens what: every route of the flag server with the scope it needs, in one table.

A route that is not in the table needs `admin`, so that one that was forgotten is closed rather than open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache, lru_cache

from serving.stream import STREAM_PATH
from state.credentials import Key, Scope


class Without(StrEnum):
    """What a route needs that needs no scope."""

    KEY = "no key"
    SCOPE = "any key"


Need = Scope | Without

READ, SUBMIT, ABORT = Scope.ROLLOUTS_READ, Scope.ROLLOUTS_SUBMIT, Scope.ROLLOUTS_ABORT
PRESS = "/rollouts/{name}/press"
PRESSED = re.compile("/rollouts/[^/]+/press")
SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"

ROUTES: Mapping[tuple[str, str], Need] = {
    ("POST", "/ofrep/v1/evaluate/flags"): Scope.FLAGS_READ,
    ("POST", "/ofrep/v1/evaluate/flags/{key}"): Scope.FLAGS_READ,
    ("GET", STREAM_PATH): Scope.FLAGS_READ,
    ("POST", "/v1/track"): Scope.TRACK,
    ("GET", "/v1/rollouts"): READ,
    ("GET", "/v1/rollouts/{name}"): READ,
    ("GET", "/v1/rollouts/{name}/plan"): READ,
    ("GET", "/v1/rollouts/{name}/journal"): READ,
    ("GET", "/v1/agenda"): READ,
    ("GET", "/v1/agenda.ics"): READ,
    ("POST", "/v1/rollouts"): SUBMIT,
    ("POST", "/v1/rollouts/{name}/amend"): SUBMIT,
    ("POST", "/v1/rollouts/{name}/amend/approve"): Scope.ROLLOUTS_APPROVE,
    ("POST", "/v1/rollouts/{name}/commands"): ABORT,  # and what the verb needs, see `scope_of`
    ("POST", "/v1/flags/{key}/kill"): ABORT,
    ("POST", "/v1/flags/{key}/rollback"): ABORT,
    ("POST", "/v1/flags/{key}/restore"): Scope.ROLLOUTS_APPROVE,
    ("POST", "/v1/flags/{key}/allow"): Scope.ROLLOUTS_APPROVE,
    ("POST", "/v1/flags/{key}/block"): Scope.ROLLOUTS_APPROVE,  # it takes a unit out of the evidence
    ("POST", "/v1/flags/{key}/unlist"): Scope.ROLLOUTS_APPROVE,
    ("POST", "/v1/flags/{key}/who"): READ,
    ("GET", "/v1/incidents"): READ,
    ("POST", "/v1/incidents"): ABORT,  # it stops growth; what it mutes is said on every page, and for 30 days at most
    ("POST", "/v1/incidents/{number}/end"): Scope.ROLLOUTS_APPROVE,  # growth goes on
    ("GET", "/v1/clock"): Without.SCOPE,
    ("POST", "/v1/clock"): Scope.TRACK,
    ("GET", "/metrics"): READ,
    ("GET", "/docs"): Without.SCOPE,
    ("GET", "/docs/oauth2-redirect"): Without.SCOPE,
    ("GET", "/redoc"): Without.SCOPE,
    ("GET", "/openapi.json"): Without.SCOPE,
    ("GET", "/"): READ,
    ("GET", "/rollouts/{name}"): READ,
    ("POST", PRESS): ABORT,  # and what the verb needs, see `scope_of`
    ("GET", "/board/changes"): READ,
    ("GET", "/healthz"): Without.KEY,  # says nothing of any rollout; load balancers hold no keys
    ("GET", "/board/{file}"): Without.KEY,  # the scripts and styles of this program, which the sign-in page needs
    ("GET", SIGN_IN): Without.KEY,
    ("POST", SIGN_IN): Without.KEY,
    ("POST", SIGN_OUT): Without.KEY,
}


def need(method: str, path: str) -> Need:
    """What a request needs; `admin` where the table knows no such route."""
    known = ROUTES.get((method, path))
    return _patterned(method, path) if known is None else known


def takes_form(path: str) -> bool:
    """Whether a path is where the board's own forms are sent, and nothing else."""
    return path in {SIGN_IN, SIGN_OUT} or PRESSED.fullmatch(path) is not None


def refusal(key: Key, scope: Scope) -> str | None:
    """Why a key does not do, in words; None where it does."""
    if key.may(scope):
        return None
    return f"the key {key.name} has {', '.join(sorted(key.scopes))}; this needs {scope}"


@lru_cache(maxsize=1024)
def _patterned(method: str, path: str) -> Need:
    found = (ROUTES[route] for route, pattern in _patterns() if route[0] == method and pattern.fullmatch(path))
    return next(found, Scope.ADMIN)


@cache
def _patterns() -> tuple[tuple[tuple[str, str], re.Pattern[str]], ...]:
    return tuple((route, re.compile(re.sub(r"\{\w+\}", "[^/]+", route[1]))) for route in ROUTES if "{" in route[1])
