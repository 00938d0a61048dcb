"""Sluice behind a server's address: the HTTP interface, with its errors as those of commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from rollout.incidents import untold
from rollout.model import Verb
from sluice.errors import RefusedError, UnreachableError
from state.seen import Seen

Json = dict[str, Any]
PATIENCE = 30.0


class Remote:
    """A flag server at `url`."""

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._url = url
        self._http = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False)

    def submit(self, text: str, file: str, by: str, reason: str = "", *, check: bool) -> Json:
        """Hand in a plan; the server knows its own sources and channels."""
        params = _claimed(by) | {"file": file, "reason": reason} | _asked(check=check)
        headers = {"Content-Type": "application/yaml"}
        answer = self._object("POST", "/v1/rollouts", content=text.encode(), params=params, headers=headers)
        return {"prefect_run": None, "url": None} | answer

    def run_of(self, name: str) -> Json:
        """The rollout's run by its address in the UI."""
        url = self.rollout(name)["prefect_url"]
        return {"prefect_run": url.rpartition("/")[2] if url else None, "url": url}

    def supervised(self) -> bool:
        """Whether the server is whole."""
        try:
            return bool(self._http.get("/healthz").status_code == httpx.codes.OK)
        except httpx.HTTPError:
            return False

    def rollouts(self) -> list[Json]:
        """All rollouts."""
        found: list[Json] = self._ask("GET", "/v1/rollouts")
        return found

    def rollout(self, name: str) -> Json:
        """One rollout."""
        return self._object("GET", f"/v1/rollouts/{name}")

    def plan_text(self, name: str) -> str:
        """The plan's text."""
        return self._answer("GET", f"/v1/rollouts/{name}/plan").text

    def history(self, name: str) -> list[Json]:
        """The journal."""
        entries: list[Json] = self._ask("GET", f"/v1/rollouts/{name}/journal")
        return entries

    def agenda(self, days: int) -> list[Json]:
        """What lies ahead."""
        entries: list[Json] = self._ask("GET", "/v1/agenda", params={"days": days})
        return entries

    def head(self) -> str | None:
        """The head of the journals, by the server's own account of its health."""
        try:
            told = self._http.get("/healthz").json().get("journal_head")
        except (httpx.HTTPError, ValueError, AttributeError):
            return None
        return told if isinstance(told, str) else None

    def command(
        self,
        name: str,
        verb: Verb,
        by: str,
        reason: str,
        seen: Seen,
        args: Mapping[str, Any],
        *,
        check: bool,
    ) -> Json:
        """Ask something of a rollout."""
        saw = {"revision": seen.revision} if seen.revision is not None else {}
        body = {"command": str(verb), **_claimed(by), "reason": reason, "check": check, **args, **saw}
        return self._object("POST", f"/v1/rollouts/{name}/commands", json=body)

    def amend(self, name: str, text: str, file: str, by: str, reason: str, *, check: bool, waits: bool = False) -> Json:
        """Change the plan of a live rollout."""
        params = _claimed(by) | {"file": file, "reason": reason} | _asked(check=check, waits=waits)
        headers = {"Content-Type": "application/yaml"}
        path = f"/v1/rollouts/{name}/amend"
        return self._object("POST", path, content=text.encode(), params=params, headers=headers)

    def approve_amendment(self, name: str, digest: str, by: str, reason: str) -> Json:
        """Put the amendment in force that waits."""
        body = {"digest": digest, "reason": reason} | _claimed(by)
        return self._object("POST", f"/v1/rollouts/{name}/amend/approve", json=body)

    def kill(self, flag: str, by: str, reason: str) -> Json:
        """Switch a flag off for everyone."""
        return self._object("POST", f"/v1/flags/{flag}/kill", json=_claimed(by) | {"reason": reason})

    def restore(self, flag: str, by: str, reason: str) -> Json:
        """Lift a flag's kill switch."""
        return self._object("POST", f"/v1/flags/{flag}/restore", json=_claimed(by) | {"reason": reason})

    def rollback(self, flag: str, by: str, reason: str) -> Json:
        """Give everyone the old stable."""
        return self._object("POST", f"/v1/flags/{flag}/rollback", json=_claimed(by) | {"reason": reason})

    def put_on_list(self, flag: str, verb: Verb, unit: str, by: str, reason: str) -> Json:
        """Put a unit on a list, or take it off."""
        return self._object("POST", f"/v1/flags/{flag}/{verb}", json={"unit": unit, "reason": reason} | _claimed(by))

    def incidents(self) -> list[Json]:
        """Every incident."""
        found: list[Json] = self._ask("GET", "/v1/incidents")
        return found

    def start_incident(self, length: str, flags: Sequence[str], by: str, reason: str) -> Json:
        """Declare an incident."""
        body = _claimed(by) | {"reason": reason, "for": length, "flags": list(flags)}
        return self._object("POST", "/v1/incidents", json=body)

    def end_incident(self, number: int | None, by: str, reason: str) -> Json:
        """End an incident; without a number the one that lasts."""
        which = number if number is not None else self._lasting()
        return self._object("POST", f"/v1/incidents/{which}/end", json=_claimed(by) | {"reason": reason})

    def who(self, flag: str, unit: str, attributes: Mapping[str, Any], at: datetime | None) -> Json:
        """What a unit is served."""
        then = {"at": at.isoformat()} if at else {}
        body = {"unit": unit, "context": dict(attributes)}
        return self._object("POST", f"/v1/flags/{flag}/who", json=body | then)

    def close(self) -> None:
        """Give back connections."""
        self._http.close()

    def _lasting(self) -> int:
        """The number of the one incident that lasts; raises RefusedError where there is none, or more."""
        found = [one["number"] for one in self.incidents() if one["in_force"]]
        if len(found) != 1:
            raise RefusedError(untold(found))
        return int(found[0])

    def _object(self, method: str, path: str, **content: Any) -> Json:
        answer: Json = self._ask(method, path, **content)
        return answer

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        return self._answer(method, path, **content).json()

    def _answer(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(f"{self._url} does not answer ({error}); is `sluice up` running there?") from error
        if response.is_success:
            return response
        raise _error(response)


def _claimed(by: str) -> dict[str, str]:
    """The name to send; none where the key says it."""
    return {"by": by} if by else {}


def _asked(**switches: bool) -> dict[str, str]:
    """The switches of a query that are on."""
    return {name: "true" for name, on in switches.items() if on}


def _error(response: httpx.Response) -> RefusedError | UnreachableError:
    where = f"{response.request.method} {response.request.url}: {response.status_code}"
    try:
        told = response.json()
    except ValueError:
        return UnreachableError(f"{where}: not a Sluice server's answer")
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or not isinstance(told, dict) or "error" not in told:
        return UnreachableError(f"{where}: {told}")
    problems = told.get("problems", ())
    lines = [_problem(problem) for problem in problems] or [str(told["error"])]
    return RefusedError("\n".join(lines), [one for one in problems if isinstance(one, dict) and "message" in one])


def _problem(problem: Any) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    line = f"{problem['line']}: " if problem.get("line") else ""
    place = f"{problem['place']}: " if problem.get("place") else ""
    return f"{line}{place}{problem.get('message', problem)}"
