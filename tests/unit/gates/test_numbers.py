"""Metrics that are numbers: quantiles, means, and a cap on what a day may cost."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from gates.judge import Gate, Memory, judge
from gates.rules import promised
from rollout.counting import past_key, total_key
from rollout.model import Bucket, Counts, Evidence, Finding, RolloutState, Verdict
from tests.campaigns.gates import rollout_plan
from tests.unit.gates.rollouts import RAMP, after, bucket, gate, only, state

LATENCY = {"source": "events", "value": "latency", "of": "request", "unit": "ms"}
COST = {"source": "events", "value": "cost", "of": "request", "unit": "usd"}
SCORE = {"source": "events", "value": "score", "of": "request", "range": [0, 1]}
SEEN = frozenset({"latency", "cost", "score"})


def numbers(*criteria: str | dict[str, Any], proof: bool = False) -> Gate:
    """A gate with metrics that are numbers."""
    return gate(*criteria, proof=proof, latency=LATENCY, cost=COST, score=SCORE)


def of(values: list[float]) -> Counts:
    """Units of one cohort with these numbers."""
    return Counts(0, len(values), sum(values), sum(value * value for value in values))


def drawn(
    metric: str, treatment: float, control: float, looks: int = 20, seed: int = 1, **options: Any
) -> list[Bucket]:
    """Buckets of 100 units a cohort around these means, a fifth of the mean off."""
    random = Random(seed)
    made = []
    for index in range(looks):
        here, there = ([random.gauss(mean, abs(mean) / 5) for _ in range(100)] for mean in (treatment, control))
        made.append(replace(bucket(index, **options), counts={metric: (of(here), of(there))}))
    return made


def found(rules: Gate, buckets: list[Bucket], at: RolloutState | None = None) -> Finding:
    """The one finding after these buckets."""
    return only(judge(rules, None, buckets, at or state(), buckets[-1].end, SEEN)[1].findings)


def test_a_quantile_is_a_rate_of_units_past_its_limit() -> None:
    """`p95 > 800 ms` says that more than one in twenty is slower: 8 % are a breach, 4 % are none."""
    rules = numbers("p95(latency) > 800ms")
    key = past_key("latency", 800.0)
    slow = [bucket(i, (8, 100), (4, 100), metric=key) for i in range(60)]
    finding = found(rules, slow)
    assert finding.verdict is Verdict.BREACH
    assert finding.reason.startswith("p95(latency) treatment 480/6,000 (8.0 %) above 800 ms; evidence ")
    assert finding.reason.endswith('breach of "> 800ms"')
    assert (finding.seen, finding.limit) == (0.08, 0.05)
    assert found(rules, [bucket(i, (4, 100), metric=key) for i in range(400)]).verdict is Verdict.INSUFFICIENT


@pytest.mark.parametrize(("quantile", "share"), [("p50", 0.5), ("p90", 0.1), ("p95", 0.05), ("p99", 0.01)])
def test_each_quantile_allows_its_own_share(quantile: str, share: float) -> None:
    """The median allows half of all units past the limit, and is held against the rate gate like any share."""
    (rule,) = numbers(f"{quantile}(latency) > 800ms").rules
    assert (rule.tolerated, rule.limit, rule.key) == (share, share, "latency > 800.0")


def test_a_mean_is_held_against_controls() -> None:
    """`> 1.2x control` tolerates half of the way: 1.4x is a breach, 1.1x is none however many there are."""
    rules = numbers("mean(cost) > 1.2x control")
    finding = found(rules, drawn("cost", 1.4, 1.0))
    assert finding.verdict is Verdict.BREACH
    assert finding.tolerated == pytest.approx(1.1)
    assert finding.low is not None
    assert finding.high is not None
    assert 1.1 < finding.low < 1.4 < finding.high
    assert finding.reason.startswith("mean(cost) treatment 1.")
    assert " usd over 2,000 vs control " in finding.reason
    assert found(rules, drawn("cost", 1.1, 1.0, looks=400)).verdict is Verdict.INSUFFICIENT


def test_a_mean_below_control_has_its_own_side() -> None:
    """A judge's score at half of control's, and at control's."""
    rules = numbers("mean(score) < 0.8x control")
    assert found(rules, drawn("score", 0.3, 0.6)).verdict is Verdict.BREACH
    assert found(rules, drawn("score", 0.6, 0.6, looks=200)).verdict is Verdict.INSUFFICIENT


def test_a_mean_is_held_against_a_number() -> None:
    """The limit itself is tolerated, as of a share."""
    rules = numbers("mean(latency) > 800ms")
    assert found(rules, drawn("latency", 900, 1)).verdict is Verdict.BREACH
    finding = found(rules, drawn("latency", 790, 1, looks=200))
    assert (finding.verdict, finding.tolerated, finding.limit) == (Verdict.INSUFFICIENT, 800.0, 800.0)


def test_a_difference_of_means_is_in_the_metrics_own_unit() -> None:
    """A tenth of a point, of which half is tolerated."""
    rules = numbers("mean(score) < control - 0.1")
    finding = found(rules, drawn("score", 0.4, 0.6))
    assert finding.verdict is Verdict.BREACH
    assert finding.tolerated == pytest.approx(-0.05)
    assert " = -0." in finding.reason


def test_at_full_exposure_a_mean_is_held_against_controls_frozen_bound() -> None:
    """The upper 95 % bound of control's mean, in the metric's unit."""
    rules = numbers("mean(cost) > 1.2x control")
    before = drawn("cost", 1.0, 1.0)
    dear = of([3.0, 3.5] * 500)
    late = [replace(bucket(i, phase=2, epoch=1), counts={"cost": (dear, Counts())}) for i in range(20, 40)]
    finding = found(rules, before + late, state(phase=2))
    assert finding.verdict is Verdict.BREACH
    assert "vs control frozen at 1.0" in finding.reason


def test_looks_at_a_mean_count_its_crossings() -> None:
    """`test: threshold` on a number: each look by itself."""
    rules = numbers({"when": "mean(latency) > 800ms", "test": "threshold", "for": "3 of 3"})
    assert found(rules, drawn("latency", 900, 1, looks=3)).verdict is Verdict.BREACH
    assert found(rules, drawn("latency", 900, 1, looks=2)).verdict is Verdict.INSUFFICIENT


def spending(*amounts: float, start: int = 0) -> list[Bucket]:
    """Buckets in which treatment cost so much."""
    key = total_key("cost")
    return [
        replace(bucket(start + i), counts={key: (Counts(0, 5, amount), Counts(0, 45, 9 * amount))})
        for i, amount in enumerate(amounts)
    ]


def test_a_cap_is_reached_by_treatments_sum_of_one_day() -> None:
    """499 of 500 is not, 501 is, and what control costs is no matter."""
    rules = numbers({"when": "total(cost) > 500 usd per day", "then": "disable"})
    assert found(rules, spending(400, 99)).verdict is Verdict.INSUFFICIENT
    finding = found(rules, spending(400, 99, 2))
    assert finding.verdict is Verdict.BREACH
    assert finding.reason == ('total(cost) treatment 501.00 usd in one day of 500 usd; breach of "> 500 usd per day"')
    assert (finding.evidence, finding.threshold, finding.seen) == (501, 500, 501)


def test_a_cap_counts_each_day_of_the_plans_zone_anew() -> None:
    """300 before midnight and 300 after it are no 500 in one day; launch was at 9 in UTC, which the plan counts in."""
    rules = numbers({"when": "total(cost) > 500 usd per day", "then": "hold"})
    midnight = 15 * 12
    assert found(rules, spending(300) + spending(300, start=midnight)).verdict is Verdict.INSUFFICIENT
    assert found(rules, spending(300) + spending(300, start=midnight - 1)).verdict is Verdict.BREACH


def test_a_cap_takes_no_part_of_the_promise() -> None:
    """Nothing about a sum is left to chance."""
    capped = {"when": "total(cost) > 500 usd per day", "then": "disable"}
    plan = rollout_plan(RAMP, "accuracy < 85%", capped, cost=COST)
    assert promised(plan) == 1


def test_numbers_without_a_hundred_units_say_nothing() -> None:
    """However far apart they are."""
    few = [replace(bucket(0), counts={"cost": (of([9.0, 9.5] * 40), of([1.0] * 500))})]
    finding = found(numbers("mean(cost) > 1.2x control"), few)
    assert (finding.verdict, finding.low) == (Verdict.INSUFFICIENT, None)


def test_memory_of_numbers_survives_json_and_batching() -> None:
    """One bucket at a time through JSON, or all at once."""
    rules = numbers("mean(cost) > 1.2x control", "p95(latency) > 800ms", "total(cost) > 500 usd per day", proof=True)
    history = drawn("cost", 1.0, 1.0, looks=6)
    whole = judge(rules, None, history, state(), after(6), SEEN)
    memory: Memory | None = None
    evidence = Evidence()
    for one in history:
        memory, evidence = judge(rules, memory, [one], state(), after(6), SEEN)
        memory = Memory.from_json(memory.to_json())
    assert whole == (memory, evidence)
