"""Asking a person: the form on a suspended run, its key, and what an answer means.

The form is saved before the run is suspended, so that no run can wait for a form that nobody can open. Its key names
the rollout and the number of the question: an answer to an earlier question is never read as an answer to this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateDetails, StateType
from prefect.input.run_input import Keyset, keyset_from_base_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows import runs
from flows.markdown import bullets, escape, evidence_summary
from plans.schema import Plan
from plans.timeline import local
from rollout.approving import standing
from rollout.describe import percent, title
from rollout.model import Evidence, RolloutState

UNIDENTIFIED = "Prefect UI (unidentified)"
LONGEST_NAME = 80


class Codes(StrEnum):
    """Whether an approval in Prefect's UI needs a code: where there are keys."""

    NONE = "none"
    ASKED = "asked"


class Answer(BaseModel):
    """What the form asks for; `decision` has no default, so that resuming without one decides nothing."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "abort", "hold"] = Field(
        description="approve: go on to the next phase. abort: everybody goes back to stable. hold: stay here."
    )
    reason: str = Field(default="", description="Kept in the journal.", max_length=2000)
    approver: str = Field(default="", title="Your name", description="Kept as claimed: nobody checks it.")
    code: str = Field(default="", title="Your approval code", description="The six digits that your device shows now.")
    question: int | None = Field(default=None, description="Leave it as it is: an answer counts for this question.")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An answer that decides nothing, and why."""

    why: str


def keyset(name: str, question: int) -> Keyset:
    """Where the form of a question and its answer are kept: lowercase letters, digits and dashes only."""
    return keyset_from_base_key(f"sluice-{name}-q{question}")


def suspended(state: RolloutState, name: str) -> State:
    """The Prefect state of a run that waits for the open question's answer; `name` is what its badge says."""
    asked = keyset(state.name, state.question)
    details = StateDetails(
        pause_key=asked["response"],
        pause_reschedule=True,
        run_input_keyset={str(part): key for part, key in asked.items()},
    )
    return State(type=StateType.PAUSED, name=name, state_details=details)


def ask(
    client: SyncPrefectClient,
    run: UUID,
    plan: Plan,
    state: RolloutState,
    evidence: Evidence,
    page: str | None,
    codes: Codes,
) -> None:
    """Save the form of the open question with the run; nothing is suspended yet."""
    asked = keyset(state.name, state.question)
    runs.write_input(client, run, asked["schema"], form(codes, state.question))
    tell(client, run, plan, state, evidence, page)


def tell(
    client: SyncPrefectClient, run: UUID, plan: Plan, state: RolloutState, evidence: Evidence, page: str | None
) -> None:
    """Show this evidence on the form of the open question; `page` is where there is more of it."""
    refused = runs.read_input(client, run, _refused(state))
    text = question_text(plan, state, evidence, page, str(refused) if refused else None)
    runs.write_input(client, run, keyset(state.name, state.question)["description"], text)


def answer(client: SyncPrefectClient, run: UUID, state: RolloutState) -> Answer | Unreadable | None:
    """What was answered to the open question; None where nothing was."""
    given = runs.read_input(client, run, keyset(state.name, state.question)["response"])
    return None if given is None else read(given)


def read(given: object) -> Answer | Unreadable:
    """An answer as it was typed, or that it decides nothing."""
    try:
        return Answer.model_validate(given)
    except ValidationError as error:
        return Unreadable(f"it decides nothing ({error.errors()[0]['msg']}); choose approve, abort or hold")


def refuse(client: SyncPrefectClient, run: UUID, state: RolloutState, why: str) -> None:
    """Keep for the form of the open question why its last answer did not count; nothing where it did."""
    if why:
        runs.write_input(client, run, _refused(state), why)
    else:
        runs.drop_input(client, run, _refused(state))


def form(codes: Codes, question: int) -> dict[str, Any]:
    """The fields of the question: a code is asked for where there are keys, and the name is then the key's.

    The number of the question travels with the form, so that one that was opened before the question was asked anew
    still answers the old one.
    """
    schema = Answer.model_json_schema()
    number = {key: schema["properties"]["question"][key] for key in ("title", "description")}
    schema["properties"]["question"] = number | {"type": "integer", "default": question}
    if codes is Codes.NONE:
        del schema["properties"]["code"]
    else:
        schema["properties"]["approver"] |= {"title": "Your e-mail address", "description": "As your key has it."}
    return schema


def forget(client: SyncPrefectClient, run: UUID, state: RolloutState) -> None:
    """Drop an answer that was dealt with, so that the same question can be asked again."""
    runs.drop_input(client, run, keyset(state.name, state.question)["response"])


def who(claimed: str) -> str:
    """How the journal names the author of a click: a typed name is a claim, no name is nobody."""
    name = claim(claimed)
    return f"{name} (as claimed)" if name else UNIDENTIFIED


def claim(typed: str) -> str | None:
    """The name that somebody typed, on one line; None where they typed none."""
    return " ".join(typed.split())[:LONGEST_NAME] or None


def question_text(
    plan: Plan, state: RolloutState, evidence: Evidence, page: str | None = None, refused: str | None = None
) -> str:
    """The question with what the answer should rest on, in Markdown."""
    leaving, entering = plan.phases[state.phase], plan.phases[state.phase + 1]
    grows = f"{percent(plan.exposure(state.phase))} → {percent(plan.exposure(state.phase + 1))}"
    return "\n\n".join(
        (
            f"### {escape(plan.name)}: leave {escape(title(leaving.name))} for {escape(title(entering.name))}?",
            f"**The last answer did not count: {escape(refused)}**" if refused else "",
            f"{escape(plan.summary)}" if plan.summary else "",
            f"Exposure {grows}. {_since(plan, state.entered)}",
            f"**{escape(state.reason)}**" if state.reason else "",
            bullets(standing(plan, state)),
            evidence_summary(plan, evidence),
            f"[Charts and journal]({page})" if page else "",
            "Resuming without a decision advances nothing. Cancel aborts the rollout: everybody goes back to stable.",
        )
    )


def _refused(state: RolloutState) -> str:
    return f"sluice-{state.name}-q{state.question}-refused"


def _since(plan: Plan, entered: datetime | None) -> str:
    return f"In this phase since {escape(local(plan, entered))}." if entered else ""
