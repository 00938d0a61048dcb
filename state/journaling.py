"""The statements that make a transition true: the swap of a rollout's revision, its journal line, its notices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from plans.channels import PREFECT
from plans.schema import Plan
from rollout.decide import due
from rollout.exposure import served
from rollout.model import Evidence, RolloutState, Transition
from rollout.notices import Notice, notices
from state import rows
from state.chain import Line
from state.count_tables import slots
from state.tables import DeliveryStatus, deliveries, evidences, flag_journal, flags, journal, outbox, rollouts

SUBMIT = "submit"

_LOCKED = select(flags).where(flags.c.key == bindparam("named")).with_for_update()
_NEXT_VERSION = flags.update().where(flags.c.key == bindparam("named"))
_SWAP = rollouts.update().where(rollouts.c.name == bindparam("named"), rollouts.c.revision == bindparam("decided_on"))
_POST = outbox.insert().returning(outbox.c.id)
_END_BUCKETS = slots.update().where(
    slots.c.rollout_id == select(rollouts.c.id).where(rollouts.c.name == bindparam("named")).scalar_subquery(),
    slots.c.until > bindparam("past"),
)
_FINDINGS = select(evidences.c.findings).where(evidences.c.rollout_id == bindparam("key"))
"""Statements of every commit, built once: putting one together costs more than running it."""


@dataclass(frozen=True, slots=True)
class Change:
    """Why a flag has a new version: `verb` is a transition's, or SUBMIT; `process` is who wrote it."""

    at: datetime
    verb: str
    by: str
    reason: str
    revision: int | None
    process: str


def lock_flag(tx: Connection, key: str) -> Any | None:
    """The flag's row, held until this transaction ends: whatever changes a flag or its rollouts queues here."""
    return tx.execute(_LOCKED, {"named": key}).one_or_none()


def change_flag(tx: Connection, row: Any, why: Change, columns: Mapping[str, Any]) -> Line:
    """Write a locked flag's next version; gives its line for the journal."""
    version = int(row.version) + 1
    tx.execute(_NEXT_VERSION, {"named": row.key, "version": version, **columns})
    return flag_line({**row._mapping, **columns, "version": version}, why)  # noqa: SLF001 - SQLAlchemy's public name


def flag_line(row: Mapping[str, Any], why: Change) -> Line:
    """What a flag serves from now on, and why."""
    serves = {name: row[name] for name in ("version", "rollout", "switch", "value")}
    return Line(flag_journal, {"flag": row["key"], **asdict(why), **serves})


def move(tx: Connection, plan: Plan, transition: Transition) -> bool:
    """Swap the rollout's state, if its revision is still the one decided on; False where it is not."""
    before, after = transition.before, transition.after
    step = due(plan, after, transition.at)
    new = {**rows.state_columns(after), "due_at": step.at if step else None}
    changed = tx.execute(_SWAP, {"named": before.name, "decided_on": before.revision, **new})
    if after.epoch != before.epoch:
        _end_buckets(tx, transition)
    return changed.rowcount == 1


def transition_line(
    tx: Connection, rollout: int, transition: Transition, process: str, evidence: Evidence | None = None
) -> Line:
    """A transition's line for the journal, with its evidence; without `evidence` with what is known at this moment."""
    known = _known(tx, rollout) if evidence is None else rows.evidence_json(evidence)
    columns = _columns(transition)
    return Line(journal, {"rollout_id": rollout, "evidence": known, "process": process, **columns})


def tell(tx: Connection, rollout: int, plan: Plan, transition: Transition, evidence: Evidence | None = None) -> None:
    """Put what there is to tell of a transition in the outbox."""
    revision = transition.after.revision
    post(tx, rollout, f"r{revision}", revision, transition.at, notices(plan, transition, evidence))


def served_json(plan: Plan, state: RolloutState, digest: str) -> str:
    """What a state serves, leaving the switch to its own columns."""
    return rows.flag_json(served(plan, replace(state, killed=False), digest))


def post(tx: Connection, rollout: int, subject: str, revision: int, at: datetime, told: Iterable[Notice]) -> None:
    """Put notices in the outbox, for the log and for every channel that each names; a subject is told once."""
    for number, notice in enumerate(told):
        line = {
            "rollout_id": rollout,
            "subject": f"{subject}.{number}",
            "revision": revision,
            "event": notice.event,
            "title": notice.title,
            "body": notice.body,
            "at": at,
            "delivered": False,
        }
        key = tx.execute(_POST, line).scalar_one()
        new = {"outbox_id": key, "status": DeliveryStatus.WAITING, "attempts": 0, "problem": ""}
        tx.execute(deliveries.insert(), [new | {"channel": channel} for channel in (*notice.channels, PREFECT)])


def _end_buckets(tx: Connection, transition: Transition) -> None:
    """What was served until now changes here, so the open buckets end here."""
    tx.execute(_END_BUCKETS, {"named": transition.before.name, "until": transition.at, "past": transition.at})


def _known(tx: Connection, rollout: int) -> str:
    return str(tx.execute(_FINDINGS, {"key": rollout}).scalar_one())


def _columns(transition: Transition) -> dict[str, Any]:
    """A transition as a row of the journal, without its evidence."""
    return {
        "revision": transition.after.revision,
        "at": transition.at,
        "verb": str(transition.verb),
        "cause": str(transition.cause),
        "by": transition.by,
        "reason": transition.reason,
        "epoch": transition.after.epoch,
        "before": rows.state_json(transition.before),
        "after": rows.state_json(transition.after),
        "finding": rows.finding_json(transition.finding),
    }
