"""`use: [llm]` brings metrics and criteria at load; what the plan says itself stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from plans.kits import LLM, taken
from plans.load import check, digest, from_json, json_schema, load, loads, to_json
from plans.schema import Then

EXAMPLES = Path(__file__).parents[3] / "plans" / "examples"
BARE = """\
sluice: 1
name: assistant-v5
flag: assistant-ai
stable: {model: v4}
candidate: {model: v5}
phases: [{name: some, expose: 10%, hold: 7d}, {name: all, expose: 100%, hold: 7d}]
use: [llm]
"""


def test_a_plan_of_seven_lines_watches_a_language_model() -> None:
    """Refusals, thumbs down, latency, cost and judge score, each with its criterion."""
    plan = loads(BARE)

    assert set(LLM.metrics) == set(plan.metrics)
    assert [one["when"] for one in LLM.criteria] == [criterion.text for criterion in plan.stop.criteria]


def test_what_the_plan_says_itself_stands() -> None:
    """A metric of the same name is the plan's, and so is a criterion on the same side."""
    own = (
        "metrics: {refusal_rate: {source: events, bad: declined, of: answer}}\n"
        "stop: {confidence: 99%, criteria: ['refusal_rate > 5%', 'total(cost) > 500 usd per day']}\n"
    )
    plan = loads(BARE + own)
    texts = [criterion.text for criterion in plan.stop.criteria]

    assert ("declined", "answer") == (plan.metrics["refusal_rate"].bad, plan.metrics["refusal_rate"].of)
    assert ["refusal_rate > 5%", "total(cost) > 500 usd per day", "thumbs_down > 2x control"] == texts[:3]
    assert "refusal_rate > 2x control" not in texts
    assert "mean(cost) > 1.5x control" in texts
    assert 0.99 == plan.stop.confidence


def test_a_metric_of_another_kind_takes_its_criterion_along() -> None:
    """A share has no mean: where the plan counts slow answers, the mean of latency is not asked for."""
    own = "metrics: {latency: {source: events, bad: slow, of: request}}\nstop: {criteria: [latency > 2x control]}\n"
    texts = [criterion.text for criterion in loads(BARE + own).stop.criteria]

    assert ["latency > 2x control"] == [text for text in texts if "latency" in text]


def test_what_a_kit_brought_is_kept_with_the_plan() -> None:
    """The stored plan is the whole plan, so that a kit of tomorrow changes no rollout of today."""
    plan = loads(BARE)
    again = from_json(to_json(plan))

    assert (plan, digest(plan)) == (again, digest(again))


def test_a_preview_can_show_what_a_kit_comes_to() -> None:
    """One line a criterion, with what is counted and what follows."""
    found = taken(load(EXAMPLES / "llm.yaml"))

    assert [
        ("cost", "total(cost) > 500 usd per day", Then.DISABLE),
        ("cost", "mean(cost) > 1.2x control", Then.HOLD),
        ("refusal_rate", "refusal_rate > 2x control", Then.REVERT),
        ("thumbs_down", "thumbs_down > 2x control", Then.HOLD),
        ("latency", "mean(latency) > 1.5x control", Then.HOLD),
        ("judge_score", "mean(judge_score) < 0.9x control", Then.REVERT),
    ] == [(one.metric, one.criterion, one.then) for one in found]
    assert ["refusal of request", "value of judge_score"] == [found[2].counts, found[5].counts]


@pytest.mark.parametrize(
    ("use", "told"),
    [
        ("[lmm]", "plan.yaml:7: use[0]: 'lmm' does not fit; write llm"),
        ("llm", "plan.yaml:7: use: 'llm' does not fit; write a list, each item on a line of its own behind `- `"),
    ],
)
def test_an_unknown_kit_is_refused(use: str, told: str) -> None:
    """With its line and the remedy."""
    plan, problems = check(BARE.replace("[llm]", use), "plan.yaml")

    assert plan is None
    assert told in map(str, problems)


def test_a_number_without_of_is_counted_where_it_is_reported() -> None:
    """`{value: score, range: [0, 1]}` is a whole metric."""
    text = BARE.replace("use: [llm]\n", "") + (
        "metrics: {judge: {source: events, value: score, range: [0, 1]}}\n"
        "stop: {criteria: ['mean(judge) < 0.9x control']}\n"
    )

    assert "score" == loads(text).metrics["judge"].of


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({"use": ["llm"]}, True),
        ({}, False),
        ({"use": ["llm"], "stop": {"confidence": "99%"}}, True),
        ({"use": ["x"]}, False),
    ],
)
def test_the_schema_asks_for_metrics_and_criteria_where_no_kit_is_used(change: dict[str, Any], fits: bool) -> None:  # noqa: FBT001
    """An editor marks what `load` would refuse, and nothing else."""
    plan = {
        "sluice": 1,
        "name": "a",
        "flag": "a",
        "stable": {"model": "v1"},
        "candidate": {"model": "v2"},
        "phases": [{"name": "all", "expose": "100%", "hold": "1d"}],
    }

    assert fits is Draft202012Validator(json_schema()).is_valid(plan | change)
