"""How long the gate takes for one look: microseconds a criterion are in `extra_info`, the aim is 10."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gates.consume import consumed
from gates.judge import Gate, Memory, compile, judge  # noqa: A004 - the gate's own word
from plans.load import loads
from rollout.model import Bucket, Counts, RolloutState, Status

LAUNCH = datetime(2026, 12, 1, 9, tzinfo=UTC)
LOOK = timedelta(minutes=5)
WARM = 500
CRITERIA = 4
PLAN = """
sluice: 1
name: bench
flag: bench-ai
stable:    {model: v1}
candidate: {model: v2}
phases:
  - {name: beta, expose: 10%, hold: 14d}
  - {name: ga, expose: 100%, hold: 7d}
metrics:
  error_rate: {source: events, bad: error, of: request}
  complaints: {source: events, bad: complaint, of: request}
  accuracy:   {source: events, good: correct, of: labelled}
  irrelevant: {source: events, bad: irrelevant, of: shown}
stop:
  criteria:
    - error_rate > 2x control
    - {when: complaints > 3x control, then: hold}
    - accuracy < 85%
    - {when: irrelevant > 5%, then: notify}
"""
SEEN = frozenset({"error", "complaint", "correct", "irrelevant"})


def bucket(index: int) -> Bucket:
    """Five healthy minutes of 20,000 requests a day at 10 %, with a bad unit in each cohort now and then."""
    return Bucket(
        start=LAUNCH + index * LOOK,
        end=LAUNCH + (index + 1) * LOOK,
        epoch=1,
        phase=0,
        exposure=10_000,
        settings_epoch=0,
        counts={
            "error_rate": (Counts(index % 7 == 0, 7), Counts(1, 63)),
            "complaints": (Counts(0, 7), Counts(index % 16 == 0, 63)),
            "accuracy": (Counts(index % 5 == 0, 2), Counts(2, 18)),
            "irrelevant": (Counts(index % 7 == 0, 7), Counts(1, 63)),
        },
    )


@pytest.fixture
def warm() -> tuple[Gate, Memory, RolloutState]:
    """A gate of four criteria two days into its first phase."""
    gate = compile(loads(PLAN))
    running = RolloutState(
        name="bench",
        flag="bench-ai",
        status=Status.RUNNING,
        submitted=LAUNCH,
        since=LAUNCH,
        phase=0,
        entered=LAUNCH,
        exposure=10_000,
        epoch=1,
    )
    memory, _ = judge(gate, None, [bucket(i) for i in range(WARM)], running, LAUNCH + WARM * LOOK, SEEN)
    return gate, memory, running


def _report(benchmark: BenchmarkFixture, function: Callable[[], object]) -> None:
    benchmark(function)
    if benchmark.stats is not None:
        benchmark.extra_info["µs a criterion"] = round(benchmark.stats.stats.min / CRITERIA * 1e6, 2)


def test_statistics_of_one_look(benchmark: BenchmarkFixture, warm: tuple[Gate, Memory, RolloutState]) -> None:
    """One bucket into the memory of four criteria: the mathematics alone."""
    gate, memory, _ = warm
    new = bucket(WARM)
    _report(benchmark, lambda: consumed(gate, memory, new))


def test_one_look_with_its_findings(benchmark: BenchmarkFixture, warm: tuple[Gate, Memory, RolloutState]) -> None:
    """One bucket judged: memory, verdicts, and the reasons in words."""
    gate, memory, running = warm
    buckets, now = [bucket(WARM)], LAUNCH + (WARM + 1) * LOOK
    _report(benchmark, lambda: judge(gate, memory, buckets, running, now, SEEN))


def test_memory_out_and_in(benchmark: BenchmarkFixture, warm: tuple[Gate, Memory, RolloutState]) -> None:
    """What is stored between two looks, written and read back."""
    memory = warm[1]
    _report(benchmark, lambda: Memory.from_json(memory.to_json()))
