"""The forecast of a plan: the published sentence, hand computation, and what it warns of."""

from datetime import UTC, datetime
from math import inf, log
from typing import Any

import pytest

from gates.foresight import brief, detection_json, margins, span, warnings
from gates.planner import Forecast, Outlook, assumed, faulty, forecast, usual
from plans.schema import Metric, Plan

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ERRORS = {"source": "events", "bad": "error", "of": "request"}
ACCURACY = {"source": "events", "good": "correct", "of": "labelled"}
COMPLAINTS = {"source": "events", "bad": "complaint", "of": "request"}


def plan(*phases: tuple[str, str], criteria: tuple[Any, ...] = ("error_rate > 2x control",), **more: Any) -> Plan:
    """A plan of 20,000 users a day with these (exposure, hold) phases."""
    declared = [{"name": f"p{i}", "expose": share, "hold": hold} for i, (share, hold) in enumerate(phases)]
    return Plan.model_validate(
        {
            "sluice": 1,
            "name": "planned",
            "flag": "planned",
            "stable": {"model": "a"},
            "candidate": {"model": "b"},
            "audience": {"size": 20_000},
            "phases": declared,
            "metrics": {"error_rate": ERRORS, "accuracy": ACCURACY, "complaints": COMPLAINTS},
            "stop": {"criteria": list(criteria)},
            "ends_below_100": phases[-1][0] != "100%",
        }
        | more
    )


def foreseen(declared: Plan) -> Forecast:
    """The forecast of a plan that is submitted now."""
    return forecast(declared, NOW, assumed(declared))


def only(declared: Plan) -> Outlook:
    """The one outlook of a plan with one phase and one criterion."""
    (found,) = foreseen(declared).outlooks
    return found


def test_the_published_sentence_is_told_word_for_word() -> None:
    """A day at 1 % of 20,000 users is too short for a threefold error rate, by the published 1.9 and 4.2 days."""
    (told,) = warnings(foreseen(plan(("1%", "1d"))))
    assert told.endswith(
        "at 1 % of 20,000 users a day this criterion needs 1.9 days (90 %: 4.2) to notice a 3x error rate; "
        "the phase is only 1 day long"
    )


def test_days_and_units_are_those_of_a_computation_by_hand() -> None:
    """At 50 %, r = 3 against r0 = 1.5: K = D·p0·(φr + g)·kl(0.75 ‖ 0.6); units by the day."""
    fault = only(plan(("50%", "7d"))).faults[1]
    information = 20_000 * 0.02 * 2 * (0.75 * log(0.75 / 0.6) + 0.25 * log(0.25 / 0.4))
    assert fault.days.t50 == pytest.approx(1.15 * (log(1 / 0.05) + log(2)) / information)
    assert fault.days.t90 == pytest.approx(2.6 * (log(1 / 0.05) + log(2)) / information)
    assert fault.units[0] == pytest.approx(10_000 * fault.days.t50)


def test_a_share_limit_is_noticed_in_the_units_that_miss_it() -> None:
    """Of accuracy < 85 % with 90 % usual: three times the misses are 30 % against the tolerated 15 %."""
    fault = only(plan(("10%", "7d"), criteria=("accuracy < 85%",))).faults[1]
    information = 2_000 * (0.3 * log(0.3 / 0.15) + 0.7 * log(0.7 / 0.85))
    assert fault.rate == pytest.approx(0.7)
    assert fault.days.t50 == pytest.approx(1.15 * (log(1 / 0.05) + log(2)) / information)


def test_a_limit_from_below_is_the_swapped_ratio() -> None:
    """Of accuracy < 0.8x control: with 70 % instead of 90 %, control is 9/7 of treatment where 9/8 is tolerated."""
    fault = only(plan(("50%", "7d"), criteria=("accuracy < 0.8x control",))).faults[1]
    bad = 0.7 * (9 / 7 + 1) / 2
    share, null = (9 / 7) / (9 / 7 + 1), 1.125 / 2.125
    information = 20_000 * bad * (share * log(share / null) + (1 - share) * log((1 - share) / (1 - null)))
    assert fault.days.t50 == pytest.approx(1.15 * (log(1 / 0.05) + log(2)) / information)
    assert fault.past


def test_proof_of_health_takes_the_log_of_ten() -> None:
    """At 50 %, a healthy ratio of 1 against the limit of 2: ln 10 over K = D·p0·kl(1/2 ‖ 2/3); never if sick."""
    information = 20_000 * 0.02 * (0.5 * log(0.5 / (2 / 3)) + 0.5 * log(0.5 / (1 / 3)))
    assert only(plan(("50%", "7d"))).pass_days == pytest.approx(log(10) / information)
    assert only(plan(("50%", "7d"), criteria=("accuracy < 95%",))).pass_days == inf


def test_units_that_return_meet_a_fault_once() -> None:
    """However long a fault lasts, it is met by no more units than are exposed."""
    slow = only(plan(("1%", "7d"))).faults[0]
    assert slow.days.t50 > 7
    assert (200, 200) == slow.units


def test_rare_complaints_cannot_be_noticed_in_a_small_phase() -> None:
    """Five times as many complaints at 1 % take the published fortnight; a phase a day shorter is warned of."""
    declared = plan(("1%", "13d"), criteria=({"when": "complaints > 3x control", "then": "hold"},))
    (told,) = warnings(foreseen(declared))
    assert only(declared).faults[2].days.t50 == pytest.approx(14, rel=0.02)
    assert "complaints > 3x control" in told
    assert "to notice 5x complaints; the phase is only 13 days long" in told


def test_full_exposure_warns_that_control_is_gone() -> None:
    """100 % names the criteria that lose their control, and 99 % as the remedy; at 99 % there is nothing to say."""
    (told,) = warnings(foreseen(plan(("10%", "7d"), ("100%", "7d"))))
    assert "100 % has no control: error_rate > 2x control" in told
    assert "expose: 99%" in told
    assert () == warnings(foreseen(plan(("10%", "7d"), ("99%", "7d"))))


def test_full_exposure_is_judged_against_what_control_will_have_been() -> None:
    """At 100 % the rate gate stands in, with the upper bound of control's rate: somewhat more than 1.5 times 2 %."""
    found = foreseen(plan(("10%", "7d"), ("100%", "7d"))).outlooks[1].faults[1]
    exact = 20_000 * (0.06 * log(0.06 / 0.03) + 0.94 * log(0.94 / 0.97))
    base = log(1 / 0.05) + log(4)
    assert 1.15 * base / exact < found.days.t50 < 1.1 * 1.15 * base / exact


def test_what_is_tolerated_is_never_noticed() -> None:
    """Twice the complaints are tolerated by a limit of three: infinite for people, null in JSON."""
    declared = plan(("50%", "7d"), criteria=("complaints > 3x control",))
    assert only(declared).faults[0].days == (inf, inf)
    (told,) = detection_json(foreseen(declared))
    assert told["faults"][0]["days"] == {"p50": None, "p90": None}
    assert (told["phase"], told["exposure"], told["tolerated"], told["limit"]) == ("p0", 50, 2, 3)


@pytest.mark.parametrize(
    ("criterion", "told"),
    [
        ("error_rate > 2x control", "tolerated 1.5x, limit 2x"),
        ("accuracy < 85%", "tolerated 85 %, limit 85 %"),
        ({"when": "error_rate > 5%", "tolerate": 0.04}, "tolerated 4 %, limit 5 %"),
    ],
)
def test_every_criterion_says_what_it_tolerates(criterion: Any, told: str) -> None:
    """Both ends, in the criterion's own terms."""
    assert told == margins(only(plan(("10%", "7d"), criteria=(criterion,))).rule)


def test_a_limit_that_is_broken_already_is_told() -> None:
    """A limit of 95 % with an assumed 90 % would revert everything: the preview asks for the baseline."""
    (told,) = warnings(foreseen(plan(("10%", "7d"), criteria=("accuracy < 95%",))))
    assert "taken to be 90 %" in told
    assert "`baseline`" in told


def test_assumed_traffic_is_told() -> None:
    """Without audience.size the numbers are for 20,000 a day, and say so."""
    found = foreseen(plan(("10%", "7d"), audience={}))
    assert found.traffic.daily == 20_000
    assert any("audience.size is not given" in text for text in warnings(found))


def test_phases_that_expose_nobody_have_no_outlook() -> None:
    """0 % is not forecast, the phase behind it is."""
    found = foreseen(plan(("0%", "1d"), ("10%", "7d")))
    assert [1] == [outlook.stretch.index for outlook in found.outlooks]


def test_usual_rates_are_the_baseline_or_by_kind() -> None:
    """A baseline wins; else errors 2 %, complaints 0.1 %, good things 90 %."""
    metrics = [ERRORS, COMPLAINTS, ACCURACY, {**ACCURACY, "baseline": 0.97}]
    assert [0.02, 0.001, 0.9, 0.97] == [usual("x", Metric.model_validate(given)) for given in metrics]


def test_a_fault_of_a_good_metric_multiplies_the_misses() -> None:
    """Three times worse than 90 % is 70 %; nine tenths of it is 81 %; nothing is worse than all."""
    assert faulty(0.9, 3, good=True) == pytest.approx(0.7)
    assert faulty(0.9, 0.9, good=True) == pytest.approx(0.81)
    assert faulty(0.02, 100, good=False) == pytest.approx(0.99)
    assert faulty(0.9, 100, good=True) == pytest.approx(0.01)


def test_spans_are_told_in_the_unit_that_fits() -> None:
    """Minutes up to two hours, hours up to two days, then days."""
    assert ["90 min", "12 h", "1 day", "3.2 days", "12 days", "never"] == [
        span(days) for days in (1 / 16, 0.5, 1, 3.21, 12.4, inf)
    ]
    assert ["90m", "12h", "3.2d", "12d", "never"] == [brief(days) for days in (1 / 16, 0.5, 3.21, 12.4, inf)]
