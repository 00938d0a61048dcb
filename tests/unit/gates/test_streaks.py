"""`test: threshold`: looks that find the limit crossed, k of the last n."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gates.judge import Memory, compile, judge  # noqa: A004 - the gate's own word
from gates.rules import promised
from rollout.model import Bucket, Finding, Verdict
from tests.campaigns.gates import rollout_plan
from tests.unit.gates.rollouts import NAMES, RAMP, after, bucket, gate, only, state

OVER, UNDER = (3, 10), (0, 10)
CONTROL = (1, 90)


def looks(*found: tuple[int, int], proof: bool = False, streak: str | None = "3 of 5", **options: Any) -> Finding:
    """The finding after looks of five minutes with these counts of treatment."""
    rule = gate({"when": "error_rate > 2x control", "test": "threshold", "for": streak} | options, proof=proof)
    buckets = [bucket(i, counts, CONTROL) for i, counts in enumerate(found)]
    return only(judge(rule, None, buckets, state(), after(len(found)), NAMES)[1].findings)


def test_three_of_the_last_five_looks_are_a_breach() -> None:
    """Two are not, and neither are three that lie further apart."""
    assert looks(OVER, UNDER, OVER, UNDER, OVER).verdict is Verdict.BREACH
    assert looks(OVER, UNDER, OVER, UNDER, UNDER).verdict is Verdict.INSUFFICIENT
    assert looks(OVER, UNDER, OVER, UNDER, UNDER, OVER, UNDER, UNDER, OVER).verdict is Verdict.INSUFFICIENT


def test_looks_are_told_in_numbers() -> None:
    """The latest look's counts, how many looks were past the limit, how many it takes."""
    finding = looks(OVER, OVER, UNDER, OVER)
    assert finding.reason == (
        "error_rate treatment 3/10 (30.0 %) vs control 1/90 (1.1 %) = 27.0x; 3 of 5 looks past the limit, 3 needed; "
        'breach of "> 2x control"'
    )
    assert (finding.evidence, finding.threshold) == (3.0, 3.0)


def test_a_breach_by_looks_stays() -> None:
    """As every breach under the same promise."""
    assert looks(OVER, OVER, OVER, *[UNDER] * 10).verdict is Verdict.BREACH


def test_silence_is_a_look_that_found_nothing() -> None:
    """Looks go by the clock: after a gap of three, old ones have fallen out of the last five."""
    rule = gate({"when": "error_rate > 2x control", "test": "threshold", "for": "3 of 5"})
    buckets = [bucket(i, OVER, CONTROL) for i in (0, 1, 6)]
    assert only(judge(rule, None, buckets, state(), after(7), NAMES)[1].findings).verdict is Verdict.INSUFFICIENT


def test_no_look_counts_before_treatment_had_its_least_samples() -> None:
    """Nothing else keeps one bad answer of one from being a rate of 100 %."""
    assert looks(OVER, OVER, OVER, OVER, min_samples=40).verdict is Verdict.INSUFFICIENT
    assert looks(OVER, OVER, OVER, OVER, min_samples=20).verdict is Verdict.BREACH


def test_without_for_one_look_is_enough() -> None:
    """A threshold alone is the plain reading."""
    assert looks(OVER, streak=None).verdict is Verdict.BREACH


def test_a_control_without_bad_units_is_multiplied_and_never_divided() -> None:
    """Any bad unit is more than twice nothing; none is not."""
    rule = gate({"when": "error_rate > 2x control", "test": "threshold"})
    for bad, verdict in ((1, Verdict.BREACH), (0, Verdict.INSUFFICIENT)):
        found = judge(rule, None, [bucket(0, (bad, 10), (0, 90))], state(), after(1), NAMES)[1]
        assert only(found.findings).verdict is verdict


def test_a_look_is_as_long_as_check_every() -> None:
    """With half-hourly looks six buckets are one look, judged together once it is over."""
    criterion = {"when": "error_rate > 20%", "test": "threshold", "for": "1 of 1"}
    plan = rollout_plan(RAMP, criterion)
    stop = plan.stop.model_copy(update={"check_every": plan.stop.check_every + plan.stop.check_every})
    rule = compile(plan.model_copy(update={"stop": stop}))
    first, second = bucket(0, (3, 10)), bucket(1, (0, 10))
    memory, found = judge(rule, None, [first], state(), after(1), NAMES)
    assert only(found.findings).verdict is Verdict.INSUFFICIENT
    assert only(judge(rule, memory, [second], state(), after(2), NAMES)[1].findings).verdict is Verdict.INSUFFICIENT
    worse = replace(second, counts=bucket(1, (3, 10)).counts)
    assert only(judge(rule, memory, [worse], state(), after(2), NAMES)[1].findings).verdict is Verdict.BREACH


def test_a_look_that_no_bucket_ended_is_judged_with_the_next() -> None:
    """The last minutes of a look may have been silent."""
    plan = rollout_plan(RAMP, {"when": "error_rate > 20%", "test": "threshold"})
    stop = plan.stop.model_copy(update={"check_every": plan.stop.check_every + plan.stop.check_every})
    rule = compile(plan.model_copy(update={"stop": stop}))
    memory, _ = judge(rule, None, [bucket(0, OVER)], state(), after(2), NAMES)
    found = judge(rule, memory, [bucket(4, UNDER)], state(), after(5), NAMES)[1]
    assert only(found.findings).verdict is Verdict.BREACH


def test_looks_share_no_promise() -> None:
    """One sequential criterion of two has the whole of it."""
    looked = {"when": "error_rate > 2x control", "test": "threshold", "for": "3 of 5"}
    assert promised(rollout_plan(RAMP, "accuracy < 85%", looked)) == 1
    assert gate("accuracy < 85%", looked).rules[0].threshold == pytest.approx(20)


def test_clean_looks_are_a_pass_by_looks() -> None:
    """Five looks, fewer than three past the limit, where a phase demands a pass."""
    assert looks(*[UNDER] * 5, proof=True).verdict is Verdict.PASS
    assert looks(*[UNDER] * 4, proof=True).verdict is Verdict.INSUFFICIENT
    assert looks(*[UNDER] * 5).verdict is Verdict.INSUFFICIENT


def test_memory_of_looks_survives_json() -> None:
    """Looks under way are kept whole."""
    rule = gate({"when": "error_rate > 2x control", "test": "threshold", "for": "3 of 5"})
    memory, _ = judge(rule, None, [bucket(0, OVER, CONTROL)], state(), after(1), NAMES)
    assert Memory.from_json(memory.to_json()) == memory


def test_batching_never_matters_to_looks() -> None:
    """All at once or one at a time, with half a look in between."""
    rule = gate({"when": "error_rate > 2x control", "test": "threshold", "for": "2 of 4"})
    history: list[Bucket] = []
    for i in range(12):
        whole = bucket(i, (i % 3, 10), CONTROL)
        half = whole.start + timedelta(minutes=2)
        history += [replace(whole, end=half), replace(whole, start=half, epoch=i + 1)]
    at_once = judge(rule, None, history, state(), after(12), NAMES)
    memory: Memory | None = None
    for one in history:
        memory, evidence = judge(rule, memory, [one], state(), after(12), NAMES)
    assert at_once == (memory, evidence)
