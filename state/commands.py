"""What people asked for: kept until a transition carries it out or a refusal answers it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, select

from rollout.model import Command, Transition, Verb
from state import rows
from state.errors import UnknownError
from state.seen import NOTHING, Seen
from state.tables import CommandStatus, commands, rollouts
from state.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Asked:
    """A command and what became of it: the revision it made, or why it was refused."""

    command: Command
    status: CommandStatus
    outcome: str | None
    revision: int | None


_asked_of = select(rollouts.c.id, rollouts.c.phase, rollouts.c.question)
_PENDING = (
    select(commands)
    .join(rollouts, rollouts.c.id == commands.c.rollout_id)
    .where(rollouts.c.name == bindparam("named"), commands.c.status == CommandStatus.PENDING)
    .order_by(commands.c.id)
)


def mark_done(tx: Connection, transition: Transition) -> bool:
    """Mark the commands that a transition carries out; False where one was answered already."""
    if not transition.consumes:
        return True
    changed = tx.execute(
        commands.update()
        .where(commands.c.id.in_(transition.consumes), commands.c.status == CommandStatus.PENDING)
        .values(status=str(CommandStatus.DONE), result_revision=transition.after.revision)
    )
    return changed.rowcount == len(transition.consumes)


def mark_refused(tx: Connection, refused: Mapping[int, str]) -> None:
    """Answer pending commands with why they cannot be carried out; answered ones keep their answer."""
    for key, why in refused.items():
        tx.execute(
            commands.update()
            .where(commands.c.id == key, commands.c.status == CommandStatus.PENDING)
            .values(status=str(CommandStatus.REFUSED), outcome=why)
        )


class Commands(Transactions):
    """The queue of what people asked for."""

    def add_command(
        self,
        name: str,
        verb: Verb,
        by: str,
        reason: str,
        at: datetime,
        *,
        seen: Seen = NOTHING,
        args: Mapping[str, JsonValue] | None = None,
        person: str | None = None,
    ) -> Command:
        """Keep a command for the next pass; `person` is whom the one who asks is known to be.

        An approval by someone who names nothing they saw is bound to the question that stands at this moment. Raises
        UnknownError for a rollout that was never submitted.
        """
        with self.writing() as tx:
            rollout = tx.execute(_asked_of.where(rollouts.c.name == name)).one_or_none()
            if rollout is None:
                raise UnknownError("rollout", name, tx.execute(select(rollouts.c.name)).scalars().all())
            if verb is Verb.APPROVE and seen == NOTHING:
                seen = Seen(phase=rollout.phase, question=rollout.question)
            asked = {"verb": str(verb), "by": by, "reason": reason, "at": at, "args": rows.args_json(args or {})}
            line = {"rollout_id": rollout.id, "status": str(CommandStatus.PENDING), "person": person}
            row = tx.execute(commands.insert().values(**asked, **asdict(seen), **line).returning(commands)).one()
        return rows.command(row)

    def pending(self, name: str) -> tuple[Command, ...]:
        """The commands of a rollout that wait for an answer, oldest first."""
        with self.reading() as tx:
            return tuple(rows.command(row) for row in tx.execute(_PENDING, {"named": name}))

    def carried_out(self, name: str) -> Mapping[int, tuple[Command, ...]]:
        """The commands of a rollout that made a transition, by the revision they made."""
        made = (rollouts.c.name == name, commands.c.status == CommandStatus.DONE)
        query = select(commands).join(rollouts, rollouts.c.id == commands.c.rollout_id).where(*made)
        found: defaultdict[int, tuple[Command, ...]] = defaultdict(tuple)
        with self.reading() as tx:
            for row in tx.execute(query.order_by(commands.c.id)):
                found[row.result_revision] += (rows.command(row),)
        return found

    def with_pending(self) -> frozenset[str]:
        """The rollouts that have commands waiting."""
        query = select(rollouts.c.name).join(commands, rollouts.c.id == commands.c.rollout_id)
        with self.reading() as tx:
            return frozenset(tx.execute(query.where(commands.c.status == CommandStatus.PENDING)).scalars())

    def refuse(self, command: int, why: str) -> None:
        """Answer a pending command with why it cannot be carried out."""
        with self.writing() as tx:
            mark_refused(tx, {command: why})

    def asked(self, command: int) -> Asked:
        """A command and what became of it; raises UnknownError."""
        with self.reading() as tx:
            row = tx.execute(select(commands).where(commands.c.id == command)).one_or_none()
        if row is None:
            raise UnknownError("command", str(command), ())
        return Asked(rows.command(row), CommandStatus(row.status), row.outcome, row.result_revision)
