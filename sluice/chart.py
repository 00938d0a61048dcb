"""A plan as a picture: exposure, settings and detection times on one time axis, as SVG text.

Pure: the same forecast gives the same picture. Widths of words are estimated, because nothing here knows a font.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite, sqrt
from xml.sax.saxutils import escape

from gates.foresight import assumption, brief, lasts
from gates.planner import Forecast, Outlook, Stretch
from plans.schema import Plan
from plans.timeline import MONTHS, Step, What, zone
from rollout.describe import percent
from rollout.model import FULL

WIDTH, LEFT, RIGHT = 1280, 230, 40
TOP, EXPOSURE, LANE, GAP = 96, 190, 34, 44
LETTER = 6.6  # px of an average letter at 12 px
NAMED = 27  # letters of a criterion that there is room for
INK, FAINT, GRID = "#1f2933", "#6b7785", "#e4e8ed"
BLUE, PALE, GREEN, LIGHT, RED, ROSE = "#2f6fb5", "#cfe0f3", "#2e8b6f", "#bfe3d6", "#c4473a", "#f6d8d4"
TICKS = (1, 2, 3, 7, 14, 28, 56, 91, 182, 365)
MOST_TICKS = 12
STYLE = (
    f"text{{font-family:Inter,Helvetica,Arial,sans-serif;font-size:12px;fill:{INK}}}"
    f".t{{font-size:22px;font-weight:600}}.h{{font-weight:600}}.f{{fill:{FAINT}}}.w{{fill:#fff;font-weight:600}}"
    f".h,.f,.o{{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}}"
    f".r{{fill:{RED};font-weight:600}}.e{{text-anchor:end}}.m{{text-anchor:middle}}"
)


@dataclass(frozen=True, slots=True)
class Axis:
    """The shared time axis."""

    begins: datetime
    ends: datetime

    def x(self, at: datetime) -> float:
        """Where an instant lies, in px; what is outside lies on the edge."""
        share = (at - self.begins) / max(self.ends - self.begins, timedelta(seconds=1))
        return round(LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0.0), 1.0), 1)


def chart(found: Forecast, steps: Sequence[Step]) -> str:
    """The picture of a plan's timeline and of what its criteria would notice."""
    plan, axis = found.plan, Axis(steps[0].at, steps[-1].at)
    keys = list(dict.fromkeys(key for step in steps for key in step.settings))
    settings = TOP + EXPOSURE + GAP
    lanes = settings + LANE * len(keys) + GAP
    bottom = lanes + LANE * len(found.rules)
    body = [
        *_title(plan),
        *_days(plan, axis, bottom),
        *_freezes(plan, axis, bottom),
        *_exposure(found, axis),
        *_approvals(steps, axis),
        *_settings(keys, steps, axis, settings),
        *_boundaries(found, axis, TOP + EXPOSURE, bottom),
        *_detection(found, axis, lanes),
        *_legend(found, bottom + 46),
    ]
    height = bottom + 88
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(plan.name)}</title>'
    backdrop = f'<style>{STYLE}</style><rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([head, backdrop, *body, "</svg>", ""])


def _title(plan: Plan) -> Iterator[str]:
    yield _text(24, 40, plan.summary or plan.name, "t")
    yield _text(24, 62, f"{plan.name} · flag {plan.flag}" + (f" · {plan.owner}" if plan.owner else ""), "f")


def _days(plan: Plan, axis: Axis, bottom: int) -> Iterator[str]:
    """Midnights of the plan's zone, as many as there is room for."""
    place = zone(plan)
    day = axis.begins.astimezone(place).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    length = (axis.ends - axis.begins).days + 1
    every = next((days for days in TICKS if length / days <= MOST_TICKS), TICKS[-1])
    while day < axis.ends:
        x = axis.x(day)
        yield _line(x, TOP, x, bottom, GRID)
        yield _text(x, bottom + 18, f"{day.day} {MONTHS[day.month - 1]}", "f m")
        day += timedelta(days=every)
    yield _line(LEFT, bottom, WIDTH - RIGHT, bottom, FAINT)


def _freezes(plan: Plan, axis: Axis, bottom: int) -> Iterator[str]:
    for freeze in plan.schedule.freeze:
        begins = datetime.combine(freeze.from_, datetime.min.time(), zone(plan))
        ends = datetime.combine(freeze.to, datetime.min.time(), zone(plan)) + timedelta(days=1)
        left, right = axis.x(begins), axis.x(ends)
        if right > left:
            words = f"frozen: {freeze.reason}" if freeze.reason else "frozen"
            yield _box(left, TOP, right - left, bottom - TOP, "#8795a5", 'fill-opacity="0.13"')
            yield _text((left + right) / 2, TOP + EXPOSURE + 18, _fitting(right - left, words, "frozen"), "f m")


def _exposure(found: Forecast, axis: Axis) -> Iterator[str]:
    """Steps on a root scale, on which 1 % can still be seen beside 100 %."""
    base = TOP + EXPOSURE
    yield _text(24, TOP + 14, "Exposure", "h")
    for mark in (1_000, 10_000, 50_000, FULL):
        y = _height(mark)
        yield _line(LEFT, y, WIDTH - RIGHT, y, GRID)
        yield _text(LEFT - 10, y + 4, percent(mark), "f e")
    for stretch in found.stretches:
        left, right, y = axis.x(stretch.begins), axis.x(stretch.ends), _height(stretch.exposure)
        yield _box(left, y, right - left, base - y, PALE)
        yield _line(left, y, right, y, BLUE, 3)
        yield _line(left, y, left, base, BLUE)
        yield from _phase_words(found, stretch, (left, right), y)
    yield _line(LEFT, base, WIDTH - RIGHT, base, FAINT)


def _phase_words(found: Forecast, stretch: Stretch, edges: tuple[float, float], y: float) -> Iterator[str]:
    left, right = edges
    units = f"{round(found.traffic.daily * stretch.exposure / FULL):,} {found.plan.audience.unit}s a day"
    name = f"{stretch.name} · {percent(stretch.exposure)}"
    above = y - 26 if y - 26 > TOP else y + 20
    yield _text(left + 6, above, _fitting(right - left, name, percent(stretch.exposure)), "h")
    yield _text(left + 6, above + 16, _fitting(right - left, f"{lasts(stretch)} · {units}", lasts(stretch)), "f")


def _approvals(steps: Sequence[Step], axis: Axis) -> Iterator[str]:
    for step in steps:
        if step.what is What.APPROVAL:
            x, y = axis.x(step.at), _height(step.exposure)
            yield f'<path d="M{x} {y - 8}l8 8l-8 8l-8 -8z" fill="#fff" stroke="{INK}" stroke-width="1.5"/>'


def _settings(keys: Sequence[str], steps: Sequence[Step], axis: Axis, top: int) -> Iterator[str]:
    yield _text(24, top - 12, "Settings of the candidate", "h")
    for row, key in enumerate(keys):
        y = top + row * LANE
        yield _text(LEFT - 10, y + 19, _fitting(LEFT - 34, key, key[:20]), "e")
        for begins, ends, value, changed in _values(key, steps):
            left, right = axis.x(begins), axis.x(ends)
            yield _box(left, y + 3, right - left - 1, LANE - 10, BLUE if changed else PALE)
            yield _text(left + 6, y + 19, _fitting(right - left, value, value[:6]), "w" if changed else "")


def _values(key: str, steps: Sequence[Step]) -> Iterator[tuple[datetime, datetime, str, bool]]:
    """Each value of a setting with when it holds, and whether the plan changed it on the way."""
    begins, value = steps[0].at, steps[0].settings.get(key)
    changed = False
    for step in steps:
        if step.settings.get(key) != value:
            yield begins, step.at, str(value), changed
            begins, value, changed = step.at, step.settings.get(key), True
    yield begins, steps[-1].at, str(value), changed


def _detection(found: Forecast, axis: Axis, top: int) -> Iterator[str]:
    yield _text(24, top - 12, "How soon a fault would be noticed, in each phase from its beginning", "h")
    for row, rule in enumerate(found.rules):
        y = top + row * LANE
        yield _text(LEFT - 10, y + 19, _fitting(LEFT - 34, rule.text, f"{rule.text[:NAMED]}…"), "e")
        for outlook in found.outlooks:
            if outlook.rule.text == rule.text:
                yield from _bar(outlook, axis, y)


def _boundaries(found: Forecast, axis: Axis, top: int, bottom: int) -> Iterator[str]:
    for stretch in found.stretches[1:]:
        x = axis.x(stretch.begins)
        yield f'<path d="M{x} {top}L{x} {bottom}" stroke="{BLUE}" stroke-dasharray="2 3"/>'


def _bar(outlook: Outlook, axis: Axis, y: int) -> Iterator[str]:
    """Dark until half of all such faults are noticed, light until nine in ten are; red where the phase is too short."""
    stretch, fault = outlook.stretch, outlook.telling
    left, right = axis.x(stretch.begins), axis.x(stretch.ends)
    if fault is None or not isfinite(fault.days.t50):
        yield _box(left, y + 3, right - left - 1, LANE - 10, ROSE)
        yield _text(left + 6, y + 19, _fitting(right - left, "cannot fire", "–"), "r")
        return
    size, late = f"{fault.times:g}x", fault.days.t50 > stretch.days
    ends = [axis.x(min(stretch.begins + timedelta(days=days), stretch.ends)) for days in fault.days]
    if late:
        yield _box(left, y + 3, right - left - 1, LANE - 10, ROSE)
        long = f"{size}: {brief(fault.days.t50)}, too late"
        yield _text(left + 6, y + 19, _fitting(right - left, long, brief(fault.days.t50)), "r")
        return
    t50, t90 = max(ends[0], left + 3), min(max(ends[1], left + 4), right - 2)
    yield _box(left, y + 3, t90 - left, LANE - 10, LIGHT)
    yield _box(left, y + 3, t50 - left, LANE - 10, GREEN)
    wordings = (f"{size} in {brief(fault.days.t50)}", brief(fault.days.t50))
    if behind := _fitting(right - t90 - 5, *wordings):
        yield _text(t90 + 5, y + 19, behind, "")
    elif inside := _fitting(t50 - left - 4, *wordings):
        yield _text(left + 6, y + 19, inside, "w")
    else:
        yield _text(t50 + 5, y + 19, _fitting(t90 - t50, *wordings), "")


def _legend(found: Forecast, y: int) -> Iterator[str]:
    x = 24.0
    for colour, words in (
        (GREEN, "half of such faults noticed"),
        (LIGHT, "9 in 10 noticed"),
        (ROSE, "phase too short to notice"),
    ):
        yield _box(x, y - 10, 14, 12, colour)
        yield _text(x + 20, y, words, "")
        x += 44 + LETTER * len(words)
    yield f'<path d="M{x + 8} {y - 12}l8 8l-8 8l-8 -8z" fill="#fff" stroke="{INK}" stroke-width="1.5"/>'
    yield _text(x + 24, y, "a person approves", "")
    yield _text(24, y + 24, f"Taken for granted: {assumption(found)}. Approvals at once.", "f")


def _height(exposure: int) -> float:
    return round(TOP + EXPOSURE - (EXPOSURE - 46) * sqrt(exposure / FULL), 1)


def _fitting(width: float, *words: str) -> str:
    """The first of several wordings that fits; nothing where none does."""
    return next((word for word in words if len(word) * LETTER + 8 <= width), "")


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>' if words else ""


def _box(x: float, y: float, width: float, height: float, colour: str, more: str = "") -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height}" fill="{colour}" {more}/>'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: int = 1) -> str:
    return f'<path d="M{x} {y}L{to_x} {to_y}" stroke="{colour}" stroke-width="{width}"/>'
