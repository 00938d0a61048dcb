"""Charts as pictures: every number in its place, every word escaped, nothing from anywhere."""

from datetime import timedelta
from xml.etree import ElementTree as ET

from rollout.plot import BOTTOM, HEIGHT, LEFT, TOP, plot
from rollout.series import Chart, Curve, exposure_chart
from tests.unit.rollout.story import BEGIN, DAY, PLAN, states


def test_a_plot_is_wellformed_and_escapes_names() -> None:
    """A metric's name is text in the picture, whatever it is made of."""
    curves = (Curve("treatment", (1.0, None, 3.0)), Curve("<b>", (2.0, 2.0, None)))
    picture = plot(Chart("a < b & c", "ms", "UTC", stepped=False, at=(0.0, 60.0, 120.0), lines=curves))
    root = ET.fromstring(picture)  # noqa: S314 - our own text
    words = [element.text for element in root.iter() if element.tag.endswith(("title", "text"))]
    assert {"a < b & c over time, ms", "<b>", "treatment"} <= set(words)
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def test_a_gap_is_a_gap_and_the_scale_begins_at_nothing() -> None:
    """Where nothing was counted no line is drawn; nought is at the bottom, the highest value within the picture."""
    picture = plot(
        Chart("x", "%", "UTC", stepped=False, at=(0.0, 1.0, 2.0, 3.0), lines=(Curve("c", (0.0, 4.0, None, 2.0)),))
    )
    drawn = picture.split('class="c0" d="')[1].partition('"')[0]
    assert 2 == drawn.count("M")
    assert drawn.startswith(f"M{LEFT:.1f} {HEIGHT - BOTTOM:.1f}")
    assert f" {TOP:.1f}" in drawn


def test_exposure_is_drawn_as_steps_until_now() -> None:
    """What a transition left holds until the next; of nothing there is still a picture."""
    moments = [(BEGIN, states()["beta"]), (BEGIN + DAY, states()["reverted"])]
    chart = exposure_chart(PLAN, moments, BEGIN + 2 * DAY)
    assert (10.0, 0.0, 0.0) == chart.lines[0].values
    assert (timedelta(days=2)).total_seconds() == chart.at[-1] - chart.at[0]
    assert "V" in plot(chart)
    assert "nothing counted yet" in plot(exposure_chart(PLAN, [], BEGIN))
