"""Taking a plan in: one rollout, its flag, its empty evidence, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from plans.load import digest as digest_of
from plans.load import to_json
from plans.schema import Plan, Settings
from rollout.approving import unapprovable
from rollout.decide import due, initial
from rollout.exposure import declared_stable
from rollout.model import LIVE, Evidence, RolloutState
from state import rows
from state.chain import append
from state.errors import RefusedError
from state.journaling import SUBMIT, Change, change_flag, flag_line, lock_flag, served_json
from state.shapes import shape
from state.tables import Switch, evidences, flags, rollouts
from state.transactions import Transactions

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Submitted:
    """What came of a submit; `created` is False where the same plan was there already."""

    name: str
    digest: str
    created: bool
    effect: str = ""


class Submitting(Transactions):
    """The way in for plans."""

    def submit(
        self, plan: Plan, text: str, by: str, now: datetime, reason: str = "", *, person: str | None = None
    ) -> Submitted:
        """Store a plan as a scheduled rollout that holds its flag; the same plan again is the same rollout.

        `person` is whom the one who submits is known to be. Raises RefusedError where the name stands for another plan,
        another live rollout holds the flag, `stable` is not what the flag serves, or nobody else could approve it.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._submit(plan, text, by, now, reason, person)
            except IntegrityError:  # another process inserted the same name or flag first: look again
                continue
        return self._submit(plan, text, by, now, reason, person)

    def admits(self, plan: Plan, requester: str = "") -> bool:
        """Whether submitting a plan now would make a new rollout; raises what `submit` would."""
        with self.writing() as tx:
            return self._admitted(tx, plan, digest_of(plan), lock_flag(tx, plan.flag), requester) is not None

    def _submit(self, plan: Plan, text: str, by: str, now: datetime, reason: str, person: str | None) -> Submitted:
        digest = digest_of(plan)
        with self.writing() as tx:
            flag = lock_flag(tx, plan.flag)
            resolved = self._admitted(tx, plan, digest, flag, person or by)
            if resolved is None:
                return Submitted(plan.name, digest, created=False)
            state = replace(initial(resolved, now), digest=digest, requester=person or by)
            self._insert(tx, resolved, text, state, by)
            self._take(tx, flag, resolved, state, by, reason)
        return Submitted(plan.name, digest, created=True)

    def _admitted(self, tx: Connection, plan: Plan, digest: str, flag: Any, requester: str) -> Plan | None:
        """The plan with its stable made concrete; None where it is a rollout already."""
        if self._same(tx, plan, digest):
            return None
        self._refuse_second(tx, plan)
        if why := unapprovable(plan, requester):
            raise RefusedError(why)
        return _resolve(plan, flag)

    def _same(self, tx: Connection, plan: Plan, digest: str) -> bool:
        row = tx.execute(select(rollouts.c.digest, rollouts.c.status).where(rollouts.c.name == plan.name)).one_or_none()
        if row is not None and row.digest != digest:
            raise RefusedError(
                f"the name {plan.name} stands for another plan, whose rollout is {row.status}; "
                "`sluice amend` changes it, or give the changed plan a new name, "
                f"and `salt: {plan.bucketing_salt}` where the cohort must stay"
            )
        return row is not None

    def _refuse_second(self, tx: Connection, plan: Plan) -> None:
        where = (rollouts.c.flag == plan.flag, rollouts.c.status.in_([str(status) for status in LIVE]))
        holder = tx.execute(select(rollouts.c.name, rollouts.c.status).where(*where)).one_or_none()
        if holder is not None:
            raise RefusedError(
                f"flag {plan.flag} is held by the live rollout {holder.name} ({holder.status}); "
                "abort that one or wait for its end"
            )

    def _insert(self, tx: Connection, plan: Plan, text: str, state: RolloutState, by: str) -> None:
        step = due(plan, state, state.submitted)
        columns = rows.state_columns(state) | {
            "shape": shape(plan),
            "plan": to_json(plan),
            "plan_text": text,
            "submitted_by": by,
            "check_every": plan.stop.check_every.timedelta.total_seconds(),
            "due_at": step.at if step else None,
        }
        key = tx.execute(rollouts.insert().returning(rollouts.c.id), columns).scalar_one()
        nothing = {"version": 0, "verdicts": "", "findings": rows.evidence_json(Evidence())}
        tx.execute(evidences.insert(), {"rollout_id": key, **nothing})

    def _take(self, tx: Connection, flag: Any, plan: Plan, state: RolloutState, by: str, reason: str) -> None:
        told = ": ".join(filter(None, (f"submitted {plan.name}", reason)))
        why = Change(state.submitted, SUBMIT, by, told, 0, self.process)
        columns: dict[str, Any] = {"value": served_json(plan, state, state.digest), "rollout": plan.name}
        if flag is not None:
            append(tx, self.secrets, (change_flag(tx, flag, why, columns),))
            return
        stable = rows.settings_json(declared_stable(plan))
        columns |= {"key": plan.flag, "version": 1, "switch": str(Switch.ON), "stable": stable}
        tx.execute(flags.insert(), columns)
        append(tx, self.secrets, (flag_line(columns, why),))


def _resolve(plan: Plan, flag: Any) -> Plan:
    """The plan with `stable: current` made concrete and its stable known to be what the flag serves."""
    if flag is None:
        if plan.stable == "current":
            raise RefusedError(
                f"`stable: current` needs a flag that serves something; {plan.flag} is new: name its settings"
            )
        return plan
    serves: Settings | None = orjson.loads(flag.stable)
    if plan.stable != "current":
        return _matching(plan, serves)
    if serves is not None and set(serves) != set(plan.candidate):
        raise RefusedError(
            f"flag {plan.flag} serves {_words(serves)}; the candidate must have the same keys: {_words(plan.candidate)}"
        )
    return plan.model_copy(update={"stable": "off" if serves is None else serves})


def _matching(plan: Plan, serves: Settings | None) -> Plan:
    declared = declared_stable(plan)
    if declared != serves:
        raise RefusedError(
            f"`stable` must be what flag {plan.flag} serves now: the plan says {_words(declared)}, "
            f"the flag serves {_words(serves)}; write that, or `stable: current`"
        )
    return plan


def _words(settings: Settings | None) -> str:
    return "off" if settings is None else rows.settings_json(settings)
