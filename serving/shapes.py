"""The JSON of the control endpoints that is not already worded by `rollout.describe`, and what they accept."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from plans.difference import Change
from plans.problems import Problem
from rollout.agenda import Entry
from rollout.describe import finding_json, served_exposure, takes_up
from rollout.incidents import Incident
from rollout.lists import LONGEST
from rollout.model import RolloutState, Verb
from state.rows import JournalEntry, Live, Rollout

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _visible(text: str) -> str:
    if found := HIDDEN.search(text):
        raise ValueError(
            f"character {found.group()!a} is not allowed: control and direction characters hide what is said"
        )
    return text


def in_utc(at: datetime) -> datetime:
    """The instant in UTC; raises ValueError where the calendar ends before that."""
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this instant is outside the calendar in UTC") from error


Who = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_visible)]
Why = Annotated[str, Field(max_length=2_000), AfterValidator(_visible)]
Count = Annotated[int, Field(ge=0, lt=2**31)]


class Asked(BaseModel):
    """What a person asks of a flag's switch; with a key `by` is whose key it is, whatever is claimed here."""

    model_config = ConfigDict(extra="forbid")

    by: Who | None = None
    reason: Why = ""


class AskedCommand(Asked):
    """What a person asks of a rollout; `revision` and `question` are what they saw, `check` only tells the effect."""

    command: Verb
    revision: Count | None = None
    question: Count | None = None
    phase: Annotated[str, Field(max_length=200)] | None = None
    duration: Annotated[str, Field(max_length=50)] | None = None
    settings: dict[str, JsonValue] | None = None
    check: bool = False

    @property
    def args(self) -> dict[str, JsonValue]:
        """The verb's own words, as the core reads them."""
        words: dict[str, JsonValue] = {"phase": self.phase, "duration": self.duration, "settings": self.settings}
        return {name: value for name, value in words.items() if value is not None}


class AskedList(Asked):
    """A unit that somebody puts on a list, or takes off it."""

    unit: Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_visible)]


class AskedApproval(Asked):
    """Which amendment somebody approves: its digest, or the beginning of it."""

    digest: Annotated[str, Field(min_length=6, max_length=64, pattern="^[0-9a-f]+$")]


class AskedIncident(Asked):
    """What somebody declares: why, for how long (`2h`), and about which flags, all of them where none is named."""

    length: Annotated[str, Field(alias="for", max_length=50)]
    flags: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=1_000)] = Field(default_factory=list)


class AskedWho(BaseModel):
    """A unit as the application's evaluation context describes it, and when; now where no instant is given."""

    model_config = ConfigDict(extra="forbid")

    unit: Annotated[str, Field(min_length=1, max_length=1_000)]
    context: dict[str, JsonValue] = Field(default_factory=dict)
    at: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = None


def journal_json(entry: JournalEntry) -> dict[str, Any]:
    """One line of a journal, as `sluice history --json` and `…/journal` give it."""
    return {
        "revision": entry.revision,
        "at": _iso(entry.at),
        "transition": str(entry.verb),
        "cause": str(entry.cause),
        "by": entry.by,
        "reason": entry.reason,
        "from": _state_json(entry.before),
        "to": _state_json(entry.after),
        "evidence": [finding_json(finding) for finding in entry.evidence.findings],
        "takes_up": takes_up(entry.verb, entry.before),
        "finding": None if entry.finding is None else finding_json(entry.finding),
        "process": entry.process,
        "digest": entry.after.digest,
    }


def agenda_json(entry: Entry, environment: str, url: str | None) -> dict[str, Any]:
    """One entry of the agenda, as `sluice agenda --json` and `GET /v1/agenda` give it; exposure in percent."""
    return {
        "at": _iso(entry.at),
        "until": _iso(entry.until) if entry.until else None,
        "local": entry.when,
        "zone": entry.zone,
        "what": str(entry.kind),
        "rollout": entry.rollout,
        "flag": entry.flag,
        "phase": entry.phase,
        "exposure": entry.exposure / 1000,
        "text": entry.text,
        "note": entry.note,
        "hinges": str(entry.hinges),
        "waiting": entry.waiting,
        "uid": f"{entry.key}@{environment}.sluice",
        "revision": entry.revision,
        "url": url,
    }


def incident_json(one: Incident, now: datetime) -> dict[str, Any]:
    """One incident, as `sluice incident list --json` and `GET /v1/incidents` give it; no `flags` are all flags."""
    return {
        "number": one.number,
        "flags": list(one.flags),
        "reason": one.reason,
        "by": one.by,
        "since": _iso(one.since),
        "until": _iso(one.over_at),
        "in_force": one.spans(now),
        "ended_by": one.ended_by or None,
        "ended_reason": one.ended_reason or None,
    }


def change_json(change: Change) -> dict[str, str]:
    """One difference that an amendment makes."""
    return {"place": change.place, "change": change.words, "effect": str(change.effect)}


def problem_json(problem: Problem) -> dict[str, Any]:
    """One problem of a plan, as `sluice validate --json` gives it."""
    return {
        "line": problem.line,
        "place": problem.place,
        "message": problem.message,
        "severity": str(problem.severity),
    }


def run_url(prefect_api: str | None, rollout: Rollout | Live) -> str | None:
    """Where a person sees the rollout's run in Prefect's UI; None until it has one."""
    if prefect_api is None or rollout.run_id is None:
        return None
    return f"{prefect_api.removesuffix('/').removesuffix('/api')}/runs/flow-run/{rollout.run_id}"


def _state_json(state: RolloutState) -> dict[str, Any]:
    return {
        "status": str(state.status),
        "phase": state.phase if state.phase >= 0 else None,
        "exposure": served_exposure(state) / 1000,
        "enabled": state.enabled and not state.killed,
        "settings": dict(state.settings),
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
