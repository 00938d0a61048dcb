"""The picture of a plan: well-formed, complete, and safe to open."""

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gates.planner import assumed, forecast
from plans.load import load
from plans.schema import Plan
from plans.timeline import timeline
from sluice.chart import WIDTH, chart

EXAMPLES = sorted((Path(__file__).parents[3] / "plans" / "examples").glob("*.yaml"))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def drawn(plan: Plan) -> str:
    """The picture of a plan that is submitted now."""
    return chart(forecast(plan, NOW, assumed(plan)), timeline(plan, NOW))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_drawn_inside_its_frame(example: Path) -> None:
    """Well-formed, every box inside, every criterion that can be forecast and every setting named."""
    plan = load(example)
    root = ET.fromstring(drawn(plan))  # noqa: S314 - our own
    for box in root.iter(f"{SVG}rect"):
        left, width = float(box.get("x", 0)), float(box.get("width", 0))
        assert 0 <= left <= left + width <= WIDTH
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {*plan.candidate} <= words
    lanes = {rule.text for rule in forecast(plan, NOW, assumed(plan)).rules}
    assert all(lane in words or f"{lane[:27]}…" in words for lane in lanes)
    assert any("Taken for granted" in (word or "") for word in words)


def test_words_of_a_plan_cannot_become_markup() -> None:
    """A summary with tags is shown as text."""
    plan = load(EXAMPLES[0]).model_copy(update={"summary": "<script>alert(1)</script> & more"})
    assert "<script>" not in drawn(plan)
    assert "&lt;script&gt;" in drawn(plan)


def test_the_same_plan_gives_the_same_picture() -> None:
    """Nothing of a clock or of chance is in it."""
    assert drawn(load(EXAMPLES[0])) == drawn(load(EXAMPLES[0]))
