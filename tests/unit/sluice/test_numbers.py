"""Pretended numbers lie as they should, and criteria on them are rehearsed like any other."""

from math import sqrt
from random import Random
from typing import Any

import pytest

from gates.planner import assumed
from gates.spreads import Spread, usual_mean
from plans.load import loads
from plans.schema import Plan
from sluice.errors import RefusedError
from sluice.simulate import runs
from sluice.simulate.faults import parse
from sluice.simulate.numbers import summed
from sluice.simulate.outcome import one_json
from sluice.simulate.runs import prepared
from tests.unit.sluice.test_simulate import MONDAY

TEXT = """
sluice: 1
name: numbers
flag: numbers
stable: {model: v1}
candidate: {model: v2}
audience: {size: 20000}
phases: [{name: some, expose: 10%, hold: 1d}, {name: half, expose: 50%, hold: 1d}]
ends_below_100: true
metrics:
  latency: {source: events, value: latency, of: request, unit: ms}
  cost: {source: events, value: cost, of: request, unit: usd}
  judge: {source: events, value: score, of: judged, range: [0, 1]}
stop:
  criteria:
    - p95(latency) > 800ms
    - mean(cost) > 1.2x control
    - {when: total(cost) > 500 usd per day, then: hold}
    - mean(judge) < 0.4
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A plan with a quantile, means, a cap and a bounded number."""
    return loads(TEXT)


@pytest.mark.parametrize("spread", [Spread(187.0, None), Spread(0.5, (0.0, 1.0)), Spread(3.0, (1.0, 5.0))])
def test_sums_squares_and_tails_are_those_of_the_distribution(spread: Spread) -> None:
    """Over 3,000 buckets of 40 the mean, the variance and the share past a limit are right within four deviations."""
    random, n, buckets = Random(1), 40, 3_000
    deviation = spread.deviation
    found = [summed(spread, n, random) for _ in range(buckets)]
    units, total = n * buckets, sum(counts.sum for counts in found)
    assert abs(total / units - spread.mean) < 4 * deviation / sqrt(units)
    second = spread.mean**2 + deviation**2
    assert sum(counts.squares for counts in found) / units == pytest.approx(second, rel=0.02)
    assert spread.past(spread.mean) == pytest.approx(0.5 if spread.bounds else 0.3679, abs=1e-3)
    low, high = spread.bounds or (0.0, float("inf"))
    assert all(n * low <= counts.sum <= n * high for counts in found)


def test_numbers_usually_keep_well_within_the_plans_limits(plan: Plan) -> None:
    """A p95 at 70 % of its limit, a daily total at 70 % of its cap, a mean on the harmless side; a baseline wins."""
    assert Spread(usual_mean(plan, "latency", 20_000), None).past(0.7 * 800) == pytest.approx(0.05)
    assert 20_000 * usual_mean(plan, "cost", 20_000) == pytest.approx(350)
    assert usual_mean(plan, "judge", 20_000) == pytest.approx(1.3 * 0.4)
    known = loads(TEXT.replace("unit: usd}", "unit: usd, baseline: 0.01}"))
    assert 0.01 == usual_mean(known, "cost", 20_000)


@pytest.mark.parametrize(
    ("fault", "outcome", "criterion"),
    [
        (None, "completed", None),
        ("latency 3x", "reverted", "p95(latency) > 800ms"),
        ("cost 1.6x", "reverted", "mean(cost) > 1.2x control"),
        ("everyone cost 1.6x", "completed", None),
        ("judge 0.5x", "reverted", "mean(judge) < 0.4"),
        ("everyone cost 15x", "held", "total(cost) > 500 usd per day"),
    ],
)
def test_each_kind_of_criterion_notices_its_own_fault(
    plan: Plan, fault: str | None, outcome: str, criterion: str | None
) -> None:
    """Slower, dearer and worse answers are reverted by their criterion; what control shares is not."""
    faults = [parse(fault, plan)] if fault else []
    case = prepared(plan, TEXT, assumed(plan), faults, MONDAY, 1)
    told: dict[str, Any] = one_json(runs.one(case), case.traffic, case.spells)
    last = told["journal"][-1]["finding"]
    assert (outcome, criterion) == (told["outcome"], last and last["criterion"])


def test_a_number_is_no_share(plan: Plan) -> None:
    """`latency = 6%` means nothing."""
    with pytest.raises(RefusedError, match="is a number and no share"):
        prepared(plan, TEXT, assumed(plan), [parse("latency = 6%", plan)], MONDAY, 1)
