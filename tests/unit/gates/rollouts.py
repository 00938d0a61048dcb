"""Plans, states and buckets in few words, for tests of the gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gates.judge import Gate, compile  # noqa: A004 - the gate's own word
from rollout.model import FULL, Bucket, Counts, Finding, RolloutState, Status
from tests.campaigns.gates import rollout_plan
from tests.campaigns.world import BUCKET, LAUNCH, Stretch

NOBODY = Counts()
RAMP = (Stretch(1_000, 288), Stretch(10_000, 288), Stretch(FULL, 288))
NAMES = frozenset({"error", "correct", "adopted"})


def gate(*criteria: str | dict[str, Any], proof: bool = False, **metrics: dict[str, Any]) -> Gate:
    """The gate of a plan at 1, 10 and 100 % with these criteria; with `proof`, its first phase demands a pass."""
    plan = rollout_plan(RAMP, *criteria, **metrics)
    first = plan.phases[0].model_copy(update={"advance": "pass"})
    return compile(plan.model_copy(update={"phases": (first, *plan.phases[1:])}) if proof else plan)


def after(buckets: float) -> datetime:
    """The instant so many buckets after launch."""
    return LAUNCH + buckets * BUCKET


def state(phase: int = 1, **changes: Any) -> RolloutState:
    """A running rollout in a phase that it entered at launch."""
    running = RolloutState(
        name="simulated",
        flag="simulated",
        status=Status.RUNNING,
        submitted=LAUNCH - timedelta(days=1),
        since=LAUNCH,
        phase=phase,
        entered=LAUNCH,
        exposure=RAMP[phase].exposure if phase >= 0 else 0,
    )
    return replace(running, **changes)


def bucket(
    index: int,
    treatment: tuple[int, int] = (0, 0),
    control: tuple[int, int] = (0, 0),
    *,
    metric: str = "error_rate",
    phase: int = 1,
    epoch: int = 0,
    settings_epoch: int = 0,
) -> Bucket:
    """The index-th bucket after launch, with (bad, total) of both cohorts."""
    return Bucket(
        start=after(index),
        end=after(index + 1),
        epoch=epoch,
        phase=phase,
        exposure=RAMP[phase].exposure,
        settings_epoch=settings_epoch,
        counts={metric: (Counts(*treatment), Counts(*control))},
    )


def only(findings: tuple[Finding, ...]) -> Finding:
    """The finding of a plan with one criterion."""
    (finding,) = findings
    return finding
