"""The demo's application, as a model of chance."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from math import sqrt

import pytest

from sluice.demo_model import MODELS, USERS, Visit, hour_of_visits, irrelevant_rate, outcomes, users, visits

DAY = datetime(2026, 12, 1, tzinfo=UTC)
SEED = 7


@pytest.mark.parametrize(("threshold", "expected"), [(0.7, 0.02), (0.8, 0.005)])
def test_the_threshold_takes_v24_from_2_percent_irrelevant_to_half_a_percent(threshold: float, expected: float) -> None:
    """The worked example is what the model is made of."""
    assert expected == pytest.approx(irrelevant_rate("v2.4", threshold), rel=0.02)


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.75, 0.8, 0.9])
@pytest.mark.parametrize("model", MODELS)
def test_the_stated_rate_is_the_rate_of_the_outcomes(model: str, threshold: float) -> None:
    """Counted over 10,000 visits, the share of irrelevant answers is within 4 standard deviations of the stated one."""
    counts = _counts(model, threshold, 10_000)
    expected = irrelevant_rate(model, threshold)
    assert abs(counts["irrelevant"] - expected * counts["shown"]) <= 4 * sqrt(expected * counts["shown"])


@pytest.mark.parametrize(("model", "expected"), [("v2.3", 0.02), ("v2.4", 0.02), ("v2.4-broken", 0.06)])
def test_errors_come_at_the_rate_of_the_model(model: str, expected: float) -> None:
    """2 % of requests fail, 6 % with the broken model, within 4 standard deviations."""
    counts = _counts(model, 0.7, 10_000)
    assert abs(counts["error"] - expected * 10_000) <= 4 * sqrt(10_000 * expected)


def test_a_span_cut_up_has_the_same_visits() -> None:
    """Whoever lives a day in steps of 7 minutes meets exactly the visits of the day lived at once."""
    whole = list(visits(SEED, 2_400, DAY, DAY + timedelta(days=1)))
    step = timedelta(minutes=7)
    pieces: list[Visit] = []
    for i in range(206):
        pieces += visits(SEED, 2_400, DAY + i * step, min(DAY + (i + 1) * step, DAY + timedelta(days=1)))
    assert whole == pieces


def test_a_day_has_the_visits_that_were_promised() -> None:
    """Hours add up to the day, also where the number does not divide by 24."""
    day = (DAY + timedelta(hours=hour) for hour in range(24))
    assert sum(len(hour_of_visits(SEED, 1_001, hour)) for hour in day) == 1_001


def test_a_hidden_answer_is_neither_labelled_nor_irrelevant() -> None:
    """Under the threshold the application only tells that it was asked."""
    visit = Visit(DAY, 0, confidence=0.75, error=1, complaint=1, wrong=1, irrelevant=0)
    user = users(SEED)[0]
    assert outcomes(visit, user, "v2.4", 0.8) == ("request",)
    assert outcomes(visit, user, "v2.4", 0.7) == ("request", "shown", "labelled", "correct", "irrelevant")


def test_users_are_the_same_in_every_run_and_of_average_luck() -> None:
    """The seed alone decides who is unlucky, and luck averages to 1, so the stated rates hold."""
    assert users(SEED) == users(SEED) != users(SEED + 1)
    assert sum(user.luck for user in users(SEED)) / USERS == pytest.approx(1)


def test_the_lists_of_the_example_plan_have_members() -> None:
    """There are colleagues for the allow list and VIPs for the block list."""
    people = users(SEED)
    assert sum(user.attributes["email"].endswith("@example.com") for user in people) == 20
    assert sum(user.attributes["tier"] == "vip" for user in people) == 80


def _counts(model: str, threshold: float, count: int) -> Counter[str]:
    people = users(SEED)
    return Counter(event for visit in _day(count) for event in outcomes(visit, people[visit.user], model, threshold))


@cache
def _day(count: int) -> tuple[Visit, ...]:
    return tuple(visits(SEED, count, DAY, DAY + timedelta(days=1) - timedelta(milliseconds=1)))
