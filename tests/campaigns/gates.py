"""How often the gate reverts by mistake and how soon it finds a fault, by simulation of whole rollouts.

The suite runs these functions short; `tests.campaigns.report` runs them long and writes docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import inf, sqrt
from random import Random
from typing import Any

from gates.judge import Gate, Memory, compile, judge  # noqa: A004 - the gate's own word
from gates.power import detection_days, ratio_information
from plans.schema import Plan
from rollout.model import FULL, Bucket, RolloutState, Status, Verdict
from tests.campaigns.world import BUCKET, LAUNCH, PER_DAY, Stretch, World, drawn

CHUNK = 24
MINUTES = BUCKET.total_seconds() / 60
FORTNIGHT = 14 * PER_DAY
METRICS = {
    "error_rate": {"source": "events", "bad": "error", "of": "request"},
    "accuracy": {"source": "events", "good": "correct", "of": "labelled"},
    "adoption": {"source": "events", "good": "adopted", "of": "shown"},
}


def rollout_plan(ramp: Sequence[Stretch], *criteria: str | dict[str, Any], **metrics: dict[str, Any]) -> Plan:
    """A plan with these phases and criteria; every phase lasts as long as its stretch."""
    return Plan.model_validate(
        {
            "sluice": 1,
            "name": "simulated",
            "flag": "simulated",
            "stable": {"model": "a"},
            "candidate": {"model": "b"},
            "audience": {"size": 20_000},
            "phases": [
                {
                    "name": f"phase-{index}",
                    "expose": f"{stretch.exposure / 1000:g}%",
                    "hold": f"{stretch.buckets * int(BUCKET.total_seconds())}s",
                }
                for index, stretch in enumerate(ramp)
            ],
            "metrics": METRICS | metrics,
            "stop": {"criteria": [{"when": c} if isinstance(c, str) else c for c in criteria]},
            "ends_below_100": ramp[-1].exposure < FULL,
        }
    )


def state_at(bucket: Bucket) -> RolloutState:
    """The rollout's state while a bucket was being filled."""
    return RolloutState(
        name="simulated",
        flag="simulated",
        status=Status.RUNNING,
        submitted=LAUNCH,
        since=LAUNCH,
        phase=bucket.phase,
        entered=LAUNCH,
        exposure=bucket.exposure,
    )


def breach_after(gate: Gate, buckets: Iterator[Bucket]) -> float:
    """Minutes from the first bucket to the end of the one that established a breach; infinite where none did."""
    memory: Memory | None = None
    done = 0
    while chunk := tuple(islice(buckets, CHUNK)):
        before, (memory, evidence) = memory, judge(gate, memory, chunk, state_at(chunk[-1]), chunk[-1].end)
        if any(finding.verdict is Verdict.BREACH for finding in evidence.findings):
            return (done + _first(gate, before, chunk)) * MINUTES
        done += len(chunk)
    return inf


def _first(gate: Gate, memory: Memory | None, chunk: Sequence[Bucket]) -> int:
    """Which bucket of a chunk, from 1, brought the breach: the same judgement, one bucket at a time."""
    for number, bucket in enumerate(chunk, start=1):
        memory, evidence = judge(gate, memory, [bucket], state_at(bucket), bucket.end)
        if any(finding.verdict is Verdict.BREACH for finding in evidence.findings):
            return number
    raise AssertionError("a breach of the whole chunk is a breach of one of its buckets")


def delays(world: World, ramp: Sequence[Stretch], runs: int, seed: int, *criteria: str | dict[str, Any]) -> list[float]:
    """Minutes from launch to breach for each of so many rollouts."""
    gate = compile(rollout_plan(ramp, *(criteria or (f"{world.metric} > 2x control",))))
    return [breach_after(gate, drawn(world, ramp, Random(f"{seed}/{run}"))) for run in range(runs)]


def tolerance(runs: int, share: float) -> float:
    """Four standard deviations of a binomial count."""
    return 4 * sqrt(runs * share * (1 - share))


def t90_minutes(exposure: int, ratio: float = 5.0) -> float:
    """The planner's 90 % detection time for the first table's traffic, in minutes."""
    treated = exposure / FULL
    per_day = ratio_information(20_000, 0.02, treated, 1 - treated, ratio, tolerated=1.5)
    return detection_days(per_day, criteria=1, alpha=0.05, phases=1).t90 * 1440
