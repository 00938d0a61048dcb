"""A plan's criteria over a recorded past: what would have become of rollouts in which nothing changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from gates.bounds import upper_bound
from plans.schema import Metric, OnNoData, Plan
from plans.timeline import timeline
from rollout.describe import finding_json
from rollout.model import Bucket, Finding, Status
from sluice.backtest.history import History, Past
from sluice.simulate.outcome import CONFIDENCE, TAKEN_BACK
from sluice.simulate.runs import concrete, stores
from sluice.simulate.stage import Ended, rehearse
from state.buckets import read_buckets
from state.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One imaginary rollout: when it would have begun, how it would have ended, and on what.

    `finding` and `bucket` are those that took it back, None where none did.
    """

    begins: datetime
    number: int
    outcome: Status
    at: datetime
    phase: str | None
    reason: str
    finding: Finding | None = None
    bucket: Bucket | None = None

    @property
    def taken_back(self) -> bool:
        """Whether it would have been reverted or disabled, with nothing wrong."""
        return self.outcome in TAKEN_BACK


def told_by(plan: Plan, source: str) -> Mapping[str, Metric]:
    """The metrics of a source that can be split by lot: shares of units."""
    return {name: m for name, m in plan.metrics.items() if m.source == source and (m.bad or m.good)}


def replayable(plan: Plan, metrics: Mapping[str, Metric]) -> Plan:
    """The plan without a start of its own, whose criteria on other metrics wait for nothing.

    They stay in it, because each has its share of the plan's promise.
    """
    criteria = tuple(
        criterion
        if criterion.when.metric in metrics
        else criterion.model_copy(update={"on_no_data": OnNoData.IGNORE, "min_samples": 0})
        for criterion in plan.stop.criteria
    )
    changes = {
        "schedule": plan.schedule.model_copy(update={"start": None}),
        "stop": plan.stop.model_copy(update={"criteria": criteria}),
    }
    return concrete(plan.model_copy(update=changes))


def periods(plan: Plan, begins: datetime, ends: datetime) -> Iterator[datetime]:
    """The beginnings of as many rollouts as fit between two instants, one after another."""
    while (last := timeline(plan, begins)[-1].at) <= ends:
        yield begins
        begins = last


def trials(plan: Plan, past: Past, begins: list[datetime], splits: int, seed: int) -> Iterator[Trial]:
    """Every period with so many lots each, through the real core, gates and store."""
    with stores() as empty:
        for start in begins:
            for number in range(splits):
                store, random = next(empty), Random(f"{seed}/{start}/{number}")  # noqa: S311 - a lot, not a secret
                ended = rehearse(store, plan, "", History(plan, past, random), start)
                yield _trial(plan, store, ended, start, number)


def trial_json(trial: Trial) -> dict[str, Any]:
    """One imaginary rollout as `--json` gives it; `bucket` is the last that was counted before it was taken back."""
    return {
        "start": _iso(trial.begins),
        "split": trial.number,
        "outcome": str(trial.outcome),
        "at": _iso(trial.at),
        "phase": trial.phase,
        "reason": trial.reason,
        "finding": None if trial.finding is None else finding_json(trial.finding),
        "bucket": None if trial.bucket is None else _bucket_json(trial.bucket),
    }


def summary_json(found: list[Trial]) -> dict[str, Any]:
    """All of them: how many there were, how many would have been taken back, and the exact bound of that share."""
    back = sum(trial.taken_back for trial in found)
    outcomes = {str(status): sum(trial.outcome is status for trial in found) for status in Status}
    return {
        "rollouts": len(found),
        "reverted": back,
        "upper_bound": upper_bound(back, len(found), CONFIDENCE),
        "outcomes": {name: count for name, count in outcomes.items() if count},
        "trials": [trial_json(trial) for trial in found],
    }


def _trial(plan: Plan, store: Store, ended: Ended, begins: datetime, number: int) -> Trial:
    state, last = ended.rollout.state, ended.journal[-1] if ended.journal else None
    finding = last.finding if last is not None and state.status in TAKEN_BACK else None
    return Trial(
        begins=begins,
        number=number,
        outcome=state.status,
        at=ended.at,
        phase=plan.phases[state.phase].name if state.phase >= 0 else None,
        reason=last.reason if last is not None else "",
        finding=finding,
        bucket=None if finding is None else _telling(store, ended),
    )


def _telling(store: Store, ended: Ended) -> Bucket | None:
    """The last bucket that the look which took it back had seen."""
    found = read_buckets(store, {ended.rollout.id: None})[ended.rollout.id]
    return next((bucket for bucket in reversed(found) if bucket.end <= ended.at), None)


def _bucket_json(bucket: Bucket) -> dict[str, Any]:
    return {
        "start": _iso(bucket.start),
        "end": _iso(bucket.end),
        "exposure": bucket.exposure / 1000,
        "counts": {
            name: {
                cohort: {"bad": counts.bad, "of": counts.total}
                for cohort, counts in zip(("treatment", "control"), both, strict=True)
            }
            for name, both in bucket.counts.items()
        },
    }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
