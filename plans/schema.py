"""The only model of a plan: what a product manager declared, validated and frozen.

Everything else in Sluice reads these values; nothing copies them into a second model. Reading YAML, naming lines and
checking what only the operator knows (sources, channels) is the job of `plans.load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from plans.expressions import Condition, Duration, Expose, When, Window

Settings = Mapping[str, JsonValue]


class Frozen(BaseModel):
    """A declared value: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Then(StrEnum):
    """What an established breach does, mildest first."""

    NOTIFY = "notify"
    HOLD = "hold"
    REVERT = "revert"
    DISABLE = "disable"


class OnNoData(StrEnum):
    """What missing data does to a phase that wants to end."""

    HOLD = "hold"
    IGNORE = "ignore"
    REVERT = "revert"


class Audience(Frozen):
    """Who meets the feature; a matcher is attribute -> patterns, all attributes of one matcher must match."""

    size: int | None = None
    unit: str = "user"
    allow: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    block: tuple[Mapping[str, tuple[str, ...]], ...] = ()


class Freeze(Frozen):
    """Days, both included, on which nothing grows and nothing is adjusted."""

    from_: Annotated[date, Field(alias="from")]
    to: date
    reason: str = ""


class Schedule(Frozen):
    """When the rollout may move; `start` is wall-clock time in `timezone`."""

    start: datetime | None = None
    timezone: str | None = None
    advance: Window | None = None
    freeze: tuple[Freeze, ...] = ()


class Adjustment(Frozen):
    """A dated change of the candidate's settings inside a phase."""

    at: When
    set: Settings


class Decide(Frozen):
    """The A/B decision at the end of a phase's hold."""

    ship: Condition
    revert: Condition
    ask: Condition | None = None


class Phase(Frozen):
    """A stretch at constant exposure."""

    name: str
    expose: Expose
    hold: Duration
    approval: Literal["required"] | None = None
    adjust: tuple[Adjustment, ...] = ()
    decide: Decide | None = None
    advance: Literal["pass"] | None = None


class Metric(Frozen):
    """What is counted: a share (`bad` or `good` of `of`) or a number (`value` of `of`)."""

    source: str
    bad: str | None = None
    good: str | None = None
    value: str | None = None
    of: str
    unit: str | None = None
    range: tuple[float, float] | None = None
    baseline: float | None = None


class Criterion(Frozen):
    """One stopping check, in the long form; a bare expression is `when` alone."""

    when: Condition
    then: Then = Then.REVERT
    min_samples: int = 0
    tolerate: float | None = None
    test: Literal["sequential", "threshold"] = "sequential"
    for_: Annotated[str | None, Field(alias="for")] = None
    on_no_data: OnNoData = OnNoData.HOLD
    no_data_after: Duration | None = None

    @property
    def text(self) -> str:
        """The criterion as the plan words it, `error_rate > 2x control`: its identity everywhere."""
        return self.when.text


class Stop(Frozen):
    """The stopping criteria and how they are watched; `confidence` is a share, 0.95."""

    check_every: Duration = Duration(seconds=300)
    no_data_after: Duration = Duration(seconds=3600)
    confidence: float = 0.95
    criteria: tuple[Criterion, ...]


class Tune(Frozen):
    """The confidence-threshold tree: raise a setting, observe, keep it or revert."""

    metric: str
    when: str
    raise_: Annotated[Settings, Field(alias="raise")]
    observe: Duration
    keep_if: str
    otherwise: Literal["revert"] = "revert"
    note_if: str | None = None
    give_up_after: Duration | None = None


class Plan(Frozen):
    """One rollout as declared."""

    sluice: Literal[1]
    name: str
    summary: str = ""
    owner: str = ""
    flag: str
    stable: Settings | Literal["off", "current"]
    candidate: Settings
    salt: str | None = None
    audience: Audience = Audience()
    schedule: Schedule = Schedule()
    phases: tuple[Phase, ...]
    metrics: Mapping[str, Metric]
    stop: Stop
    tune: tuple[Tune, ...] = ()
    notify: tuple[str, ...] = ("log",)
    ends_below_100: bool = False

    def exposure(self, phase: int) -> int:
        """Exposure of a phase in thousandths of a percent (10 % = 10_000)."""
        return self.phases[phase].expose.thousandths(self.audience.size)

    @property
    def bucketing_salt(self) -> str:
        """What units are hashed with: the plan's own salt, else its name."""
        return self.salt or self.name
