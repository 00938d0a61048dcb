"""Rows to values and back: the only place that knows both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from operator import methodcaller
from typing import Any

import orjson
from pydantic import JsonValue, TypeAdapter

from plans.expressions import Duration
from plans.schema import Plan, Settings
from rollout.exposure import Flag
from rollout.incidents import Incident
from rollout.lists import forced
from rollout.model import Cause, Command, Evidence, Finding, RolloutState, Status, Verb
from rollout.observing import Observation
from rollout.proposing import Proposal
from state.sealing import Head
from state.tables import Switch

READ_ALONG = frozenset({"killed", "flag_taken_by", "incident"})
STATE_COLUMNS = tuple(field.name for field in fields(RolloutState) if field.name not in READ_ALONG)

_state: TypeAdapter[RolloutState] = TypeAdapter(RolloutState)
_evidence: TypeAdapter[Evidence] = TypeAdapter(Evidence)
_finding: TypeAdapter[Finding] = TypeAdapter(Finding)
_observation: TypeAdapter[Observation] = TypeAdapter(Observation)
_proposal: TypeAdapter[Proposal] = TypeAdapter(Proposal)
_flag: TypeAdapter[Flag] = TypeAdapter(Flag)

_STATUSES = {str(status): status for status in Status}

Row = Any  # a SQLAlchemy row: attributes by column name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One rollout with everything a pass needs: plan, state, and the evidence under its version."""

    id: int
    plan: Plan
    plan_text: str
    shape: str
    state: RolloutState
    evidence: Evidence
    memory: str | None
    evidence_version: int
    due_at: datetime | None
    settled_at: datetime | None
    looked_at: datetime | None
    run_id: str | None
    submitted_by: str
    incidents: tuple[Incident, ...] = ()  # about its flag, and not over when it was submitted; oldest first

    @property
    def name(self) -> str:
        """The rollout's name."""
        return self.state.name

    @property
    def digest(self) -> str:
        """That of the plan it runs by."""
        return self.state.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A rollout as a sweep reads it: no plan, no parsed findings.

    `shape` is equal for plans that are judged alike; `verdicts` are those of the last look in the plan's order, joined
    by commas; `findings` is the JSON of that evidence, `check_every` is in seconds; `incidents` as in `Rollout`.
    """

    id: int
    shape: str
    state: RolloutState
    memory: str | None
    evidence_version: int
    verdicts: str
    findings: str
    looked_at: datetime | None
    due_at: datetime | None
    settled_at: datetime | None
    check_every: float
    run_id: str | None
    incidents: tuple[Incident, ...] = ()

    @property
    def name(self) -> str:
        """The rollout's name."""
        return self.state.name

    @property
    def digest(self) -> str:
        """That of the plan it runs by."""
        return self.state.digest

    @property
    def evidence(self) -> Evidence:
        """The findings of the last look, parsed now."""
        return evidence(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of a rollout's journal; `process` is the part of Sluice that committed it."""

    rollout: str
    revision: int
    at: datetime
    verb: Verb
    cause: Cause
    by: str
    reason: str
    before: RolloutState
    after: RolloutState
    evidence: Evidence
    finding: Finding | None
    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagEntry:
    """One version of a flag; `verb` is None for the submit that took it, `flag` is what was served from `at` on."""

    at: datetime
    version: int
    verb: Verb | None
    by: str
    reason: str
    rollout: str | None
    revision: int | None
    flag: Flag
    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notice still to be told: what happened (`event`), the line that says it, and the `head` of the journals."""

    id: int
    rollout: str
    revision: int
    event: str
    title: str
    body: str
    at: datetime
    flag: str = ""
    run_id: str | None = None
    head: str = ""


def notification(row: Any, head: Head) -> Notification:
    """A row of the outbox with its rollout's name, flag and run, and the head of the journals as it is sent."""
    return Notification(
        id=row.id,
        rollout=row.name,
        revision=row.revision,
        event=row.event,
        title=row.title,
        body=f"{row.body}\njournal head {head}".strip(),
        at=row.at,
        flag=row.flag,
        run_id=row.run_id,
        head=str(head),
    )


def state_columns(state: RolloutState) -> dict[str, Any]:
    """The columns of a state; what is only read along is left out."""
    columns = {name: getattr(state, name) for name in STATE_COLUMNS}
    return columns | {
        "status": str(state.status),
        "settings": settings_json(state.settings),
        "extension": state.extension.text,
        "observation": state.observation and _observation.dump_json(state.observation).decode(),
        "noted": ",".join(map(str, state.noted)),
        "proposal": state.proposal and _proposal.dump_json(state.proposal).decode(),
        "forced": orjson.dumps(state.forced).decode(),
        "approved_by": orjson.dumps(state.approved_by).decode(),
    }


def state(
    values: Iterable[Any], *, killed: bool, flag_taken_by: str | None = None, incident: Incident | None = None
) -> RolloutState:
    """The state that a row holds, whose first columns are STATE_COLUMNS in their order."""
    columns: dict[str, Any] = dict(zip(STATE_COLUMNS, values, strict=False))
    columns["status"] = _STATUSES[columns["status"]]
    columns["settings"] = orjson.loads(columns["settings"])
    columns["extension"] = _duration(columns["extension"])
    columns["observation"] = columns["observation"] and _observation.validate_json(columns["observation"])
    columns["noted"] = _places(columns["noted"])
    columns["proposal"] = columns["proposal"] and _proposal.validate_json(columns["proposal"])
    columns["forced"] = forced(orjson.loads(columns["forced"]))
    columns["approved_by"] = tuple(orjson.loads(columns["approved_by"]))
    return RolloutState(**columns, killed=killed, flag_taken_by=flag_taken_by, incident=incident)


def state_json(state: RolloutState) -> str:
    """A whole state, as the journal keeps it."""
    return _state.dump_json(state).decode()


def state_from_json(text: str) -> RolloutState:
    """Inverse of `state_json`."""
    return _state.validate_json(text)


def evidence_json(evidence: Evidence) -> str:
    """All findings with their arithmetic."""
    return orjson.dumps(evidence, default=_named).decode()


def evidence(text: str) -> Evidence:
    """Inverse of `evidence_json`."""
    return _evidence.validate_json(text)


def verdicts(findings: Iterable[Finding]) -> str:
    """The verdicts alone, to see at a glance whether a look changed any."""
    return ",".join(finding.verdict for finding in findings)


def finding_json(finding: Finding | None) -> str | None:
    """The criterion that caused a transition, if one did."""
    return None if finding is None else orjson.dumps(finding, default=_named).decode()


def flag_json(flag: Flag) -> str:
    """What a flag serves but for its switch, which has columns of its own."""
    return _flag.dump_json(replace(flag, version=0)).decode()


def flag(row: Row) -> Flag:
    """What is served: enabled where the switch and the rollout both say so."""
    value = _flag.validate_json(row.value)
    return replace(value, enabled=value.enabled and row.switch == Switch.ON, version=row.version)


def settings_json(settings: Settings | None) -> str:
    """Settings as canonical JSON; null where a flag has nothing before its candidate."""
    return orjson.dumps(None if settings is None else dict(settings), option=orjson.OPT_SORT_KEYS).decode()


def journal_entry(name: str, row: Row) -> JournalEntry:
    """A row of the journal as a value."""
    return JournalEntry(
        rollout=name,
        revision=row.revision,
        at=row.at,
        verb=Verb(row.verb),
        cause=Cause(row.cause),
        by=row.by,
        reason=row.reason,
        before=state_from_json(row.before),
        after=state_from_json(row.after),
        evidence=evidence(row.evidence),
        finding=None if row.finding is None else _finding.validate_json(row.finding),
        process=row.process,
    )


def command(row: Row) -> Command:
    """A command as the core reads it."""
    return Command(
        id=row.id,
        verb=Verb(row.verb),
        by=row.by,
        reason=row.reason,
        at=row.at,
        revision=row.revision,
        phase=row.phase,
        question=row.question,
        args=orjson.loads(row.args),
        person=row.person,
    )


def args_json(args: Mapping[str, JsonValue]) -> str:
    """The words of a command."""
    return orjson.dumps(dict(args)).decode()


_named = methodcaller("_asdict")  # tuples with their names: the journal is read without this program, too
_duration = lru_cache(maxsize=1024)(Duration.parse)


@lru_cache(maxsize=1024)
def _places(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
