"""What people may do to a rollout: why a command is refused, and the transition that carries it out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from plans.expressions import Duration
from plans.schema import Plan, Settings, Then
from plans.settings import changes
from plans.timeline import local, next_open
from rollout import amending, approving, lists, moves
from rollout.deciding import decision_blocks, settled_by_test
from rollout.model import (
    FALLEN,
    LIVE,
    NOT_STARTED,
    Cause,
    Command,
    Evidence,
    RolloutState,
    Status,
    Transition,
    Verb,
    Verdict,
)
from rollout.moves import Why
from rollout.obstacles import criteria_blocks, current, incident_words, stale
from rollout.schedule import next_step, take_step
from rollout.tuning import observation_blocks

Check = Callable[[Plan, RolloutState, Evidence, Command, datetime], str | None]

ON = frozenset({Status.RUNNING, Status.AWAITING_APPROVAL, Status.HELD})
ALLOWED: dict[Verb, frozenset[Status]] = {
    Verb.APPROVE: frozenset({Status.AWAITING_APPROVAL}),
    Verb.ABORT: ON | {Status.SCHEDULED},
    Verb.HOLD: frozenset({Status.SCHEDULED, Status.RUNNING, Status.AWAITING_APPROVAL}),
    Verb.RESUME: FALLEN | {Status.HELD},
    Verb.SET: ON | {Status.SCHEDULED},
    Verb.ADVANCE: frozenset({Status.RUNNING}),
    Verb.EXTEND: ON,
    Verb.BACK: ON,
    Verb.ROLLBACK: frozenset({Status.COMPLETED}),
    Verb.ALLOW: LIVE,
    Verb.BLOCK: LIVE,
    Verb.UNLIST: LIVE,
    Verb.AMEND: LIVE,
}
IF_OVER = "if it is over, end it: sluice incident end"


def refusal(plan: Plan, state: RolloutState, evidence: Evidence, command: Command, now: datetime) -> str | None:
    """Why the command cannot be carried out on what is true now, with the remedy; None where it can."""
    allowed = ALLOWED.get(command.verb)
    if allowed is None:
        return f"{command.verb} is not something a person asks of a rollout; known: {', '.join(ALLOWED)}"
    if command.revision is not None and command.revision != state.revision:
        return f"stale: you saw revision {command.revision}, {state.name} is at {state.revision}; look again"
    if state.status not in allowed:
        where = ", ".join(sorted(allowed))
        return f"{state.name} is {state.status}; {command.verb} is for a rollout that is {where}"
    check = CHECKS.get(command.verb)
    return check(plan, state, evidence, command, now) if check else None


def carry_out(plan: Plan, state: RolloutState, evidence: Evidence, command: Command, now: datetime) -> Transition:
    """The transition of a command that `refusal` lets through."""
    reason = command.reason or f"{command.verb} by {command.by}"
    why = Why(cause=Cause.PERSON, by=command.by, reason=reason, consumes=(command.id,))
    match command.verb:
        case Verb.APPROVE:
            return _approve(plan, state, command, now, why)
        case Verb.HOLD:
            return moves.hold(state, now, why)
        case Verb.RESUME:
            return _resume(plan, state, evidence, command, now, why)
        case Verb.SET:
            return moves.change_settings(Verb.SET, state, _settings(command), now, why)
        case Verb.ADVANCE:
            return _advance(plan, state, evidence, now, why)
        case Verb.EXTEND:
            return moves.extend(state, Duration.parse(_text(command, "duration")), now, why)
        case Verb.BACK:
            return _back(plan, state, _phase(plan, _text(command, "phase")), now, why)
        case Verb.ALLOW | Verb.BLOCK | Verb.UNLIST:
            return moves.put_on_list(command.verb, state, _text(command, "unit"), now, why)
        case Verb.AMEND:
            return amending.amend(plan, state, command, now, why)
        case verb:
            return moves.fall(verb, state, now, why)


def _approve(plan: Plan, state: RolloutState, command: Command, now: datetime, why: Why) -> Transition:
    given = approving.with_yes(approving.question(state), command)
    why = approving.counted(plan, given, why)
    if approving.enough(plan, given):
        return moves.approve(state, now, why, given)
    return moves.count_yes(state, now, why, approved_by=given)


def _advance(plan: Plan, state: RolloutState, evidence: Evidence, now: datetime, why: Why) -> Transition:
    """The next step without the rest of the hold; a test is judged on what is known now, which is valid at any time."""
    if next_step(plan, state) is Verb.DECIDE:
        return settled_by_test(plan, state, evidence, now, why, hold_skipped=True)
    return take_step(plan, state, now, why, hold_skipped=True)


def _back(plan: Plan, state: RolloutState, phase: int, now: datetime, why: Why) -> Transition:
    kept = {"status": Status.HELD, "reason": state.reason} if state.status is Status.HELD else {}
    return moves.enter(Verb.BACK, plan, state, phase, now, why, **kept)


def _resume(
    plan: Plan, state: RolloutState, evidence: Evidence, command: Command, now: datetime, why: Why
) -> Transition:
    if state.status is Status.HELD:
        return _release(plan, state, evidence, command, now, why)
    return moves.get_up(plan, state, _resume_phase(plan, state, command), now, why)


def _release(
    plan: Plan, state: RolloutState, evidence: Evidence, command: Command, now: datetime, why: Why
) -> Transition:
    overrules = bool(_overruled(state, evidence))
    phase = _resume_phase(plan, state, command)
    if phase == state.phase:
        return moves.release(state, now, why, overrules=overrules)
    epoch = {"settings_epoch": state.revision + 1} if overrules else {}
    return moves.enter(Verb.RESUME, plan, state, phase, now, why, **epoch)


def _refuse_approve(plan: Plan, state: RolloutState, _e: Evidence, command: Command, _n: datetime) -> str | None:
    seen = (command.phase, command.question)
    asked = (state.phase, state.question)
    if all(saw is None or saw == now for saw, now in zip(seen, asked, strict=True)):
        late = approving.late(plan, state, command.at)
        return late or approving.objection(plan, approving.question(state), command.person)
    return f"stale: your answer is to question {command.question}, {state.name} now asks question {state.question}"


def _refuse_resume(plan: Plan, state: RolloutState, evidence: Evidence, command: Command, now: datetime) -> str | None:
    fallen = state.status in FALLEN
    if fallen and state.flag_taken_by:
        return f"flag {state.flag} is held by the live rollout {state.flag_taken_by}; end that one first"
    if not command.reason and (fallen or _overruled(state, evidence)):
        return "give a reason: this overrules what the evidence decided"
    at = command.args.get("phase")
    if at is not None and _named(plan, str(at)) is None:
        return _unknown_phase(plan, str(at))
    declared = incident_words(plan, state, now)
    if declared and fallen and _resume_phase(plan, state, command) != NOT_STARTED:
        return f"{declared}; {IF_OVER}"
    highest = state.fell_from if fallen else state.phase
    if at is not None and _phase(plan, str(at)) > (NOT_STARTED if highest is None else highest):
        return f"{at} is above the phase it stopped in; resume there or below and let the plan raise it"
    return None


def _refuse_set(_p: Plan, state: RolloutState, _e: Evidence, command: Command, _n: datetime) -> str | None:
    settings = _settings(command)
    if not settings:
        return "name at least one setting, for example min_confidence=0.8"
    return next((f"{key}: {message}" for key, message in changes(state.settings, settings)), None)


def _refuse_advance(plan: Plan, state: RolloutState, evidence: Evidence, _c: Command, now: datetime) -> str | None:
    if state.killed:
        return f"flag {state.flag} is killed; restore it first"
    if observing := next(observation_blocks(plan, state), None):
        return observing.text
    step = next_step(plan, state)
    if step is Verb.AWAIT_APPROVAL:
        return None
    if stale(plan, evidence, now):
        return "the criteria have not been judged lately; wait for the guard's next look"
    if step is Verb.DECIDE:
        return next((block.text for block in decision_blocks(plan, state, evidence)), None)
    if declared := incident_words(plan, state, now):
        return f"{declared}; {IF_OVER}"
    if objection := next(criteria_blocks(plan, state, evidence), None):
        return f"blocked by {objection.code}: {objection.text}"
    opens = next_open(plan, now)
    return f"outside the window; exposure may grow from {local(plan, opens)}" if opens > now else None


def _refuse_extend(_p: Plan, state: RolloutState, _e: Evidence, command: Command, _n: datetime) -> str | None:
    if not state.watched:
        return f"{state.name} has not started; there is no hold to extend"
    try:
        Duration.parse(_text(command, "duration"))
    except ValueError as error:
        return str(error)
    return None


def _refuse_back(plan: Plan, state: RolloutState, _e: Evidence, command: Command, _n: datetime) -> str | None:
    name = _text(command, "phase")
    if not state.watched:
        return f"{state.name} has not started; there is no phase to go back from"
    if _named(plan, name) is None:
        return _unknown_phase(plan, name)
    if _phase(plan, name) >= state.phase:
        return f"{name} is not below {plan.phases[state.phase].name}; back only lowers exposure"
    return None


def _refuse_rollback(_p: Plan, state: RolloutState, _e: Evidence, _c: Command, _n: datetime) -> str | None:
    if state.flag_taken_by:
        return f"flag {state.flag} is held by the live rollout {state.flag_taken_by}; abort that one instead"
    return None


def _refuse_list(_p: Plan, state: RolloutState, _e: Evidence, command: Command, _n: datetime) -> str | None:
    return lists.objection(state.forced, _text(command, "unit"), moves.LISTS[command.verb], command.reason)


def _refuse_amend(plan: Plan, state: RolloutState, evidence: Evidence, command: Command, _n: datetime) -> str | None:
    return amending.objection(plan, state, evidence, command)


CHECKS: dict[Verb, Check] = {
    Verb.APPROVE: _refuse_approve,
    Verb.RESUME: _refuse_resume,
    Verb.SET: _refuse_set,
    Verb.ADVANCE: _refuse_advance,
    Verb.EXTEND: _refuse_extend,
    Verb.BACK: _refuse_back,
    Verb.ROLLBACK: _refuse_rollback,
    Verb.ALLOW: _refuse_list,
    Verb.BLOCK: _refuse_list,
    Verb.UNLIST: _refuse_list,
    Verb.AMEND: _refuse_amend,
}


def _overruled(state: RolloutState, evidence: Evidence) -> tuple[str, ...]:
    """The breaches that a resume of this hold overrules."""
    return tuple(
        finding.criterion
        for finding in evidence.stops
        if finding.then is Then.HOLD and finding.verdict is Verdict.BREACH and current(finding, state, evidence)
    )


def _resume_phase(plan: Plan, state: RolloutState, command: Command) -> int:
    if "phase" in command.args:
        return _phase(plan, _text(command, "phase"))
    if state.status is Status.HELD or state.fell_from is None:
        return state.phase
    return state.fell_from


def _phase(plan: Plan, name: str) -> int:
    return next(index for index, phase in enumerate(plan.phases) if phase.name == name)


def _named(plan: Plan, name: str) -> str | None:
    return next((phase.name for phase in plan.phases if phase.name == name), None)


def _unknown_phase(plan: Plan, name: str) -> str:
    return f"unknown phase {name!r}; {plan.name} has {', '.join(phase.name for phase in plan.phases)}"


def _settings(command: Command) -> Settings:
    settings = command.args.get("settings", {})
    return settings if isinstance(settings, dict) else {}


def _text(command: Command, key: str) -> str:
    return str(command.args.get(key, ""))
