"""A chart as SVG text: readable in light and dark, on paper and without colour, and the same for the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from math import floor, log10
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from rollout.series import Chart, Curve

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 220, 56, 14, 30, 26
DATES, LEVELS = 5, 4
DAYS = 3 * 86_400.0
STYLE = (
    ".plot text{font:12px system-ui,sans-serif;fill:#5a6675}.plot path{fill:none;stroke-width:2}"
    ".plot .grid{stroke:#dfe4ea;stroke-width:1}.plot .c0{stroke:#2f6fb5}.plot .c1{stroke:#9a5b13;stroke-dasharray:5 3}"
    ".plot .end{text-anchor:end}.plot .mid{text-anchor:middle}"
    "@media screen and (prefers-color-scheme:dark){.plot text{fill:#a3afbd}.plot .grid{stroke:#2f3945}"
    ".plot .c0{stroke:#6aa7e8}.plot .c1{stroke:#e0a258}}"
)


def plot(chart: Chart) -> str:
    """The picture of a chart; of no points, one that says so."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    name = escape(f"{chart.title} over time, {chart.unit or 'as counted'}")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} class="plot" role="img"><title>{name}</title>'
    body = "".join(_body(chart)) if chart.at else _text(WIDTH / 2, HEIGHT / 2, "nothing counted yet", "mid")
    return f"{head}<style>{STYLE}</style>{body}</svg>"


def _body(chart: Chart) -> Iterator[str]:
    seen = [value for line in chart.lines for value in line.values if value is not None]
    step = _step(max(seen, default=0.0))
    top = step * LEVELS
    for level in range(LEVELS + 1):
        y = _y(level * step, top)
        yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        yield _text(LEFT - 6, y + 4, f"{level * step:g}{chart.unit if chart.unit == '%' else ''}", "end")
    yield from _dates(chart)
    for number, line in enumerate(chart.lines):
        yield f'<path class="c{number % 2}" d="{_path(chart, line, top)}"/>'
        x = LEFT + number * 120
        yield f'<path class="c{number % 2}" d="M{x} 14H{x + 24}"/>' + _text(x + 30, 18, line.label, "")


def _dates(chart: Chart) -> Iterator[str]:
    zone, first, last = ZoneInfo(chart.zone), chart.at[0], chart.at[-1]
    for number in range(DATES if last > first else 1):
        seconds = first + (last - first) * number / (DATES - 1)
        at = datetime.fromtimestamp(seconds, UTC).astimezone(zone)
        words = f"{at.day} {at:%b}" if last - first > DAYS else f"{at.day} {at:%b %H:%M}"
        place = "end" if number == DATES - 1 else "mid" if number else ""
        yield _text(_x(chart, seconds), HEIGHT - 8, words, place)


def _path(chart: Chart, line: Curve, top: float) -> str:
    """A line with a gap wherever nothing was counted; a single point is a short stroke."""
    words, drawing = [], False
    for seconds, value in zip(chart.at, line.values, strict=True):
        if value is not None:
            x, y = _x(chart, seconds), _y(value, top)
            words.append(f"H{x}V{y}" if drawing and chart.stepped else f"L{x} {y}" if drawing else f"M{x} {y}h1")
        drawing = value is not None
    return "".join(words)


def _step(highest: float) -> float:
    """The distance of the levels: 1, 2, 2.5 or 5 times a power of ten."""
    if highest <= 0:
        return 1.0
    rough = highest / LEVELS
    power = 10.0 ** floor(log10(rough))
    return next(float(f"{times * power:.3g}") for times in (1, 2, 2.5, 5, 10) if times * power >= rough * 0.999)


def _x(chart: Chart, seconds: float) -> float:
    span = max(chart.at[-1] - chart.at[0], 1.0)
    return round(LEFT + (WIDTH - LEFT - RIGHT) * (seconds - chart.at[0]) / span, 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(min(value / top, 1.0), 0.0), 1)


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(words)}</text>'
