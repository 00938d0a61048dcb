"""The values of the pure core: what a rollout is, what is known of it, and what may happen to it.

Instants are aware UTC datetimes, exposure is in thousandths of a percent, phases are indices into `plan.phases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from plans.expressions import Duration
from plans.schema import Plan, Settings, Then
from rollout.incidents import Incident
from rollout.lists import Forced
from rollout.observing import Observation
from rollout.proposing import Proposal

NOT_STARTED = -1
FULL = 100_000


class Status(StrEnum):
    """Where a rollout stands."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    HELD = "held"
    REVERTED = "reverted"
    DISABLED = "disabled"
    COMPLETED = "completed"

    @property
    def live(self) -> bool:
        """Whether the rollout still holds its flag."""
        return self in LIVE


FALLEN = frozenset({Status.REVERTED, Status.DISABLED})
LIVE = frozenset({Status.SCHEDULED, Status.RUNNING, Status.AWAITING_APPROVAL, Status.HELD})


class Verb(StrEnum):
    """The kinds of transition; the commands of people use the same words."""

    START = "start"
    ADVANCE = "advance"
    ADJUST = "adjust"
    TUNE = "tune"
    KEEP = "keep"
    NOTE = "note"
    SET = "set"
    EXTEND = "extend"
    BACK = "back"
    HOLD = "hold"
    RESUME = "resume"
    DECIDE = "decide"
    AWAIT_APPROVAL = "await_approval"
    APPROVE = "approve"
    REVERT = "revert"
    DISABLE = "disable"
    ABORT = "abort"
    COMPLETE = "complete"
    ROLLBACK = "rollback"
    KILL = "kill"
    RESTORE = "restore"
    ALLOW = "allow"
    BLOCK = "block"
    UNLIST = "unlist"
    PROPOSE = "propose"
    AMEND = "amend"


class Cause(StrEnum):
    """Why a transition happened."""

    SCHEDULE = "schedule"
    CRITERION = "criterion"
    NO_DATA = "no_data"
    PERSON = "person"


class Verdict(StrEnum):
    """What a criterion's evidence says now."""

    BREACH = "breach"
    PASS = "pass"
    INSUFFICIENT = "insufficient"
    NO_DATA = "no_data"
    UNPROVEN = "unproven"
    INVALID = "invalid"


class Role(StrEnum):
    """What a finding is for: a stopping criterion, a branch of the confidence-threshold tree, or of an A/B decision.

    Of any role but `stop`, the verdict `breach` means that what the plan asked is established.
    """

    STOP = "stop"
    TUNE_WHEN = "tune_when"
    TUNE_KEEP = "tune_keep"
    TUNE_NOTE = "tune_note"
    SHIP = "ship"
    REVERT = "revert"
    ASK = "ask"


class Cohort(StrEnum):
    """The two groups that are compared; forced and unknown units belong to neither."""

    TREATMENT = "treatment"
    CONTROL = "control"


class Counts(NamedTuple):
    """Bad units of units at risk, x of a; of a metric that is a number, also the sum over units and that of squares."""

    bad: int = 0
    total: int = 0
    sum: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]  # counts are added, never strung together
        return Counts(
            self.bad + other.bad, self.total + other.total, self.sum + other.sum, self.squares + other.squares
        )

    @property
    def rate(self) -> float | None:
        """Bad over total; None where nothing was counted."""
        return self.bad / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What was counted in one closed bucket of one exposure epoch.

    `counts` is metric -> (treatment, control). `exposure` and `phase` were in force throughout, `settings_epoch` is the
    revision that last changed the candidate's settings.
    """

    start: datetime
    end: datetime
    epoch: int
    phase: int
    exposure: int
    settings_epoch: int
    counts: Mapping[str, tuple[Counts, Counts]]


class Finding(NamedTuple):
    """One criterion, or one condition of a tree or decision, at one look: the verdict with its arithmetic.

    `evidence` and `threshold` are the e-process and the level it must reach; `samples` is treatment units at risk since
    the phase began; `reason` says in words what the verdict rests on. `seen`, `tolerated` and `limit` are in the
    criterion's own terms: a ratio for `2x control`, a share for `85%`; None where nothing can be said. `low` and `high`
    are the ends of the interval of what is estimated by one. `place` is the tree's index in `plan.tune`, or that of the
    phase that decides; it means nothing to a stopping criterion, and `then` means something to those alone.
    """

    criterion: str
    then: Then
    verdict: Verdict
    reason: str
    treatment: Counts = Counts()
    control: Counts = Counts()
    evidence: float = 1.0
    threshold: float = 0.0
    samples: int = 0
    seen: float | None = None
    tolerated: float | None = None
    limit: float | None = None
    role: Role = Role.STOP
    place: int = 0
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Every criterion's finding in the plan's order, then those of its trees and decisions, as of `at`.

    `promise` and `settings_epoch` are the rollout's own when this was judged: findings from before a resume or a change
    of settings say nothing about the present (see `RolloutState`).
    """

    at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    promise: int = 0
    settings_epoch: int = 0

    @property
    def stops(self) -> tuple[Finding, ...]:
        """The findings of the stopping criteria alone."""
        return tuple([finding for finding in self.findings if finding.role is Role.STOP])

    def of(self, role: Role, place: int) -> Finding | None:
        """What was found for one branch of a tree or of a decision; None where it was not judged."""
        return next((found for found in self.findings if found.role is role and found.place == place), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person asked for.

    `revision` and `question` are what the person saw, None where they named neither; one that saw something else is
    stale. `args` holds the verb's own words: `settings`, `duration`, `phase`; `person` is proven, or None.
    """

    id: int
    verb: Verb
    by: str
    reason: str = ""
    at: datetime
    revision: int | None = None
    phase: int | None = None
    question: int | None = None
    args: Mapping[str, object] = field(default_factory=dict)
    person: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """One rollout as the store holds it.

    `entered` is when the present phase began, `since` when the present status did. `killed` is the flag's own switch,
    `flag_taken_by` the other live rollout on the flag, `incident` what was declared about it last and not ended: all
    three are read along and never written by a transition. `settings` are the candidate's in force. Three revisions
    date the evidence: `epoch` last changed what is served (no bucket straddles it), `settings_epoch` last changed the
    candidate's settings or overruled a hold (criteria that hold or notify count afresh from there), `promise` last
    resumed after a revert or disable (everything counts afresh). `seen_phases` is the number of different phases ever
    entered, `fell_from` the phase a revert or disable ended. `observation` is the raise that a tree is judging, if one
    is; `noted` are the trees whose note this promise has given. `decided` says that the A/B test of the present phase
    came out for shipping. `forced` are the units that people have put on a list. `requester` submitted it;
    `approved_by` have said yes to the question asked last. `digest` is that of the plan it runs by, `proposal` an
    amendment of it that waits.
    """

    name: str
    flag: str
    status: Status
    submitted: datetime
    since: datetime
    revision: int = 0
    phase: int = NOT_STARTED
    entered: datetime | None = None
    exposure: int = 0
    enabled: bool = True
    settings: Settings = field(default_factory=dict)
    adjusted: int = 0
    extension: Duration = Duration()
    hold_skipped: bool = False
    question: int = 0
    approved: bool = False
    approved_by: tuple[str, ...] = ()
    decided: bool = False
    reason: str = ""
    epoch: int = 0
    settings_epoch: int = 0
    promise: int = 0
    seen_phases: int = 0
    fell_from: int | None = None
    observation: Observation | None = None
    noted: tuple[int, ...] = ()
    forced: Forced = field(default_factory=dict)
    requester: str = ""
    digest: str = ""
    proposal: Proposal | None = None
    killed: bool = False
    flag_taken_by: str | None = None
    incident: Incident | None = None

    @property
    def watched(self) -> bool:
        """Whether the guard's findings may move it: started and not final, whatever it waits for."""
        return self.status.live and self.phase != NOT_STARTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step of a rollout's life as a value: what happened, why, by whom, and the state it leaves.

    `consumes` are the ids of the commands it carries out; `finding` is the criterion that caused it; `plan` is the one
    that the rollout runs by from here on, where that changes.
    """

    verb: Verb
    cause: Cause
    at: datetime
    by: str
    reason: str
    before: RolloutState
    after: RolloutState
    consumes: tuple[int, ...] = ()
    finding: Finding | None = None
    plan: Plan | None = None
