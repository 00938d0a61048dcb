"""The only model of a plan: what a product manager declared, validated and frozen.

Everything else in Sluice reads these values; nothing copies them into a second model. Reading YAML, naming lines and
checking what only the operator knows (sources, channels) is the job of `plans.load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Strict,
    Tag,
    WithJsonSchema,
    model_validator,
)

from plans.approval import Approval, Person
from plans.constraints import STREAK, Between, Shape, read_streak, read_zone
from plans.expressions import Condition, Duration, Expose, Limit, When, Window
from plans.fields import Confidence, Day, Key, Label, Matcher, Name, Number, Patience, Query, Start, Whole
from plans.listeners import Event, Listener, listening

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import core_schema

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

    size: Annotated[Whole | None, Field(gt=0, le=10**12, description="units per day that meet the feature")] = None
    unit: Annotated[Key, Field(description="what is bucketed: `user`, or any attribute of the context")] = "user"
    allow: Annotated[tuple[Matcher, ...], Field(description="always the candidate while the rollout is live")] = ()
    block: Annotated[tuple[Matcher, ...], Field(description="always stable; wins over `allow`")] = ()


class Freeze(Frozen):
    """Days, both included, on which nothing grows and nothing is adjusted."""

    from_: Annotated[Day, Field(alias="from", examples=["2026-12-19"])]
    to: Annotated[Day, Field(examples=["2027-01-04"])]
    reason: Annotated[str, Field(max_length=200)] = ""


class Schedule(Frozen):
    """When the rollout may move; `start` is wall-clock time in `timezone`."""

    start: Start | None = None
    timezone: Annotated[
        Annotated[str, BeforeValidator(read_zone)] | None,
        Field(
            description="a name of the IANA database; needed with any wall-clock time", examples=["America/New_York"]
        ),
    ] = None
    advance: Annotated[
        Window | None, Field(description="exposure grows only inside; the start included, the end not")
    ] = None
    freeze: tuple[Freeze, ...] = ()


class Adjustment(Frozen):
    """A dated change of the candidate's settings inside a phase."""

    at: Annotated[When, Field(examples=["day 3"])]
    set: Annotated[Settings, Field(min_length=1, examples=["{min_confidence: 0.8}"])]


class Decide(Frozen):
    """The A/B decision at the end of a phase's hold."""

    ship: Annotated[Condition, Field(examples=["accuracy >= control + 2pp"])]
    revert: Annotated[Condition, Field(examples=["accuracy < control"])]
    ask: Condition | None = None


class Phase(Frozen):
    """A stretch at constant exposure."""

    name: Annotated[Label, Field(examples=["beta"])]
    expose: Annotated[Expose, Field(examples=["10%"])]
    hold: Annotated[Duration, Field(description="least time in the phase", examples=["3d"])]
    approval: Annotated[
        Approval | None,
        Field(description="a person decides before the next phase: `required`, or a mapping that says more"),
    ] = None
    adjust: Annotated[tuple[Adjustment, ...], Field(description="changes of the candidate's settings, in order")] = ()
    decide: Decide | None = None
    advance: Annotated[Literal["pass"] | None, Field(description="leave only when every criterion has passed")] = None


class Metric(Frozen):
    """What is counted: a share (`bad` or `good` of `of`) or a number (`value` of `of`)."""

    source: Annotated[str, Field(min_length=1, max_length=64, examples=["events"])]
    bad: Query | None = None
    good: Query | None = None
    value: Query | None = None
    of: Annotated[Query, Field(examples=["request"])]
    unit: Annotated[str, Shape(r"^[A-Za-z]{1,12}$", "one word, such as `ms` or `usd`")] | None = None
    range: tuple[Number, Number] | None = None
    baseline: Annotated[Number | None, Field(description="the known rate that `2x baseline` means")] = None

    @model_validator(mode="before")
    @classmethod
    def _own_event(cls, value: Any) -> Any:
        """A number that names no `of` is counted where it is reported."""
        alone = isinstance(value, dict) and isinstance(value.get("value"), str) and "of" not in value
        return {**value, "of": value["value"]} if alone else value

    @property
    def counts_good(self) -> bool:
        """Whether the metric is the share of what went well: 90 % accurate, not 10 % wrong."""
        return self.good is not None


class Criterion(Frozen):
    """One stopping check, in the long form; a bare expression is `when` alone."""

    when: Annotated[Condition, Field(examples=["error_rate > 2x control"])]
    then: Then = Then.REVERT
    min_samples: Annotated[Whole, Field(ge=0, description="treatment units since the phase began")] = 0
    tolerate: Annotated[Number | None, Field(gt=0, description="what is practically never stopped")] = None
    test: Literal["sequential", "threshold"] = "sequential"
    for_: Annotated[
        Annotated[
            str,
            BeforeValidator(read_streak),
            WithJsonSchema({"type": "string", "pattern": STREAK, "examples": ["3 of 5"]}),
        ]
        | None,
        Field(alias="for", description="looks of the last looks that must breach, with `test: threshold`"),
    ] = None
    on_no_data: OnNoData = OnNoData.HOLD
    no_data_after: Patience | None = None
    expect_data: Window | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"when": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Either form: the bare condition or the mapping."""
        return {"anyOf": [Condition.json_schema(), handler(schema)]}

    @property
    def text(self) -> str:
        """The criterion as the plan words it, `error_rate > 2x control`: its identity everywhere."""
        return self.when.text


class Stop(Frozen):
    """The stopping criteria and how they are watched; `confidence` is a share, 0.95."""

    check_every: Annotated[Duration, Between(Duration(seconds=10), Duration(seconds=3600))] = Duration(seconds=300)
    no_data_after: Patience = Duration(seconds=3600)
    expect_data: Annotated[
        Window | None, Field(description="when data is expected; silence outside is no `no_data`")
    ] = None
    confidence: Confidence = 0.95
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1, examples=["[error_rate > 2x control]"])]


class Tune(Frozen):
    """The confidence-threshold tree: raise a setting, observe, keep it or revert."""

    metric: Annotated[str, Field(examples=["false_positive_rate"])]
    when: Annotated[Limit, Field(examples=['"> 10%"'])]
    raise_: Annotated[Settings, Field(alias="raise", examples=["{min_confidence: 0.1, up_to: 0.9}"])]
    observe: Annotated[Duration, Between(Duration(seconds=10), Duration(days=366)), Field(examples=["1d"])]
    keep_if: Annotated[Limit, Field(examples=['"< 5%"'])]
    otherwise: Literal["revert"] = "revert"
    note_if: Limit | None = None
    give_up_after: Duration | None = None


def _kind_of_stable(value: object) -> str:
    return "word" if isinstance(value, str) else "settings"


class Plan(Frozen):
    """One rollout as declared."""

    sluice: Annotated[Literal[1], Field(description="version of the format", examples=["1"])]
    name: Annotated[Name, Field(description="used once, for this rollout", examples=["search-v2"])]
    summary: Annotated[str, Field(max_length=500)] = ""
    owner: Annotated[str, Field(max_length=200)] = ""
    flag: Annotated[Key, Field(description="the key that applications read", examples=["search-ai"])]
    stable: Annotated[
        Annotated[Settings, Tag("settings")] | Annotated[Literal["off", "current"], Tag("word")],
        Discriminator(_kind_of_stable),
        Field(description="what everyone has now; `off` for a first launch", examples=["{model: v1}"]),
    ]
    candidate: Annotated[Settings, Field(min_length=1, description="what is rolled out", examples=["{model: v2}"])]
    salt: Annotated[
        Annotated[str, Shape(r"^[!-~]{1,128}$", "1 to 128 printable characters without spaces")] | None,
        Field(description="keeps the cohorts of an earlier rollout; the name by default"),
    ] = None
    audience: Audience = Audience()
    schedule: Schedule = Schedule()
    phases: Annotated[tuple[Phase, ...], Field(min_length=1, examples=["[{name: all, expose: 100%, hold: 7d}]"])]
    use: Annotated[
        tuple[Literal["llm"], ...],
        Field(
            description="metrics and criteria to take in by name; what the plan says itself wins", examples=["[llm]"]
        ),
    ] = ()
    metrics: Annotated[
        Mapping[str, Metric], Field(examples=["{error_rate: {source: events, bad: error, of: request}}"])
    ]
    stop: Annotated[Stop, Field(examples=["{criteria: [error_rate > 2x control]}"])]
    tune: tuple[Tune, ...] = ()
    approvers: Annotated[
        tuple[Person, ...],
        Field(
            min_length=1,
            description="whose approvals count, each once; anybody's where absent",
            examples=["[ana@example.com, bo@example.com]"],
        ),
    ] = ()
    approvals: Annotated[Whole, Field(ge=1, le=20, description="how many different people it takes")] = 1
    requester_may_approve: Annotated[
        bool, Strict(), Field(description="whether whoever submitted it, or asked for an amendment, may approve that")
    ] = True
    notify: Annotated[
        tuple[Listener, ...],
        Field(
            description="channels that the operator configured, each alone or with the events it hears of",
            examples=["[log, {slack-ai: [awaiting_approval, held]}]"],
        ),
    ] = ("log",)
    ends_below_100: Annotated[bool, Strict(), Field(description="the last phase is meant to stay below 100%")] = False

    def exposure(self, phase: int) -> int:
        """Exposure of a phase in thousandths of a percent (10 % = 10_000)."""
        return self.phases[phase].expose.thousandths(self.audience.size)

    def channels(self, event: Event) -> tuple[str, ...]:
        """The channels that hear of an event, the built-in log aside: that hears of everything."""
        return listening(self.notify, event)

    @property
    def bucketing_salt(self) -> str:
        """What units are hashed with: the plan's own salt, else its name."""
        return self.salt or self.name
