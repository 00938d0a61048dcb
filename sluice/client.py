"""The same calls against a data folder or against a server: what the commands are made of.

Both answer in the JSON shapes that are documented for `--json`, and raise RefusedError or UnreachableError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from rollout.model import Verb
from sluice.errors import UnreachableError
from sluice.local import Local
from sluice.remote import Remote
from sluice.settings import Settings
from state.seen import Seen

Json = dict[str, Any]


class Client(Protocol):
    """Whatever can be asked of a Sluice."""

    def submit(self, text: str, file: str, by: str, reason: str = "", *, check: bool) -> Json:
        """Hand in a plan; with `check` only say what that would do."""
        ...

    def run_of(self, name: str) -> Json:
        """`prefect_run` and `url` of a rollout, null until the supervisor has made the run."""
        ...

    def supervised(self) -> bool:
        """Whether a supervisor is there to make runs."""
        ...

    def rollouts(self) -> list[Json]:
        """All rollouts, in the shape of `rollout`."""
        ...

    def rollout(self, name: str) -> Json:
        """One rollout as `status --json` prints it."""
        ...

    def plan_text(self, name: str) -> str:
        """The plan that a rollout runs by, as it was written."""
        ...

    def history(self, name: str) -> list[Json]:
        """The journal, oldest first."""
        ...

    def agenda(self, days: int) -> list[Json]:
        """What lies before the live rollouts in the days ahead."""
        ...

    def head(self) -> str | None:
        """The head of the journals, None where the server does not tell it."""
        ...

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
        """Ask something of a rollout; with `check` only say what that would do."""
        ...

    def amend(self, name: str, text: str, file: str, by: str, reason: str, *, check: bool, waits: bool = False) -> Json:
        """Change the plan of a live rollout; with `check` only say what that would do, with `waits` never at once."""
        ...

    def approve_amendment(self, name: str, digest: str, by: str, reason: str) -> Json:
        """Put the amendment in force that waits."""
        ...

    def kill(self, flag: str, by: str, reason: str) -> Json:
        """Switch a flag off for everyone."""
        ...

    def restore(self, flag: str, by: str, reason: str) -> Json:
        """Lift a flag's kill switch."""
        ...

    def rollback(self, flag: str, by: str, reason: str) -> Json:
        """Give everyone the stable from before the flag's completed rollout."""
        ...

    def put_on_list(self, flag: str, verb: Verb, unit: str, by: str, reason: str) -> Json:
        """Put a unit on a live rollout's allow or block list, or take it off again."""
        ...

    def incidents(self) -> list[Json]:
        """Every incident ever declared, oldest first."""
        ...

    def start_incident(self, length: str, flags: Sequence[str], by: str, reason: str) -> Json:
        """Declare an incident about some flags, or about all."""
        ...

    def end_incident(self, number: int | None, by: str, reason: str) -> Json:
        """End an incident before its time; without a number the one that lasts."""
        ...

    def who(self, flag: str, unit: str, attributes: Mapping[str, Any], at: datetime | None) -> Json:
        """What a unit is served, was served, or will be served."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


def open_client(settings: Settings) -> Client:
    """A client of the server that the settings name, else of the data folder."""
    if settings.server:
        return Remote(settings.server, settings.key)
    if not settings.database_url and not settings.data.is_dir():
        raise UnreachableError(
            f"no data folder at {settings.data}; start `sluice up` there, or name another with --data or --server"
        )
    return Local.open(settings)
