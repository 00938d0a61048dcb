"""Writes docs/plan-fields.md from the plan's own model: each key, what it takes, what stands for it when left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from plans.explain import SECTIONS
from plans.schema import Decide, Freeze

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "plan-fields.md"
HEAD = """# Every field of a plan

Written from the plan's own model by `make docs`; [Writing a plan](writing-a-plan.md) tells what the fields are for.
"""
SAID = {
    "Plan.summary": "what this rollout is, in a line",
    "Plan.owner": "who is told and asked; shown as a tag in Prefect",
    "Plan.audience": "for whom: see `audience`",
    "Plan.schedule": "when: see `schedule`",
    "Plan.tune": "confidence-threshold trees: see `tune[…]`",
    "Metric.bad": "the event, query or pointer that counts what went wrong",
    "Metric.good": "the same for what went well; one of `bad`, `good` and `value`",
    "Metric.value": "the event whose number is measured",
    "Metric.unit": "of a number: one word, such as `ms` or `usd`",
    "Metric.range": "of a number: the least and the most it can be; what lies outside is refused and counted",
    "Phase.decide": "an A/B decision when the hold is over: see `phases[…].decide`",
    "Decide.ask": "what a person decides, with this as the reason",
    "Schedule.start": "wall-clock time, `2026-12-01 09:00`; at once where absent",
    "Schedule.freeze": "days without growth or adjustments: see `schedule.freeze[…]`",
    "Freeze.reason": "why, for the people who wait",
    "Stop.check_every": "how often criteria are judged, `10s` to `1h`",
    "Stop.no_data_after": "how long a cohort may be silent",
    "Stop.confidence": "the chance that a healthy rollout is never reverted by mistake, over all criteria and looks",
    "Criterion.test": "`sequential`, or `threshold` for a bare limit outside the promise",
    "Criterion.no_data_after": "as in `stop`, for this criterion alone",
    "Criterion.expect_data": "as in `stop`, for this criterion alone",
    "Tune.otherwise": "`revert`: back to the previous model",
    "Tune.note_if": 'when to tell the owner that it is expectation, not the model, such as `"< 5%"`',
    "Tune.give_up_after": "how long to go on observing between the two limits; 3 x `observe` where absent",
}
"""What fields mean that the model itself leaves to its prose."""
PLACES = {**SECTIONS, "schedule.freeze[…]": Freeze, "phases[…].decide": Decide}


def page() -> str:
    """The whole page."""
    places = sorted(PLACES.items(), key=_order)
    return "\n".join([HEAD, *(part for place, model in places for part in _section(place, model))])


def _order(item: tuple[str, Any]) -> tuple[bool, str]:
    return item[0] != "the plan itself", item[0]


def _section(place: str, model: Any) -> Iterator[str]:
    title = "The plan itself" if place == "the plan itself" else f"`{place}`"
    yield f"## {title}\n\n{model.__doc__.splitlines()[0]}\n"
    yield "| field | takes | default |\n|---|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{field.alias or name}` | {_takes((model.__name__, name), field)} | {_default(field)} |"
    yield ""


def _takes(place: tuple[str, str], field: Any) -> str:
    """What the field says of itself, and an example."""
    example = f"e. g. `{field.examples[0]}`" if field.examples else ""
    said = field.description or SAID.get(".".join(place)) or _choices(field)
    return _cell("; ".join(filter(None, (said, example))))


def _choices(field: Any) -> str:
    kinds = getattr(field.annotation, "__members__", None)
    return ", ".join(f"`{kind}`" for kind in map(str, kinds.values())) if kinds else ""


def _default(field: Any) -> str:
    if field.is_required():
        return "**needed**"
    value = field.default
    if value is None or value in ((), ""):
        return ""
    shown = getattr(value, "text", None) or (json.dumps(value) if isinstance(value, bool) else str(value))
    if isinstance(value, BaseModel):
        return "as its own fields say"
    if isinstance(value, tuple):
        return _cell(f"`[{', '.join(map(str, value))}]`")
    return _cell(f"`{shown}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
