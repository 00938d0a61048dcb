"""Sources that count events: how much their counts scatter, and what that takes from the evidence."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from gates.dispersion import LEAST_BUCKETS, Noise, dispersion, heard
from gates.judge import Gate, Memory, judge
from gates.sequential import rate_step, ratio_step, worse_rate, worse_ratio
from rollout.model import NOT_STARTED, Bucket, Counts, Evidence, Finding, Verdict
from tests.campaigns.world import binomial
from tests.unit.gates.rollouts import NAMES, after, bucket, gate, only, state

PROM = {"source": "prom", "bad": "errors", "of": "requests"}
BURST = 4


def noise(burst: int, buckets: int = 2_000) -> Noise:
    """Buckets of 400 units of 5 % bad, each of which is counted so many times."""
    random, found = Random(burst), Noise()
    for _ in range(buckets):
        found = heard(found, burst * binomial(400, 0.05, random), burst * 400)
    return found


def past(burst: int, buckets: int = 240) -> list[Bucket]:
    """Control's counts from before the rollout, in bursts."""
    random, made = Random(7), []
    for index in range(buckets):
        start = after(index - buckets)
        counts = {"error_rate": (Counts(), Counts(burst * binomial(400, 0.05, random), burst * 400))}
        made.append(
            replace(
                bucket(0), start=start, end=start + timedelta(minutes=5), epoch=-1, phase=NOT_STARTED, exposure=0,
                counts=counts,
            )
        )  # fmt: skip
    return made


def judged(rules: Gate, buckets: list[Bucket]) -> tuple[Memory, Finding]:
    memory, evidence = judge(rules, None, buckets, state(), buckets[-1].end, NAMES)
    return memory, only(evidence.findings)


@pytest.mark.parametrize("burst", [1, 2, 5])
def test_events_in_bursts_scatter_by_the_size_of_the_burst(burst: int) -> None:
    """Of n units counted k times each the variance is k² times, of n·k independent ones k times: φ is k."""
    found = dispersion(noise(burst))
    assert found is not None
    assert abs(found - burst) < 4 * burst * (2 / 2_000) ** 0.5


def test_pearsons_statistic_is_that_of_the_textbook() -> None:
    """Σ(y−cp)²/(cp(1−p))/(m−1), McCullagh & Nelder 1989, from the buckets themselves."""
    random, rows, found = Random(5), [], Noise()
    for _ in range(300):
        c = random.randint(50, 500)
        y = 3 * binomial(c // 3, 0.1, random)
        rows.append((y, c))
        found = heard(found, y, c)
    p = sum(y for y, _ in rows) / sum(c for _, c in rows)
    by_hand = sum((y - c * p) ** 2 / (c * p * (1 - p)) for y, c in rows) / 299
    assert dispersion(found) == pytest.approx(by_hand)


def test_too_little_is_no_estimate() -> None:
    """Fewer than 200 buckets, or none with a bad unit."""
    assert dispersion(noise(1, LEAST_BUCKETS - 1)) is None
    assert dispersion(noise(1, LEAST_BUCKETS)) is not None
    assert dispersion(Noise(500, 0, 10_000, 0.0)) is None
    assert heard(Noise(), 0, 0) == Noise()


def test_counts_that_scatter_less_than_chance_gain_nothing() -> None:
    """Exactly 5 % in every bucket is a dispersion of 0, taken as 1."""
    found = Noise()
    for _ in range(300):
        found = heard(found, 20, 400)
    assert 1.0 == dispersion(found)


def test_a_likelihood_ratio_is_taken_to_the_power() -> None:
    """Half of the exponent: the square root of the factor."""
    rates, ratios = worse_rate(0.05, 0.05), worse_ratio(1.5, 2.0)
    whole = rate_step((1.0,) * 6, 0.0, 12, 100, rates)
    assert [mass**0.5 for mass in whole] == pytest.approx(rate_step((1.0,) * 6, 0.0, 12, 100, rates, power=0.5))
    whole = ratio_step((1.0,) * 7, 0.0, 12, 100, 40, 900, ratios)
    half = ratio_step((1.0,) * 7, 0.0, 12, 100, 40, 900, ratios, power=0.5)
    assert [mass**0.5 for mass in whole] == pytest.approx(half)


def test_bursts_before_the_rollout_weaken_the_evidence_of_bursts_in_it() -> None:
    """Each user's errors counted four times: evidence enough for a revert unless one knows that they come so."""
    rules = gate("error_rate > 2x control", error_rate=PROM)
    during = [bucket(i, (BURST * 4, BURST * 40), (BURST * 18, BURST * 360)) for i in range(24)]
    _, naive = judged(rules, during)
    memory, aware = judged(rules, past(BURST) + during)
    assert (naive.verdict, aware.verdict) == (Verdict.BREACH, Verdict.INSUFFICIENT)
    assert aware.evidence < naive.evidence**0.5
    assert memory.records[0].known.power == pytest.approx(1 / BURST, rel=0.4)
    assert "dispersion about " in aware.reason
    assert "(240 buckets before the start)" in aware.reason
    assert "dispersion unknown, taken as 1" in naive.reason


def test_buckets_before_the_rollout_tell_nothing_else() -> None:
    """No evidence, no samples, no frozen rate, and no onset prior is spent on them."""
    rules = gate("error_rate > 2x control", error_rate=PROM)
    memory, finding = judged(rules, past(1))
    fresh, _ = judge(rules, None, [], state(), after(30), NAMES)
    assert finding.evidence == 1
    assert (memory.lasting, memory.passing, memory.phase) == (fresh.lasting, fresh.passing, fresh.phase)
    known = memory.records[0].known
    assert (known.past_total, known.samples, known.proven, known.control_heard) == (0, 0, False, None)


def test_units_of_the_embedded_source_need_no_such_correction() -> None:
    """It counts distinct units; its words say nothing of dispersion."""
    _, finding = judged(gate("error_rate > 2x control"), [bucket(0, (1, 50), (9, 450))])
    assert "dispersion" not in finding.reason


def test_dispersion_survives_json_and_batching() -> None:
    """One bucket at a time, through JSON."""
    rules = gate("error_rate > 2x control", error_rate=PROM)
    history: list[Any] = [*past(2), bucket(0, (1, 50), (9, 450))]
    whole = judge(rules, None, history, state(), after(30), NAMES)
    memory: Memory | None = None
    evidence = Evidence()
    for one in history:
        memory, evidence = judge(rules, memory, [one], state(), after(30), NAMES)
        memory = Memory.from_json(memory.to_json())
    assert whole == (memory, evidence)
