"""What a plan's criteria become, and which of them are refused with a remedy."""

from typing import Any

import pytest

from gates.judge import Unsupported, compile, unsupported  # noqa: A004 - the gate's own word
from gates.rules import Against, Reads, Rule, Side
from gates.sequential import Rates, Ratios
from plans.schema import Plan
from rollout.model import FULL, Role
from tests.campaigns.gates import rollout_plan
from tests.campaigns.world import Stretch
from tests.unit.gates.rollouts import RAMP, gate

LATENCY = {"source": "events", "value": "latency", "of": "request", "unit": "ms"}
TUNE = {
    "metric": "error_rate",
    "when": "> 10%",
    "raise": {"min_confidence": 0.1, "up_to": 0.9},
    "observe": "1d",
    "keep_if": "< 5%",
    "note_if": "< 5%",
}
FIXED = {"source": "events", "bad": "error", "of": "request", "baseline": 0.02}


def only(*criteria: str | dict[str, Any], **metrics: dict[str, Any]) -> Rule:
    (rule,) = compile(rollout_plan(RAMP, *criteria, **metrics)).rules
    return rule


def refusals(*criteria: str | dict[str, Any], **metrics: dict[str, Any]) -> tuple[str, ...]:
    return unsupported(rollout_plan(RAMP, *criteria, **metrics))


@pytest.mark.parametrize(
    ("criterion", "against", "side", "counted", "tolerated", "limit"),
    [
        ("error_rate > 2x control", Against.CONTROL, Side.ABOVE, Reads.BAD, 1.5, 2.0),
        ("error_rate >= 3x control", Against.CONTROL, Side.ABOVE, Reads.BAD, 2.0, 3.0),
        ("adoption < 0.8x control", Against.CONTROL, Side.BELOW, Reads.BAD, 1 / 1.125, 0.8),
        ("error_rate > 4x baseline", Against.HISTORY, Side.ABOVE, Reads.BAD, 2.0, 4.0),
        ("error_rate > 5%", Against.NOTHING, Side.ABOVE, Reads.BAD, 0.05, 0.05),
        ("accuracy < 85%", Against.NOTHING, Side.BELOW, Reads.BAD, 0.85, 0.85),
        ("accuracy < 0.85", Against.NOTHING, Side.BELOW, Reads.BAD, 0.85, 0.85),
        ("adoption > 90%", Against.NOTHING, Side.ABOVE, Reads.GOOD, 0.9, 0.9),
        ("error_rate < 1%", Against.NOTHING, Side.BELOW, Reads.GOOD, 0.01, 0.01),
    ],
)
def test_each_form_is_read_as_written(
    criterion: str, against: Against, side: Side, counted: Reads, tolerated: float, limit: float
) -> None:
    """Reference, side, the units that count against it, and what is tolerated by default."""
    rule = only(criterion)
    assert (against, side, counted) == (rule.against, rule.side, rule.counted)
    assert tolerated == pytest.approx(rule.tolerated)
    assert limit == rule.limit


def test_a_share_limit_on_a_good_metric_is_a_rate_of_bad_units() -> None:
    """`accuracy < 85%` tests 15 % wrong against 18, 21, 25.5, 30, 37.5 and 52.5 %."""
    tests = only("accuracy < 85%").tests
    assert isinstance(tests, Rates)
    assert tests.breach.q0 == pytest.approx(0.15)
    assert len(tests.breach.bads) == 6


def test_swapped_arms_have_the_inverse_limit() -> None:
    """`< 0.8x control` is control over treatment above 1.25, tolerating 1.125."""
    tests = only("adoption < 0.8x control").tests
    assert isinstance(tests, Ratios)
    assert (tests.breach.r0, tests.breach.rs[0]) == pytest.approx((1.125, 1.25))


def test_tolerate_moves_what_is_tolerated() -> None:
    """A ratio tolerated up to its limit is strict; a share may tolerate less than its limit."""
    strict = only({"when": "error_rate > 2x control", "tolerate": 2}).tests
    assert isinstance(strict, Ratios)
    assert (strict.breach.r0, strict.breach.rs[0]) == (2.0, 2.5)
    below = only({"when": "accuracy < 85%", "tolerate": 0.9}).tests
    assert isinstance(below, Rates)
    assert below.breach.q0 == pytest.approx(0.1)


def test_equal_criteria_of_different_rollouts_are_one_object() -> None:
    """Ten thousand rollouts of one plan hold four rules, not forty thousand."""
    assert only("error_rate > 2x control") is only("error_rate > 2x control")


def test_the_promise_is_shared_by_criteria_that_revert_or_disable() -> None:
    """Three of five criteria share 5 %: each must reach 60, and so must those that only hold or notify."""
    rules = gate(
        "error_rate > 2x control",
        {"when": "accuracy < 85%", "then": "disable"},
        {"when": "adoption < 0.8x control", "then": "hold"},
        {"when": "error_rate > 5%", "then": "notify"},
        "error_rate > 3x control",
    ).rules
    assert [60.0] * 5 == [rule.threshold for rule in rules]


def test_the_onset_prior_is_spread_over_the_planned_buckets() -> None:
    """Three days of five-minute buckets in three phases; a plan of minutes counts as a day."""
    assert gate("error_rate > 2x control").onset == (3, 864)
    short = rollout_plan([Stretch(10_000, 1), Stretch(FULL, 1)], "error_rate > 2x control")
    assert compile(short).onset == (2, 288)


@pytest.mark.parametrize(
    ("criterion", "says"),
    [
        ("p95(latency) > 1.2x control", "a quantile is held against a number"),
        ({"when": "p95(latency) > 800ms", "tolerate": 700}, "leave `tolerate` out"),
        ("total(latency) < 500 ms per day", "a total is a cap"),
        ({"when": "total(latency) > 500 ms per day", "test": "threshold"}, "a cap is reached or not"),
        ({"when": "mean(latency) > 800ms", "tolerate": 900}, "harmless side of the limit"),
        ("mean(elsewhere) > 800ms", "numbers are judged of `events` only"),
        ("error_rate > control", "write a difference on the harmful side"),
        ("accuracy < control + 5%", "write a difference on the harmful side"),
        ({"when": "accuracy < control - 5%", "tolerate": 0.01}, "a difference takes no tolerance"),
        ("error_rate > 0.5x control", "the limit is past 1x"),
        ("adoption < 1.2x control", "the limit is past 1x"),
        ("error_rate > 0%", "lies between 0% and 100%"),
        ("accuracy < 100%", "lies between 0% and 100%"),
        ({"when": "error_rate > 2x control", "for": "3 of 5"}, "`for` counts looks"),
        ({"when": "error_rate > 2x control", "test": "threshold", "tolerate": 1.8}, "tolerates nothing short of"),
        ({"when": "error_rate > 2x control", "tolerate": 2.5}, "harmless side of the limit"),
        ({"when": "accuracy < 85%", "tolerate": 0.8}, "harmless side of the limit"),
    ],
)
def test_what_cannot_be_judged_is_listed_with_its_place(criterion: str | dict[str, Any], says: str) -> None:
    """One sentence, naming the criterion and its place in the plan; compiling such a plan is refused."""
    (problem,) = refusals(criterion, latency=LATENCY, elsewhere=LATENCY | {"source": "prom"})
    assert problem.startswith("stop.criteria[0] `")
    assert says in problem
    with pytest.raises(Unsupported, match=r"stop\.criteria"):
        compile(rollout_plan(RAMP, criterion, latency=LATENCY, elsewhere=LATENCY | {"source": "prom"}))


def test_a_baseline_that_leaves_no_room_is_refused() -> None:
    """60 times 2 % is more than everybody."""
    (problem,) = refusals("error_rate > 60x baseline", error_rate=FIXED)
    assert "60 times the metric's baseline of 0.02" in problem


def test_metrics_of_every_source_are_judged_alike() -> None:
    """Where the counts come from changes nothing about the tests that they are put to."""
    assert () == refusals("error_rate > 2x control", error_rate=FIXED | {"source": "prom"})
    own, foreign = (
        only("error_rate > 2x control"),
        only("error_rate > 2x control", error_rate=FIXED | {"source": "prom"}),
    )
    assert own.tests == foreign.tests
    assert ("events", "prom") == (own.source, foreign.source)


def test_trees_and_decisions_are_rules_behind_the_criteria() -> None:
    """Each with its role and its place in the plan; only what may revert by itself shares the promise."""
    plan = rollout_plan(RAMP, "accuracy < 85%").model_dump(by_alias=True, mode="json", exclude_defaults=True)
    plan["phases"][1]["decide"] = {
        "ship": "accuracy >= control + 2pp",
        "revert": "accuracy < control",
        "ask": "adoption < control",
    }
    plan["tune"] = [TUNE]
    found = compile(Plan.model_validate(plan)).rules
    assert [(rule.role, rule.place) for rule in found] == [
        (Role.STOP, 0),
        (Role.TUNE_WHEN, 0),
        (Role.TUNE_KEEP, 0),
        (Role.TUNE_NOTE, 0),
        (Role.SHIP, 1),
        (Role.REVERT, 1),
        (Role.ASK, 1),
    ]
    assert [rule.threshold for rule in found] == pytest.approx([60, 60, 10, 10, 60, 60, 60])
    assert [rule.lasting for rule in found] == [True, False, False, False, True, True, True]
    assert [rule.phase for rule in found] == [None, None, None, None, 1, 1, 1]


@pytest.mark.parametrize(("word", "limit"), [("when", "> 0%"), ("keep_if", "< 100%"), ("when", "> 0.5x control")])
def test_a_limit_of_a_tree_that_cannot_be_judged_is_named_with_its_place(word: str, limit: str) -> None:
    """As a criterion's is."""
    plan = rollout_plan(RAMP, "accuracy < 85%").model_dump(by_alias=True, mode="json", exclude_defaults=True)
    plan["tune"] = [TUNE | {word: limit}]
    (problem,) = unsupported(Plan.model_validate(plan))
    assert problem.startswith(f"tune[0].{word} `error_rate {limit}`: ")
