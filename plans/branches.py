"""What a plan leaves to its numbers: each branch of its trees and of its A/B tests, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plans.schema import Phase, Plan, Tune
from plans.trees import UP_TO, patience, tuned_setting


@dataclass(frozen=True, slots=True)
class Branch:
    """What happens, and when it does; `place` is the phase that is tested, or the metric that a tree watches."""

    place: str
    when: str
    then: str


def branches(plan: Plan) -> tuple[Branch, ...]:
    """Every branch that the plan may take besides its dates and its stopping criteria, trees first."""
    return (
        *(branch for tune in plan.tune for branch in _tree(tune)),
        *(branch for index, phase in enumerate(plan.phases) for branch in _test(plan, index, phase)),
    )


def _tree(tune: Tune) -> Iterator[Branch]:
    key, bound = tuned_setting(tune), tune.raise_.get(UP_TO)
    limit = "" if bound is None else f", up to {bound}"
    step = f"{key} by {tune.raise_[key]}{limit}"
    if tune.note_if:
        yield Branch(tune.metric, tune.note_if.text, "tell the owner that users expect something else")
    yield Branch(
        tune.metric, tune.when.text, f"raise {step}; nothing grows while it is observed for {tune.observe.text}"
    )
    yield Branch(tune.metric, f"{tune.keep_if.text} after that", f"keep {key} where it is")
    failed = f"still {tune.when.text} after that, or not {tune.keep_if.text} within {patience(tune).text}"
    yield Branch(tune.metric, failed, f"put {key} back and revert to the previous model")
    if bound is not None:
        yield Branch(tune.metric, f"{tune.when.text} with {key} at {bound}", "revert to the previous model")


def _test(plan: Plan, index: int, phase: Phase) -> Iterator[Branch]:
    if phase.decide is None:
        return
    follows = plan.phases[index + 1].name if index + 1 < len(plan.phases) else "the end"
    yield Branch(phase.name, f"{phase.decide.ship.text}, established", f"ship: {follows} follows")
    yield Branch(phase.name, f"{phase.decide.revert.text}, established", "revert")
    if phase.decide.ask:
        yield Branch(phase.name, f"{phase.decide.ask.text}, established", "ask a person")
    yield Branch(phase.name, "none of these: inconclusive", "ask a person")
    yield Branch(phase.name, "users are not split as the plan says", "hold")
