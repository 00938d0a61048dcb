"""Sample-ratio mismatch: units that arrive in other shares than the phase says."""

from dataclasses import replace
from math import exp, lgamma, log
from random import Random
from typing import Any

import pytest

from gates.judge import Gate, Memory, compile, judge  # noqa: A004 - the gate's own word
from gates.splits import CONCENTRATION, THRESHOLD, mismatch
from plans.schema import Plan
from rollout.counting import MET
from rollout.model import FULL, Bucket, Counts, Finding, RolloutState, Verdict
from tests.campaigns.gates import rollout_plan, tolerance
from tests.campaigns.world import binomial
from tests.unit.gates.rollouts import NAMES, RAMP, after, bucket, gate, state


def arriving(treatment: int, control: int, looks: int = 20, start: int = 0, **options: Any) -> list[Bucket]:
    """Healthy buckets in which so many units come for the first time."""
    made = [bucket(i, (2, 100), (18, 900), **options) for i in range(start, start + looks)]
    met = (Counts(0, treatment), Counts(0, control))
    return [replace(one, counts={**one.counts, MET: met}) for one in made]


def found(rules: Gate, buckets: list[Bucket], at: RolloutState | None = None) -> tuple[Finding, ...]:
    return judge(rules, None, buckets, at or state(), buckets[-1].end, NAMES)[1].findings


def test_the_bayes_factor_is_that_of_a_dirichlet_prior() -> None:
    """Two cohorts are a beta-binomial: unit by unit, each against its share, gives the same product."""
    random, share, treatment, control, product = Random(1), 0.1, 0, 0, 1.0
    for _ in range(300):
        if random.random() < 0.15:
            predicted = (CONCENTRATION * share + treatment) / (CONCENTRATION + treatment + control)
            product *= predicted / share
            treatment += 1
        else:
            predicted = (CONCENTRATION * (1 - share) + control) / (CONCENTRATION + treatment + control)
            product *= predicted / (1 - share)
            control += 1
    assert mismatch(treatment, control, 10_000) == pytest.approx(product)
    by_hand = lgamma(CONCENTRATION) - lgamma(CONCENTRATION + 300)
    for p, n in ((0.1, treatment), (0.9, control)):
        by_hand += lgamma(CONCENTRATION * p + n) - lgamma(CONCENTRATION * p) - n * log(p)
    assert mismatch(treatment, control, 10_000) == pytest.approx(exp(by_hand))


def test_nothing_can_be_split_wrongly_where_all_are_in_one_cohort() -> None:
    """At 0 and at 100 % there is no ratio."""
    assert 1.0 == mismatch(500, 0, FULL) == mismatch(0, 500, 0) == mismatch(0, 0, 10_000)


@pytest.mark.parametrize("exposure", [1_000, 10_000, 50_000])
def test_a_right_split_is_hardly_ever_doubted(exposure: int) -> None:
    """200 streams of 20,000 units, looked at 100 times each: at most 1 % ever reach the threshold."""
    runs, random, doubted = 200, Random(exposure), 0
    for _ in range(runs):
        treatment, worst = 0, 1.0
        for look in range(1, 101):
            treatment += binomial(200, exposure / FULL, random)
            worst = max(worst, mismatch(treatment, 200 * look - treatment, exposure))
        doubted += worst >= THRESHOLD
    assert doubted <= runs * 0.01 + tolerance(runs, 0.01)


def test_a_wrong_split_makes_every_comparison_invalid() -> None:
    """7 % where 10 % should be: what compares with control is invalid and says why, a share by itself is not."""
    ratio, share = found(gate("error_rate > 2x control", "error_rate > 5%"), arriving(70, 930))
    assert (ratio.verdict, share.verdict) == (Verdict.INVALID, Verdict.INSUFFICIENT)
    assert ratio.reason.startswith(
        "error_rate: of 20,000 units met in this phase 1,400 (7.0 %) are treatment, expected 10.0 %; evidence of a "
        "wrong split "
    )
    assert ratio.reason.endswith('> 100; invalid for "> 2x control"')
    assert found(gate("error_rate > 2x control"), arriving(100, 900))[0].verdict is Verdict.INSUFFICIENT


def test_an_established_breach_outranks_a_wrong_split() -> None:
    """Verdicts never weaken: who was to be reverted is not held instead."""
    bad = [replace(one, counts={**one.counts, "error_rate": (Counts(20, 100), Counts(18, 900))})
           for one in arriving(70, 930)]  # fmt: skip
    assert found(gate("error_rate > 2x control"), bad)[0].verdict is Verdict.BREACH


def test_a_wrong_split_never_ships() -> None:
    """What a test phase established is invalid with it."""
    plan = rollout_plan(RAMP, "error_rate > 5%").model_dump(by_alias=True, mode="json", exclude_defaults=True)
    plan["phases"][1]["decide"] = {"ship": "accuracy >= control + 2pp", "revert": "accuracy < control"}
    rules = compile(Plan.model_validate(plan))
    better = {"accuracy": (Counts(50, 500), Counts(500, 4_500))}
    for met, verdict in (((70, 930), Verdict.INVALID), ((100, 900), Verdict.INSUFFICIENT)):
        buckets = [replace(one, counts={**one.counts, **better}) for one in arriving(*met)]
        assert found(rules, buckets)[1].verdict is verdict


def test_each_phase_is_tested_by_its_own_shares() -> None:
    """A wrong split of the last phase says nothing about this one."""
    before = arriving(70, 930)
    rules = gate("error_rate > 2x control")
    memory, _ = judge(rules, None, before, state(), after(20), NAMES)
    assert memory.met.mismatch > THRESHOLD
    onward = [replace(one, phase=0, exposure=1_000, epoch=1) for one in arriving(10, 990, start=20)]
    memory, evidence = judge(rules, memory, onward, state(phase=0), after(40), NAMES)
    assert memory.met[:2] == (200, 19_800)
    assert evidence.findings[0].verdict is Verdict.INSUFFICIENT


def test_an_overruled_hold_tests_the_split_afresh() -> None:
    """Who resumes says that it is understood; only those who come from then on are counted."""
    rules = gate("error_rate > 2x control")
    memory, _ = judge(rules, None, arriving(70, 930), state(), after(20), NAMES)
    resumed = arriving(100, 900, looks=5, start=20, epoch=2, settings_epoch=2)
    memory, evidence = judge(rules, memory, resumed, state(settings_epoch=2), after(25), NAMES)
    assert memory.met[:2] == (500, 4_500)
    assert evidence.findings[0].verdict is Verdict.INSUFFICIENT


def test_a_resume_after_an_aborted_wrong_split_begins_everything_afresh() -> None:
    """Abort, then resume: no unit of before counts, no evidence of before stands, and control's past is kept.

    Buckets of the old promise that are told late change nothing of that.
    """
    rules = gate("error_rate > 2x control")
    memory, evidence = judge(rules, None, arriving(70, 930), state(), after(20), NAMES)
    assert evidence.findings[0].verdict is Verdict.INVALID
    again = state(promise=7, epoch=7, settings_epoch=7)
    late = arriving(70, 930, looks=2, start=20)
    memory, evidence = judge(rules, memory, late, again, after(23), NAMES)
    assert (memory.met[:2], evidence.findings[0].verdict) == ((0, 0), Verdict.NO_DATA)
    onward = arriving(100, 900, looks=5, start=30, epoch=7, settings_epoch=7)
    memory, evidence = judge(rules, memory, onward, again, after(35), NAMES)
    (finding,) = evidence.findings
    assert (memory.met[:2], finding.verdict) == ((500, 4_500), Verdict.INSUFFICIENT)
    assert (finding.treatment, finding.samples, evidence.promise) == (Counts(10, 500), 500, 7)
    assert memory.records[0].known.past_total == 27 * 900


def test_units_met_survive_json_and_batching() -> None:
    """One bucket at a time, or all at once."""
    rules = gate("error_rate > 2x control")
    history = arriving(90, 910)
    whole = judge(rules, None, history, state(), after(20), NAMES)
    memory: Memory | None = None
    for one in history:
        memory, evidence = judge(rules, memory, [one], state(), after(20), NAMES)
        memory = Memory.from_json(memory.to_json())
    assert whole == (memory, evidence)
