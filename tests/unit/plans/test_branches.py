"""What a plan leaves to its numbers is said before anybody is exposed, and nonsense is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from plans.branches import branches
from plans.load import check, load
from plans.problems import Severity
from plans.schema import Tune
from plans.trees import raised

EXAMPLES = Path(__file__).parents[3] / "plans" / "examples"
TREE = (EXAMPLES / "tune.yaml").read_text(encoding="utf-8")
TEST = (EXAMPLES / "ab-test.yaml").read_text(encoding="utf-8")


def test_a_tree_tells_its_branches() -> None:
    """Note, raise, keep, undo, and what happens at the bound: in the words of the plan."""
    told = [(branch.when, branch.then) for branch in branches(load(EXAMPLES / "tune.yaml"))]

    assert [
        ("< 5%", "tell the owner that users expect something else"),
        ("> 10%", "raise min_confidence by 0.1, up to 0.9; nothing grows while it is observed for 1d"),
        ("< 5% after that", "keep min_confidence where it is"),
        (
            "still > 10% after that, or not < 5% within 3d",
            "put min_confidence back and revert to the previous model",
        ),
        ("> 10% with min_confidence at 0.9", "revert to the previous model"),
    ] == told


def test_a_test_tells_its_branches() -> None:
    """Ship, revert, ask, inconclusive, and a split that went wrong."""
    told = [(branch.place, branch.then) for branch in branches(load(EXAMPLES / "ab-test.yaml"))]

    assert [
        ("ab-test", "ship: all follows"),
        ("ab-test", "revert"),
        ("ab-test", "ask a person"),
        ("ab-test", "ask a person"),
        ("ab-test", "hold"),
    ] == told


@pytest.mark.parametrize(
    ("step", "now", "further"),
    [
        ({"x": 0.1, "up_to": 0.9}, 0.7, 0.8),
        ({"x": 0.1, "up_to": 0.9}, 0.85, 0.9),
        ({"x": 0.1, "up_to": 0.9}, 0.9, None),
        ({"x": 0.1, "up_to": 0.9}, 0.95, None),
        ({"x": -0.2, "up_to": 0.1}, 0.2, 0.1),
        ({"x": 5}, 10, 15),
        ({"x": 0.1}, "high", None),
        ({"min_confidence": 0.2}, 0.9, None),
    ],
)
def test_a_setting_is_raised_by_its_step_within_its_bound(
    step: dict[str, float], now: float | str, further: float | None
) -> None:
    """Whichever way the step goes, and never to a value that may not be served."""
    tune = Tune.model_validate({"metric": "m", "when": "> 10%", "keep_if": "< 5%", "observe": "1d", "raise": step})
    key = next(iter(step))

    assert (None if further is None else {key: further}) == raised(tune, {key: now})


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        (TREE, "candidate: {model: v3, min_confidence: 0.6}", "candidate: {model: v3, min_confidence: 0.9}", "raised"),
        (TEST, "  - {name: all, expose: 100%, hold: 7d}\n", "ends_below_100: true\n", "nothing to ship to"),
    ],
)
def test_a_tree_or_a_test_that_can_come_to_nothing_is_refused(text: str, old: str, new: str, told: str) -> None:
    """A bound that is reached at the start, a decision with nothing behind it."""
    _, problems = check(text.replace(old, new), "plan.yaml")

    assert [True] == [told in problem.message for problem in problems if problem.severity is Severity.ERROR]


def test_an_adjustment_of_a_tuned_setting_is_warned_of() -> None:
    """The date would overrule what the tree has found."""
    dated = TREE.replace("hold: 10d}", "hold: 10d, adjust: [{at: day 3, set: {min_confidence: 0.8}}]}")
    plan, problems = check(dated, "plan.yaml")

    assert plan is not None
    assert ["phases[0].adjust[0].set.min_confidence"] == [problem.place for problem in problems]
