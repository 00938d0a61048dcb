"""docs/lifecycle.md tells the truth: its arrows are exactly those that the real `decide` can make."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plans.load import loads
from rollout.commands import ALLOWED
from rollout.decide import decide
from rollout.model import (
    NOT_STARTED,
    Command,
    Evidence,
    Finding,
    RolloutState,
    Status,
    Transition,
    Verb,
    Verdict,
)
from rollout.moves import initial

Arrow = tuple[str, str, str, str]

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
  - {name: beta, expose: 10%, hold: 1d, approval: required}
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
""")
ARGUMENTS: dict[Verb, list[dict[str, object]]] = {
    Verb.SET: [{"settings": {"min_confidence": 0.9}}],
    Verb.EXTEND: [{"duration": "2d"}],
    Verb.BACK: [{"phase": "alpha"}, {"phase": "beta"}],
    Verb.RESUME: [{}, {"phase": "alpha"}],
}


def test_lifecycle_page_lists_exactly_the_arrows_that_happen() -> None:
    """The table of arrows equals what `decide` does, driven through every reachable state by every cause."""
    assert _written() == _driven()


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


def _driven() -> set[Arrow]:
    """Follow every transition from submission on; states that differ in nothing that matters are visited once."""
    arrows: set[Arrow] = set()
    seen: set[object] = set()
    waiting = [initial(PLAN, SUBMITTED)]
    while waiting:
        state = waiting.pop()
        if _essence(state) in seen:
            continue
        seen.add(_essence(state))
        for transition in _transitions(state):
            arrows.add((state.status, transition.verb, transition.after.status, transition.cause))
            waiting.append(transition.after)
    return arrows


def _essence(state: RolloutState) -> object:
    return state.status, state.phase, state.adjusted, state.approved, state.hold_skipped, state.fell_from


def _transitions(state: RolloutState) -> Iterator[Transition]:
    """What each single cause does to a state, early in the phase and long after its hold."""
    began = max(state.since, state.entered or state.since)
    for now in (began, began + timedelta(days=30)):
        quiet = _evidence(state, now, {})
        causes = [(quiet, ()), *((quiet, (command,)) for command in _commands(now))]
        causes += [(_evidence(state, now, {text: verdict}), ()) for text, verdict in _alarms(state)]
        for evidence, commands in causes:
            if transition := decide(PLAN, state, evidence, commands, now):
                yield transition


def _commands(now: datetime) -> Iterator[Command]:
    for verb in ALLOWED:
        for args in ARGUMENTS.get(verb, [{}]):
            yield Command(id=1, verb=verb, by="pm", reason="because", at=now, args=args)


def _alarms(state: RolloutState) -> Iterator[tuple[str, Verdict]]:
    """What a criterion may say: nothing before the start, because nothing has been counted yet."""
    for criterion in PLAN.stop.criteria if state.phase > NOT_STARTED else ():
        yield criterion.text, Verdict.BREACH
        yield criterion.text, Verdict.NO_DATA


def _evidence(state: RolloutState, now: datetime, verdicts: dict[str, Verdict]) -> Evidence:
    findings = tuple(
        Finding(
            criterion=criterion.text,
            then=criterion.then,
            verdict=verdicts.get(criterion.text, Verdict.PASS),
            reason=f"{criterion.text}: told so",
            samples=1000,
        )
        for criterion in PLAN.stop.criteria
    )
    return Evidence(at=now, findings=findings, promise=state.promise, settings_epoch=state.settings_epoch)
