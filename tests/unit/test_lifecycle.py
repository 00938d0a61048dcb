"""docs/lifecycle.md tells the truth: its arrows are exactly those that the real `decide` can make."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plans.expressions import Duration
from plans.load import loads
from plans.schema import Plan, Then
from rollout.commands import ALLOWED
from rollout.decide import decide
from rollout.lists import Listed
from rollout.model import (
    NOT_STARTED,
    Command,
    Evidence,
    Finding,
    Role,
    RolloutState,
    Status,
    Transition,
    Verb,
    Verdict,
)
from rollout.moves import initial

Arrow = tuple[str, str, str, str]
Asking = Callable[[datetime], Iterator[Command]]

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"
SUBMITTED = datetime(2026, 3, 2, 9, tzinfo=UTC)
PLAN = loads("""
sluice: 1
name: every-arrow
flag: f
stable:    {model: v1, min_confidence: 0.7}
candidate: {model: v2, min_confidence: 0.7}
phases:
  - {name: alpha, expose: 1%, hold: 1d, approval: required, adjust: [{at: 1h, set: {min_confidence: 0.8}}]}
  - {name: beta, expose: 10%, hold: 1d, approval: required, decide: {ship: e < control, revert: e > control}}
  - {name: ga, expose: 100%, hold: 1d}
metrics:
  e: {source: events, bad: bad, of: all}
  s: {source: events, bad: silent, of: all}
  h: {source: events, bad: worry, of: all}
  d: {source: events, bad: harm, of: all}
stop:
  criteria:
    - e > 2x control
    - {when: s > 2x control, on_no_data: revert}
    - {when: h > 2x control, then: hold}
    - {when: d > 2x control, then: disable}
tune:
  - {metric: e, when: "> 10%", raise: {min_confidence: 0.1}, observe: 1h, keep_if: "< 5%", note_if: "< 5%"}
""")


VOTED = loads("""
sluice: 1
name: every-vote
flag: f
stable:    {model: v1}
candidate: {model: v2}
phases:
  - {name: alpha, expose: 1%, hold: 1d, approval: {required: true, expires: 20d}}
  - {name: beta, expose: 10%, hold: 1d, approval: {required: true, expires: 20d, then: abort}}
  - {name: ga, expose: 100%, hold: 1d}
approvals: 2
metrics: {e: {source: events, bad: bad, of: all}}
stop: {criteria: [e > 2x control]}
""")
"""A plan that is approved by two people, each of them a step, and whose questions lapse."""
PEOPLE = ("pm", "lead")


def _edited(word: str, value: str, plan: Plan = PLAN) -> dict[str, object]:
    """The words of a command that amends the plan: one setting of `stop` changed."""
    stop = plan.stop.model_copy(update={word: Duration.parse(value)})
    return {"digest": value, "plan": plan.model_copy(update={"stop": stop})}


TREE = (Role.TUNE_WHEN, Role.TUNE_KEEP, Role.TUNE_NOTE)
TEST = (Role.SHIP, Role.REVERT)
ARGUMENTS: dict[Verb, list[dict[str, object]]] = {
    Verb.SET: [{"settings": {"min_confidence": 0.9}}],
    Verb.EXTEND: [{"duration": "2d"}],
    Verb.BACK: [{"phase": "alpha"}, {"phase": "beta"}],
    Verb.RESUME: [{}, {"phase": "alpha"}],
    Verb.ALLOW: [{"unit": "u-1"}],
    Verb.BLOCK: [{"unit": "u-1"}],
    Verb.UNLIST: [{"unit": "u-1"}],
    Verb.AMEND: [_edited("check_every", "1m"), _edited("check_every", "10m")],
}


def test_lifecycle_page_lists_exactly_the_arrows_that_happen() -> None:
    """The table of arrows equals what `decide` does, driven through every reachable state by every cause."""
    assert _written() == _driven(PLAN, _commands) | _driven(VOTED, _votes)


def test_lifecycle_picture_shows_the_arrows_of_the_table() -> None:
    """The diagram and the table on the same page agree, up to arrows that the diagram leaves out as loops."""
    drawn = {
        (before, verb.strip(), after)
        for before, after, verbs in re.findall(r"^ +(\w+) --> (\w+): (.+)$", _text(), re.MULTILINE)
        for verb in verbs.split(",")
    }
    moves = {(before, verb, after) for before, verb, after, _ in _written() if before != after or before == "running"}
    assert moves == drawn


def _text() -> str:
    return PAGE.read_text(encoding="utf-8")


def _written() -> set[Arrow]:
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \| ([\w, ]+) \|$", _text(), re.MULTILINE)
    return {
        (before, verb, after, cause.strip())
        for before, verb, after, causes in rows
        if before in set(Status)
        for cause in causes.split(",")
    }


def _driven(plan: Plan, commands: Asking) -> set[Arrow]:
    """Follow every transition from submission on; states that differ in nothing that matters are visited once."""
    arrows: set[Arrow] = set()
    seen: set[object] = set()
    waiting = [initial(plan, SUBMITTED)]
    while waiting:
        state = waiting.pop()
        if _essence(state) in seen:
            continue
        seen.add(_essence(state))
        for transition in _transitions(plan, state, commands):
            arrows.add((state.status, transition.verb, transition.after.status, transition.cause))
            waiting.append(transition.after)
    return arrows


def _essence(state: RolloutState) -> object:
    tree = (state.observation is not None, state.noted, tuple(state.settings.values()))
    test = (state.decided, state.approved)
    yes = (state.approved_by, state.proposal and state.proposal.approved_by) if state.name == VOTED.name else ()
    return state.status, state.phase, state.adjusted, state.hold_skipped, state.fell_from, tree, test, yes


def _transitions(plan: Plan, state: RolloutState, commands: Asking) -> Iterator[Transition]:
    """What each single cause does to a state, early in the phase and long after its hold or a raise."""
    raised = state.observation.since if state.observation else state.since
    began = max(state.since, state.entered or state.since, raised)
    for now in (began, began + timedelta(days=30)):
        quiet = _evidence(plan, state, now, {})
        causes = [(quiet, ()), *((quiet, (command,)) for command in commands(now))]
        causes += [(_evidence(plan, state, now, {text: verdict}), ()) for text, verdict in _alarms(plan, state)]
        for role, verdict in _branches(plan, state):
            found = _evidence(plan, state, now, {role: verdict})
            causes += [(found, ()), *((found, (command,)) for command in commands(now) if role in TEST)]
        for evidence, asked in causes:
            if transition := decide(plan, _listing(state, asked), evidence, asked, now):
                yield transition


def _listing(state: RolloutState, commands: tuple[Command, ...]) -> RolloutState:
    """The state with a unit on a list where somebody wants it off: lists change nothing else that may happen."""
    listed = any(command.verb is Verb.UNLIST for command in commands)
    return replace(state, forced={"u-1": Listed.ALLOW}) if listed else state


def _commands(now: datetime) -> Iterator[Command]:
    for verb in ALLOWED:
        for args in ARGUMENTS.get(verb, [{}]):
            yield Command(id=1, verb=verb, by="pm", reason="because", at=now, args=args)


def _votes(now: datetime) -> Iterator[Command]:
    """What two people may ask of a rollout that needs both of them."""
    looser = _edited("check_every", "10m", VOTED)
    asks: list[tuple[Verb, dict[str, object]]] = [(Verb.APPROVE, {}), (Verb.HOLD, {}), (Verb.RESUME, {})]
    for verb, args in (*asks, (Verb.AMEND, looser), (Verb.AMEND, looser | {"approves": True})):
        for person in PEOPLE:
            yield Command(id=1, verb=verb, by=person, reason="because", at=now, args=args, person=person)


def _alarms(plan: Plan, state: RolloutState) -> Iterator[tuple[str, Verdict]]:
    """What a criterion may say: nothing before the start, because nothing has been counted yet."""
    for criterion in plan.stop.criteria if state.phase > NOT_STARTED else ():
        yield criterion.text, Verdict.BREACH
        yield criterion.text, Verdict.NO_DATA


def _branches(plan: Plan, state: RolloutState) -> Iterator[tuple[Role, Verdict]]:
    """What the tree and the test may establish, or find to be worth nothing."""
    for role in (*TREE, *TEST) if plan.tune and state.phase > NOT_STARTED else ():
        yield role, Verdict.BREACH
        yield role, Verdict.INVALID


def _evidence(plan: Plan, state: RolloutState, now: datetime, verdicts: dict[str, Verdict]) -> Evidence:
    branches = tuple(
        Finding(
            criterion="e > 10%",
            then=Then.NOTIFY,
            verdict=verdicts.get(role, Verdict.INSUFFICIENT),
            reason=f"{role}: told so",
            role=role,
            place=place,
        )
        for roles, place in ((TREE, 0), (TEST, 1))
        for role in roles
    )
    findings = tuple(
        Finding(
            criterion=criterion.text,
            then=criterion.then,
            verdict=verdicts.get(criterion.text, Verdict.PASS),
            reason=f"{criterion.text}: told so",
            samples=1000,
        )
        for criterion in plan.stop.criteria
    )
    return Evidence(at=now, findings=(*findings, *branches), promise=state.promise, settings_epoch=state.settings_epoch)
