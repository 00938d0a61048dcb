"""Forecasts of means, differences, quantiles, caps and looks: by hand, and against the gate's own arithmetic."""

from datetime import UTC, datetime
from math import exp, inf, log
from random import Random
from typing import Any

import pytest

from gates.chances import looks_until
from gates.foresight import assumption, detection_json, margins, warnings
from gates.planner import Forecast, Noticed, assumed, forecast
from gates.prospects import Contest, Group, contest_days
from gates.streaks import Streak
from plans.schema import Plan

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
METRICS = {
    "error_rate": {"source": "events", "bad": "error", "of": "request"},
    "accuracy": {"source": "events", "good": "correct", "of": "labelled"},
    "latency": {"source": "events", "value": "latency", "of": "request", "unit": "ms"},
    "cost": {"source": "events", "value": "cost", "of": "request", "unit": "usd", "baseline": 0.02},
    "judge": {"source": "events", "value": "score", "of": "judged", "range": [0, 1]},
}


def foreseen(*criteria: Any, phases: tuple[tuple[str, str], ...] = (("10%", "7d"),), **stop: Any) -> Forecast:
    """The forecast of a plan of 20,000 users a day with these criteria."""
    plan = Plan.model_validate(
        {
            "sluice": 1,
            "name": "planned",
            "flag": "planned",
            "stable": {"model": "a"},
            "candidate": {"model": "b"},
            "audience": {"size": 20_000},
            "phases": [{"name": f"p{i}", "expose": share, "hold": hold} for i, (share, hold) in enumerate(phases)],
            "metrics": METRICS,
            "stop": {"criteria": list(criteria), **stop},
            "ends_below_100": phases[-1][0] != "100%",
        }
    )
    return forecast(plan, MONDAY, assumed(plan))


def faults(*criteria: Any, **more: Any) -> tuple[Noticed, ...]:
    """Faults of 2, 3, 5 and 10 times in the first phase, of the first criterion."""
    return foreseen(*criteria, **more).outlooks[0].faults


def test_a_quantile_is_forecast_by_the_share_past_its_limit() -> None:
    """Waiting times whose p95 lies at 70 % of the limit: twice as slow, 5 % to the power of 1/1.4 are past it."""
    fault = faults("p95(latency) > 800ms")[0]
    share = 0.05 ** (1 / 1.4)
    growth = 2_000 * (share * log(share / 0.05) + (1 - share) * log((1 - share) / 0.95))
    assert fault.days.t50 == pytest.approx(1.15 * (log(1 / 0.05) + log(2)) / growth)
    assert fault.past


def test_a_mean_is_noticed_when_its_interval_leaves_what_is_tolerated() -> None:
    """The larger the fault the sooner; half and nine in ten differ; what stays below the tolerated is never noticed."""
    found = faults("mean(cost) > 3x control")
    assert inf == found[0].days.t50
    assert found[1].days.t50 > found[2].days.t50 > found[3].days.t50
    assert all(fault.days.t50 < fault.days.t90 < inf for fault in found[1:])


def test_the_forecast_of_a_mean_is_that_of_rollouts_drawn_by_chance() -> None:
    """Of 200 pretended rollouts about half have noticed by the median, and nine in ten by the later end."""
    random, contest = Random(1), _contest()
    forecast_ = contest_days(contest, 20.0)
    drawn = sorted(_drawn(random, contest, 20.0) for _ in range(200))
    assert 0.6 < drawn[100] / forecast_.t50 <= 1.15  # looked at all the time, it is noticed no later than at one look
    assert 0.6 < drawn[180] / forecast_.t90 <= 1.15


def test_what_came_before_a_fault_delays_its_notice() -> None:
    """Intervals are about all units since the rollout began, so that a healthy phase dilutes a fault in the next."""
    first, second = foreseen("mean(cost) > 1.2x control", phases=(("10%", "7d"), ("11%", "7d"))).outlooks
    assert first.faults[1].days.t50 < second.faults[1].days.t50


def test_a_difference_in_points_has_a_forecast() -> None:
    """Three times 2 % errors are four points more; twice are exactly two, which is a limit and yet noticed."""
    found = foreseen("error_rate > control + 2pp").outlooks[0]
    assert [False, True] == [fault.past for fault in found.faults[:2]]
    assert all(0 < fault.days.t50 < inf for fault in found.faults)
    assert "tolerated +1 pp, limit +2 pp" == margins(found.rule)


def test_a_cap_is_reached_on_the_day_that_arithmetic_says() -> None:
    """2,000 users at 0.02 usd are 40 usd a day: five times that is 200, of which 100 are spent at noon."""
    found = faults({"when": "total(cost) > 100 usd per day", "then": "hold"})
    assert [inf, 100 / 120, 0.5, 0.25] == [pytest.approx(fault.days.t50) for fault in found]
    assert all(fault.days.t50 == fault.days.t90 for fault in found)


def test_a_cap_that_health_reaches_is_told() -> None:
    """40 usd a day at 10 %, 400 at 100 %: the cap of 300 is past in the last phase alone."""
    found = foreseen({"when": "total(cost) > 300 usd per day", "then": "hold"}, phases=(("10%", "1d"), ("100%", "1d")))
    (told,) = [text for text in warnings(found) if "past the limit" in text]
    assert "0.02 usd on average" in told
    assert "already in p1" in told


def test_looks_wait_for_k_of_n_as_long_as_a_coin_does() -> None:
    """1 of 1 is geometric; 2 of 2 at one half has its median at look 4; certain crossings need k looks."""
    assert (7, 22) == looks_until(Streak(1, 1, 300), 0.1)
    assert 4 == looks_until(Streak(2, 2, 300), 0.5).t50
    assert (3, 3) == looks_until(Streak(3, 5, 300), 1.0)


def test_a_long_wait_for_looks_goes_on_as_it_settles() -> None:
    """1 of 1 at one in a thousand: ln 2 and ln 10 thousand looks, within what the coin says exactly."""
    found = looks_until(Streak(1, 1, 300), 0.001)
    assert found.t50 == pytest.approx(log(0.5) / log(0.999), rel=1e-3)
    assert found.t90 == pytest.approx(log(0.1) / log(0.999), rel=1e-3)


def test_looks_that_chance_makes_cross_are_warned_of() -> None:
    """Of seven users in five minutes one error is 14 %: healthy rollouts breach `1 of 1` within the hour."""
    found = foreseen({"when": "error_rate > 5%", "test": "threshold"})
    (told,) = [text for text in warnings(found) if "chance alone" in text]
    median = log(0.5) / log(0.98**7) * 5 / 1440
    assert found.outlooks[0].alarm_days == pytest.approx(median, abs=5 / 1440)
    assert "ask for more looks" in told


def test_looks_whose_wait_is_not_worked_out_say_so() -> None:
    """More than twelve looks have no forecast, and the warning says why."""
    found = foreseen({"when": "error_rate > 5%", "test": "threshold", "for": "3 of 20"})
    assert ("`error_rate > 5%`: the wait for `for: 3 of 20` is worked out up to 12 looks",) == found.unjudged


def test_a_difference_of_a_number_asks_for_its_baseline() -> None:
    """How much 10 ms more are depends on how many there usually are."""
    (why,) = foreseen("mean(latency) > control + 10ms").unjudged
    assert "give latency its `baseline`" in why


def test_hours_in_which_units_come_stretch_the_wait() -> None:
    """Units of Mon-Fri 08:00-20:00 alone: begun on a Friday evening, a day of traffic is over on Tuesday morning."""
    hours: Any = {"expect_data": "Mon-Fri 08:00-20:00"}
    all_day, office = faults("accuracy < 85%"), faults("accuracy < 85%", **hours)
    assert all(slow.days.t50 <= 2 * fast.days.t50 + 14 for fast, slow in zip(all_day, office, strict=True))
    assert office[1].days.t50 == pytest.approx(all_day[1].days.t50 / 2, abs=2 / 1440)  # on a Monday morning, denser
    assert "Mon-Fri 08:00-20:00 UTC alone" in assumption(foreseen("accuracy < 85%", **hours))


def test_numbers_are_told_in_their_unit() -> None:
    """What is taken for granted, and a limit, read as people write them."""
    found = foreseen("mean(judge) < 0.4", "p95(latency) > 800ms", {"when": "mean(latency) > 400ms", "then": "hold"})
    told = assumption(found)
    assert "judge 0.52 on average" in told
    assert f"latency {0.7 * 800 / log(20):,.4g} ms on average" in told
    assert "tolerated 400 ms, limit 400 ms" == margins(found.rules[2])
    assert {"p50", "p90"} == set(detection_json(found)[0]["faults"][0]["days"])


def _contest() -> Contest:
    """Exponential numbers at 50 %, half as large again as control's; 1.1 times are tolerated."""
    group = {"daily": 1_000.0}
    return Contest(Group(mean=1.5, variance=2.25, **group), Group(mean=1.0, variance=1.0, **group), 0, 1.1, 0, 1e-3, 1)


def _drawn(random: Random, contest: Contest, threshold: float) -> float:
    """When one pretended rollout, looked at every 50 units, first reaches the threshold."""
    sums, n = [0.0, 0.0], 0
    while True:
        n += 50
        sums = [
            total + sum(random.expovariate(1 / mean) for _ in range(50))
            for total, mean in zip(sums, (1.5, 1.0), strict=True)
        ]
        if n < 100:
            continue
        value = sums[0] / n - 1.1 * sums[1] / n
        variance, grown = (2.25 + 1.21) / n, 2 * n * contest.rho2 + 1
        exponent = 2 * n * contest.rho2 * value * value / (2 * variance * grown)
        if value > 0 and 2 * exp(min(exponent, 600)) / grown**0.5 >= threshold:
            return n / 1_000
