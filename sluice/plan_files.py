"""`validate` and `preview`: what a plan file says, without any rollout."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plans.load import Known, Problem, check
from plans.schema import Plan
from plans.timeline import timeline, warnings, zone
from rollout.describe import preview_json
from sluice.errors import RefusedError, UsageError


def validated(file: Path, known: Known) -> dict[str, Any]:
    """One file's entry of `sluice validate --json`."""
    try:
        _, problems = check(read_text(file), str(file), known)
    except UsageError as error:
        problem = {"line": None, "place": "", "message": str(error), "severity": "error"}
        return {"file": str(file), "ok": False, "problems": [problem]}
    ok = not any(problem.severity == "error" for problem in problems)
    return {"file": str(file), "ok": ok, "problems": [problem_json(problem) for problem in problems]}


def loaded(file: Path, known: Known) -> Plan:
    """The plan in a file; raises RefusedError with every problem, one a line."""
    plan, problems = check(read_text(file), str(file), known)
    if plan is None:
        raise RefusedError("\n".join(str(problem) for problem in problems))
    return plan


def placed(plan: Plan, start: str | None, now: datetime) -> tuple[Plan, datetime]:
    """The plan and when it is submitted: now; or at `start`, which then takes the place of the plan's own start."""
    if start is None:
        return plan, now
    moved = plan.model_copy(update={"schedule": plan.schedule.model_copy(update={"start": None})})
    return moved, instant(start, plan)


def previewed(plan: Plan, submitted: datetime) -> dict[str, Any]:
    """The timeline of a plan that is submitted at an instant, in the documented shape, with each step's words."""
    steps = timeline(plan, submitted)
    told = preview_json(plan, steps, warnings(plan, submitted))
    for step, shown in zip(steps, told["steps"], strict=True):
        shown["text"] = step.text
    return told


def instant(text: str, plan: Plan | None = None) -> datetime:
    """An instant in ISO 8601; without an offset it is wall-clock time in the plan's zone, UTC where it names none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a time; write it as 2026-12-01 09:00 or 2026-12-01T14:00:00Z") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone(plan) if plan else UTC)
    return at.astimezone(UTC)


def read_text(file: Path) -> str:
    """The text of a plan file; raises UsageError where there is none to read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"{file}: cannot be read: {reason}") from error


def problem_json(problem: Problem) -> dict[str, Any]:
    """One problem of `validate --json`."""
    return {
        "line": problem.line,
        "place": problem.place,
        "message": problem.message,
        "severity": problem.severity,
    }


def problem_lines(entry: dict[str, Any]) -> Iterator[str]:
    """A file's problems as `file:line: place: message`."""
    for problem in entry["problems"]:
        line = f":{problem['line']}" if problem["line"] else ""
        place = f"{problem['place']}: " if problem["place"] else ""
        level = "warning: " if problem["severity"] == "warning" else ""
        yield f"{entry['file']}{line}: {level}{place}{problem['message']}"
