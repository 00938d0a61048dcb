"""What every part of the store stands on: one engine, short transactions, and plans parsed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine, select

from plans.load import from_json
from plans.schema import Plan
from rollout.model import Transition
from state.database import READING
from state.errors import UnknownError
from state.former_plans import former_plans
from state.sealing import Secrets
from state.tables import rollouts

PLANS_KEPT = 512
REHEARSED = Secrets.of(b"rehearsal")

Settle = Callable[[Plan, Transition, str | None], str | None]


def keep(_plan: Plan, _transition: Transition, memory: str | None) -> str | None:
    """Memory goes on as it is."""
    return memory


class Transactions:
    """One engine, seen as transactions that write and transactions that only read.

    `process` is written beside everything this store commits: which part of Sluice did it. `settle` gives the gate's
    memory as a transition leaves it; the memory is opaque here, so the gate gives its own function. `secrets` seal
    the journals; the default ones are known to everybody, for rehearsals.
    """

    def __init__(
        self, engine: Engine, process: str = "unknown", settle: Settle = keep, secrets: Secrets = REHEARSED
    ) -> None:
        self.engine = engine
        self.secrets = secrets
        self.settle = settle
        self.process = process
        self._reader = engine.execution_options(**{READING: True})
        self._plans: OrderedDict[str, Plan] = OrderedDict()

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that is committed whole or not at all; on SQLite writers queue for it."""
        return self.engine.begin()

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for reading; it never waits for a writer."""
        return self._reader.connect()

    def plan(self, digest: str) -> Plan:
        """The plan of a digest that has been submitted, with `stable: current` resolved.

        Raises UnknownError for a digest that was not.
        """
        if digest not in self._plans:
            with self.reading() as tx:
                text = tx.execute(select(rollouts.c.plan).where(rollouts.c.digest == digest)).scalar()
                former = select(former_plans.c.plan).where(former_plans.c.digest == digest)
                text = text or tx.execute(former).scalar()
            if text is None:
                raise UnknownError("plan", digest, ())
            self._keep(digest, text)
        self._plans.move_to_end(digest)
        return self._plans[digest]

    def parsed(self, digest: str, text: str) -> Plan:
        """The plan of a row at hand."""
        if digest not in self._plans:
            self._keep(digest, text)
        return self._plans[digest]

    def _keep(self, digest: str, text: str) -> None:
        self._plans[digest] = from_json(text)
        while len(self._plans) > PLANS_KEPT:
            self._plans.popitem(last=False)
