"""The arithmetic of a confidence-threshold tree: what it raises, how far, and until when the raise is observed."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from plans import settings
from plans.expressions import Duration
from plans.schema import Plan, Settings, Tune
from plans.timeline import later

UP_TO = "up_to"
PATIENCE = 3
DIGITS = 12


def tuned_setting(tune: Tune) -> str:
    """The one setting that a tree raises."""
    return next(key for key in tune.raise_ if key != UP_TO)


def raised(tune: Tune, now: Settings) -> Settings | None:
    """The tuned setting one step further, not beyond `up_to`; None where it can go no further."""
    key = tuned_setting(tune)
    value, step = now.get(key), _number(tune.raise_[key])
    bound = _number(tune.raise_.get(UP_TO))
    if not _is_number(value) or not step:
        return None
    old = float(str(value))
    new = old + step if bound is None else _nearer(step, old + step, bound)
    further = {key: _like(value, round(new, DIGITS))}
    advances = (new - old) * step > 0
    return further if advances and not any(settings.faults(further)) else None


def observed(plan: Plan, tune: Tune, since: datetime) -> datetime:
    """When a raise has been observed for its least time."""
    return later(plan, since, tune.observe)


def given_up(plan: Plan, tune: Tune, since: datetime) -> datetime:
    """When a raise that has not proved itself is given up."""
    return later(plan, since, patience(tune))


def patience(tune: Tune) -> Duration:
    """How long a raise may take to prove itself: the plan's own time, else three times its observation."""
    return tune.give_up_after or Duration(PATIENCE * tune.observe.days, PATIENCE * tune.observe.seconds)


def _nearer(step: float, new: float, bound: float) -> float:
    return min(new, bound) if step > 0 else max(new, bound)


def _like(old: JsonValue, new: float) -> JsonValue:
    return int(new) if isinstance(old, int) and new.is_integer() else new


def _number(value: JsonValue) -> float | None:
    return float(str(value)) if _is_number(value) else None


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
