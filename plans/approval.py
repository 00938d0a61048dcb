"""What a plan demands of the people who let it go on: whose yes counts, how many it takes, when a question lapses."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from plans.constraints import Between, Shape
from plans.expressions import Duration
from plans.problems import shown

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler, SerializerFunctionWrapHandler
    from pydantic_core import core_schema

    from plans.schema import Plan

REQUIRED = "required"

Person = Annotated[
    str, Field(max_length=200), Shape(r"^[^\s@<>]+@[^\s@<>]+$", "an e-mail address, such as ana@example.com")
]


class Lapse(StrEnum):
    """What a question that nobody answered in time comes to."""

    HOLD = "hold"
    ABORT = "abort"


class Approval(BaseModel):
    """A person's yes before the next phase; `required` alone is the short form, which waits for as long as it takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: Annotated[Literal[True], Field(description="`true`")] = True
    expires: Annotated[
        Annotated[Duration, Between(Duration(seconds=10), Duration(days=366))] | None,
        Field(description="how long the question stands; for ever where absent", examples=["3d"]),
    ] = None
    then: Annotated[Lapse, Field(description="what follows where it expires: `hold` or `abort`")] = Lapse.HOLD

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if value == REQUIRED and isinstance(value, str):
            return {}
        if value is not None and not isinstance(value, dict | cls):
            raise ValueError(f"{shown(value)} does not fit; write `required`, or `{{required: true, expires: 3d}}`")
        return value

    @model_serializer(mode="wrap")
    def _shortest(self, whole: SerializerFunctionWrapHandler) -> Any:
        """What says no more than the short form is the short form."""
        return REQUIRED if self.expires is None else whole(self)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Either form: the word or the mapping."""
        return {"anyOf": [{"type": "string", "const": REQUIRED}, handler(schema)]}

    def __str__(self) -> str:
        """As a plan's difference names it."""
        return REQUIRED if self.expires is None else f"{REQUIRED}, {lapse(self)}"


def demanding(plan: Plan) -> bool:
    """Whether it matters who approves, so that only a person who is known can."""
    return bool(plan.approvers) or plan.approvals > 1 or not plan.requester_may_approve


def demanded(plan: Plan) -> str:
    """Whose yes it takes, in words: `2 of ana@example.com, bo@example.com, not whoever asks for it`."""
    if plan.approvers:
        count = "all" if plan.approvals == len(plan.approvers) > 1 else str(plan.approvals)
        people = either(plan.approvers) if plan.approvals == 1 else f"{count} of {', '.join(plan.approvers)}"
    else:
        people = "anybody" if plan.approvals == 1 else f"any {plan.approvals} people"
    return people if plan.requester_may_approve else f"{people}, but not whoever asks for it"


def lapse(approval: Approval) -> str:
    """When a question lapses and what follows, in words; empty where it stands for ever."""
    return "" if approval.expires is None else f"lapses after {approval.expires.text}, then {approval.then}"


def either(people: Sequence[str]) -> str:
    """Some people as a choice: `ana@example.com, bo@example.com or cy@example.com`."""
    return " or ".join(filter(None, (", ".join(people[:-1]), *people[-1:])))
