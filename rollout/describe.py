"""Words and numbers for people: state names, effects and the JSON shapes that commands and HTTP share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from plans.approval import demanding
from plans.branches import branches
from plans.hours import told as expectations
from plans.kits import taken
from plans.schema import Plan, Settings
from plans.timeline import Step, local
from rollout import approving, lists
from rollout.blocks import blocks
from rollout.exposure import declared_stable
from rollout.findings import silence
from rollout.incidents import Incident, in_force
from rollout.model import FALLEN, FULL, Counts, Evidence, Finding, RolloutState, Status, Verb
from rollout.obstacles import Block, Code, holding
from rollout.proposing import shown
from rollout.schedule import due
from rollout.tuning import observation_blocks

WAITING = frozenset({Code.NO_DATA, Code.UNPROVEN, Code.MIN_SAMPLES, Code.NOT_PASSED, Code.STALE_EVIDENCE, Code.INVALID})


def percent(exposure: int) -> str:
    """Thousandths of a percent as people write it: `10 %`, `0.5 %`."""
    return f"{exposure / 1000:g} %"


def title(name: str) -> str:
    """A phase's name as a heading: `ga` is General availability."""
    return "General availability" if name == "ga" else name.replace("-", " ").replace("_", " ").capitalize()


def model(settings: Settings | None) -> str:
    """What to call a set of settings: its model where it names one."""
    if settings is None:
        return "no feature"
    return str(settings.get("model", "the stable settings"))


def state_name(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> str:
    """The rollout in one line a PM can read: `Beta · 10 % · until Tue 8 Dec 09:00`."""
    match state.status:
        case Status.SCHEDULED:
            return _scheduled_name(plan, state, now)
        case Status.AWAITING_APPROVAL:
            leaving, entering = plan.phases[state.phase].name, plan.phases[state.phase + 1].name
            count = f" ({approving.tally(plan, state.approved_by)})" if plan.approvals > 1 else ""
            return f"Waiting for approval: {title(leaving)} → {title(entering)}{count}"
        case Status.RUNNING:
            return _running_name(plan, state, evidence, now)
        case Status.COMPLETED:
            return "General availability"
        case _:
            return f"{title(state.status)}: {state.reason}"


def effect(plan: Plan, before: RolloutState, after: RolloutState) -> str:
    """What a transition does to people, in words and numbers: `2,000 users go back to v2.3`."""
    old, new = served_exposure(before), served_exposure(after)
    if after.status is Status.DISABLED or (after.killed and not before.killed):
        return f"{plan.flag} is off for everyone; {many(plan, old)} had {model(before.settings)}"
    if after.status is Status.COMPLETED:
        return f"{model(after.settings)} is the new stable for everyone; {many(plan, FULL)} have it"
    if new < old:
        return f"{many(plan, old - new)} go back to {model(declared_stable(plan))}"
    if new > old:
        return f"{many(plan, new - old)} more get {model(after.settings)} ({percent(new)})"
    if after.settings != before.settings:
        return f"{many(plan, new)} get {_changes(before.settings, after.settings)}"
    if waiting := _waiting(plan, before, after):
        return waiting
    if after.digest != before.digest:
        return f"the plan is amended; nobody's variant changes by that, {many(plan, new)} have {model(after.settings)}"
    if listed := lists.effect(before.forced, after.forced):
        return listed
    return f"nobody's variant changes; {many(plan, new)} have {model(after.settings)}"


def _waiting(plan: Plan, before: RolloutState, after: RolloutState) -> str:
    """What a transition leaves to other people's yes; empty where that is not what it does."""
    if after.question == before.question and len(after.approved_by) > len(before.approved_by) and not after.approved:
        return approving.progress(plan, approving.question(after))
    if after.proposal is None or after.proposal == before.proposal:
        return ""
    still = f"nothing yet: amendment {after.proposal.digest[:12]} waits for an approval"
    return f"{still}; {approving.progress(plan, approving.amendment(after))}" if demanding(plan) else still


def served_exposure(state: RolloutState) -> int:
    """Exposure as applications see it: zero where the flag is off."""
    return state.exposure if state.enabled and not state.killed else 0


def takes_up(verb: Verb, before: RolloutState) -> int | None:
    """The revision of the revert or disable that a resume takes up again; None of any other transition."""
    return before.revision if verb is Verb.RESUME and before.status in FALLEN else None


def preview_json(plan: Plan, steps: Sequence[Step], warnings: Sequence[str]) -> dict[str, Any]:
    """The dated timeline as `sluice preview --json` prints it."""
    return {
        "name": plan.name,
        "steps": [
            {
                "at": _iso(step.at),
                "local": step.local,
                "what": str(step.what),
                "phase": step.phase,
                "exposure": step.exposure / 1000,
                "settings": dict(step.settings),
            }
            for step in steps
        ],
        "uses": [asdict(one) for one in taken(plan)],
        "branches": [asdict(branch) for branch in branches(plan)],
        "expects": expectations(plan),
        "warnings": list(warnings),
    }


def status_json(
    plan: Plan,
    state: RolloutState,
    evidence: Evidence,
    now: datetime,
    *,
    environment: str,
    prefect_url: str | None,
) -> dict[str, Any]:
    """A rollout as `sluice status --json` and `GET /v1/rollouts/{name}` give it; exposure in percent."""
    return {
        "name": state.name,
        "flag": state.flag,
        "status": str(state.status),
        **_standing(plan, state),
        "since": _iso(state.since),
        "next": _next_json(plan, state, now),
        "blocked_by": [block_json(block) for block in blocks(plan, state, evidence, now)],
        "environment": environment,
        "criteria": [finding_json(finding) for finding in evidence.findings],
        "prefect_url": prefect_url,
        "summary": state_name(plan, state, evidence, now),
        "owner": plan.owner,
    }


def _standing(plan: Plan, state: RolloutState) -> dict[str, Any]:
    return {
        "phase": plan.phases[state.phase].name if state.phase >= 0 else None,
        "exposure": served_exposure(state) / 1000,
        "settings": dict(state.settings),
        "revision": state.revision,
        "digest": state.digest,
        "proposal": _proposal_json(plan, state),
        "question": state.question if state.status is Status.AWAITING_APPROVAL else None,
        "approval": approving.question_json(plan, state),
    }


def _proposal_json(plan: Plan, state: RolloutState) -> dict[str, Any] | None:
    if state.proposal is None:
        return None
    return shown(state.proposal) | approving.ballot_json(plan, approving.amendment(state))


def _next_json(plan: Plan, state: RolloutState, now: datetime) -> dict[str, str] | None:
    step = due(plan, state, now)
    return {"what": str(step.what), "at": _iso(step.at)} if step else None


def block_json(block: Block) -> dict[str, str]:
    """One entry of `blocked_by`."""
    return {"code": str(block.code), "text": block.text, "clears": block.clears}


def finding_json(finding: Finding) -> dict[str, Any]:
    """One entry of `criteria`: the verdict with its arithmetic."""
    return {
        "criterion": finding.criterion,
        "then": str(finding.then),
        "verdict": str(finding.verdict),
        "reason": finding.reason,
        "treatment": _counts_json(finding.treatment),
        "control": _counts_json(finding.control),
        "evidence": finding.evidence,
        "threshold": finding.threshold,
        "samples": finding.samples,
        "seen": finding.seen,
        "tolerated": finding.tolerated,
        "limit": finding.limit,
        "role": str(finding.role),
        "low": finding.low,
        "high": finding.high,
    }


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {"bad": counts.bad, "of": counts.total, "rate": counts.rate}


def _scheduled_name(plan: Plan, state: RolloutState, now: datetime) -> str:
    if declared := in_force(state.incident, now):
        return f"Scheduled · {_incident_name(plan, declared)}"
    step = due(plan, state, now)
    return f"Scheduled · starts {local(plan, step.at)}" if step else "Scheduled"


def _incident_name(plan: Plan, declared: Incident) -> str:
    return f"incident: no growth until {local(plan, declared.over_at)}"


def _running_name(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime) -> str:
    lead = f"{title(plan.phases[state.phase].name)} · {percent(state.exposure)}"
    if state.killed:
        return f"{lead} · killed"
    if declared := in_force(state.incident, now):
        return f"{lead} · {_incident_name(plan, declared)}"
    if observing := next(observation_blocks(plan, state), None):
        return f"{lead} · {observing.text}"
    if missing := next(holding(plan, state, evidence), None):
        return f"Held: {silence(plan, missing)}"
    step = due(plan, state, now)
    if step is None or step.at > now:
        return f"{lead} · until {local(plan, step.at)}" if step else lead
    waiting = [block for block in blocks(plan, state, evidence, now) if block.code in WAITING]
    return f"{lead} · waiting: {waiting[0].text}" if waiting else f"{lead} · due {local(plan, step.at)}"


def many(plan: Plan, exposure: int) -> str:
    """A share of the audience in numbers: `2,000 users`; in percent where its size is not given."""
    unit = "user" if plan.audience.unit == "user" else plan.audience.unit
    if plan.audience.size is None:
        return f"{percent(exposure)} of {unit}s"
    count = round(plan.audience.size * exposure / FULL)
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def _changes(before: Settings, after: Settings) -> str:
    return ", ".join(f"{key} {before.get(key)} → {value}" for key, value in after.items() if before.get(key) != value)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
