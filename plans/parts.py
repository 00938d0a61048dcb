"""The readable parts of a plan, so that one bad line does not hide what is wrong with the others."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import JsonValue, TypeAdapter, ValidationError

from plans.approval import Person
from plans.conditions import Condition
from plans.expressions import Duration, Window
from plans.listeners import Listener
from plans.problems import Path
from plans.schema import Audience, Criterion, Metric, Phase, Plan, Schedule, Settings, Tune

HARMLESS: Mapping[str, JsonValue] = {"hold": "3650d", "from": "2000-01-01", "to": "2199-12-31"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A plan as far as it could be read, each part with its index; `broken` are the places that could not."""

    stable: Settings | None = None
    stable_off: bool = False
    candidate: Settings | None = None
    audience: Audience = field(default_factory=Audience)
    schedule: Schedule = field(default_factory=Schedule)
    phases: tuple[tuple[int, Phase], ...] = ()
    phase_count: int = 0
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    metric_names: frozenset[str] = frozenset()
    criteria: tuple[tuple[int, Criterion], ...] = ()
    check_every: Duration = Duration(seconds=300)
    no_data_after: Duration = Duration(seconds=3600)
    expect_data: Window | None = None
    tune: tuple[tuple[int, Tune], ...] = ()
    notify: tuple[Listener, ...] = ("log",)
    ends_below_100: bool = False
    owner: str = ""
    approvers: tuple[str, ...] = ()
    approvals: int = 1
    requester_may_approve: bool = True
    broken: frozenset[Path] = frozenset()

    def knows(self, *places: Path) -> bool:
        """Whether nothing in, at or around these places was broken."""
        return not any(_related(broken, place) for broken in self.broken for place in places)

    def exposure(self, phase: Phase) -> int | None:
        """Exposure of a phase in thousandths of a percent, None where the audience is unknown or has fewer users."""
        if phase.expose.units is not None and phase.expose.units > (self.audience.size or 0):
            return None
        return phase.expose.thousandths(self.audience.size)

    def conditions(self) -> Iterator[tuple[Path, Condition]]:
        """Every condition of the plan with its place."""
        for index, criterion in self.criteria:
            yield ("stop", "criteria", index), criterion.when
        for index, phase in self.phases:
            if phase.decide:
                for word in ("ship", "revert", "ask"):
                    if condition := getattr(phase.decide, word):
                        yield ("phases", index, "decide", word), condition
        for index, tune in self.tune:
            for word in ("when", "keep_if", "note_if"):
                if limit := getattr(tune, word):
                    yield ("tune", index, word), limit.of(tune.metric)


def of_plan(plan: Plan) -> Parts:
    """All of a plan that could be read."""
    return Parts(
        stable=None if isinstance(plan.stable, str) else plan.stable,
        stable_off=plan.stable == "off",
        candidate=plan.candidate,
        audience=plan.audience,
        schedule=plan.schedule,
        phases=tuple(enumerate(plan.phases)),
        phase_count=len(plan.phases),
        metrics=plan.metrics,
        metric_names=frozenset(plan.metrics),
        criteria=tuple(enumerate(plan.stop.criteria)),
        check_every=plan.stop.check_every,
        no_data_after=plan.stop.no_data_after,
        expect_data=plan.stop.expect_data,
        tune=tuple(enumerate(plan.tune)),
        notify=plan.notify,
        ends_below_100=plan.ends_below_100,
        owner=plan.owner,
        approvers=plan.approvers,
        approvals=plan.approvals,
        requester_may_approve=plan.requester_may_approve,
    )


def of_data(data: Mapping[str, JsonValue], wrong: Mapping[Path, str]) -> Parts:
    """What can be read of data once the places in `wrong` (path -> pydantic's error type) are taken out of it."""
    rest = copy.deepcopy(dict(data))
    for path in sorted(wrong, key=len, reverse=True):
        _take_out(rest, path)
    metrics = _section(rest, "metrics", dict)
    stop = _section(rest, "stop", dict)
    found = {
        "stable": _piece(Settings, rest.get("stable")),
        "candidate": _piece(Settings, rest.get("candidate")),
        "audience": _piece(Audience, rest.get("audience")),
        "schedule": _piece(Schedule, rest.get("schedule")),
        "notify": _piece(tuple[Listener, ...], rest.get("notify")),
        "check_every": _piece(Duration, stop.get("check_every")),
        "no_data_after": _piece(Duration, stop.get("no_data_after")),
        "expect_data": _piece(Window, stop.get("expect_data")),
        "owner": _piece(str, rest.get("owner")),
        "approvers": _piece(tuple[Person, ...], rest.get("approvers")),
        "approvals": _piece(int, rest.get("approvals")),
    }
    return Parts(
        **cast("dict[str, Any]", {name: value for name, value in found.items() if value is not None}),
        phases=tuple(_pieces(Phase, rest.get("phases"))),
        phase_count=len(_section(rest, "phases", list)),
        metrics={name: metric for name, given in metrics.items() if (metric := _piece(Metric, given)) is not None},
        metric_names=frozenset(_section(data, "metrics", dict)),
        criteria=tuple(_pieces(Criterion, stop.get("criteria"))),
        tune=tuple(_pieces(Tune, rest.get("tune"))),
        stable_off=rest.get("stable") == "off",
        ends_below_100=rest.get("ends_below_100") is True,
        requester_may_approve=rest.get("requester_may_approve") is not False,
        broken=frozenset(path for path, kind in wrong.items() if kind != "extra_forbidden"),
    )


def _related(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _take_out(data: Any, path: Path) -> None:
    """Remove what is at a path, or put something harmless there; in a list its place stays, so that numbers do."""
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(data, dict) and path:
        data.pop(path[-1], None)
        data |= {key: harmless for key, harmless in HARMLESS.items() if key == path[-1]}
    elif isinstance(data, list) and path and isinstance(path[-1], int) and path[-1] < len(data):
        data[path[-1]] = None


def _section(data: Mapping[str, JsonValue], name: str, kind: type[T]) -> T:
    found = data.get(name)
    return found if isinstance(found, kind) else kind()


def _pieces(kind: Any, data: JsonValue) -> Iterator[tuple[int, Any]]:
    for index, given in enumerate(data if isinstance(data, list) else ()):
        if (piece := _piece(kind, given)) is not None:
            yield index, piece


def _piece(kind: Any, data: JsonValue) -> Any:
    """The data as one part, None where it is absent or cannot be read (which is reported elsewhere)."""
    if data is None:
        return None
    try:
        return _adapter(kind).validate_python(data)
    except ValidationError:
        return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
