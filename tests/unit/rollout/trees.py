"""A plan with a tree and a test, and the evidence that its branches are told with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from plans.load import loads
from plans.schema import Plan, Then
from rollout.decide import decide, initial
from rollout.model import Evidence, Finding, Role, RolloutState, Transition, Verb, Verdict

TEXT = """\
sluice: 1
name: clauses-v3
flag: clauses-ai
stable: {model: v2, min_confidence: 0.7, prompt: p1}
candidate: {model: v3, min_confidence: 0.7, prompt: p1}
audience: {size: 20000}
schedule:
  timezone: America/New_York
  freeze: [{from: 2026-12-19, to: 2027-01-04, reason: holidays}]
phases:
  - {name: alpha, expose: 1%, hold: 3d, approval: required}
  - name: ab-test
    expose: 50%
    hold: 14d
    decide:
      ship: accuracy >= control + 2pp
      revert: accuracy < control
      ask: adoption < control
  - {name: all, expose: 100%, hold: 7d}
metrics:
  false_positive_rate: {source: events, bad: false_positive, of: flagged}
  complaints: {source: events, bad: complaint, of: flagged}
  error_rate: {source: events, bad: error, of: request}
  accuracy: {source: events, good: correct, of: labelled}
  adoption: {source: events, good: used, of: shown}
stop:
  criteria:
    - error_rate > 2x control
    - {when: complaints > 3x control, then: hold}
tune:
  - metric: false_positive_rate
    when: "> 10%"
    raise: {min_confidence: 0.1, up_to: 0.9}
    observe: 1d
    keep_if: "< 5%"
    otherwise: revert
    note_if: "< 5%"
"""
PLAN = loads(TEXT)
BEGIN = datetime(2026, 12, 1, 14, tzinfo=UTC)
DAY = timedelta(days=1)
TREE = (Role.TUNE_WHEN, Role.TUNE_KEEP, Role.TUNE_NOTE)
TEST = (Role.SHIP, Role.REVERT, Role.ASK)
TEST_PHASE = 1


def look(state: RolloutState, now: datetime, plan: Plan = PLAN, /, **verdicts: Verdict) -> Evidence:
    """Fresh evidence: every branch and criterion insufficient unless its role or metric is given another verdict."""
    stops = (
        _finding(c.text, Role.STOP, 0, verdicts.get(c.when.metric, Verdict.INSUFFICIENT), c.then)
        for c in plan.stop.criteria
    )
    branches = (
        _finding(text, role, place, verdicts.get(role, Verdict.INSUFFICIENT)) for role, place, text in _branches(plan)
    )
    return Evidence(now, (*stops, *branches), state.promise, state.settings_epoch)


def passed(state: RolloutState, now: datetime, plan: Plan = PLAN, /, **verdicts: Verdict) -> Transition | None:
    """What one pass decides on fresh evidence."""
    return decide(plan, state, look(state, now, plan, **verdicts), (), now)


def taken(state: RolloutState, now: datetime, plan: Plan = PLAN, /, **verdicts: Verdict) -> Transition:
    """The transition of one pass on fresh evidence, which there must be."""
    step = passed(state, now, plan, **verdicts)
    assert step is not None
    return step


def started(plan: Plan = PLAN) -> RolloutState:
    """In its first phase since BEGIN."""
    return taken(initial(plan, BEGIN - DAY), BEGIN, plan).after


def raised(plan: Plan = PLAN) -> RolloutState:
    """A day into its first phase, `min_confidence` just raised from 0.7 to 0.8."""
    step = taken(started(plan), BEGIN + DAY, plan, tune_when=Verdict.BREACH)
    assert step.verb is Verb.TUNE
    return step.after


def _branches(plan: Plan) -> Iterator[tuple[Role, int, str]]:
    for place, tune in enumerate(plan.tune):
        for role, limit in zip(TREE, (tune.when, tune.keep_if, tune.note_if), strict=True):
            if limit:
                yield role, place, limit.of(tune.metric).text
    for place, phase in enumerate(plan.phases):
        for role in TEST if phase.decide else ():
            if condition := getattr(phase.decide, role):
                yield role, place, condition.text


def _finding(text: str, role: Role, place: int, verdict: Verdict, then: Then = Then.NOTIFY) -> Finding:
    return Finding(
        criterion=text, then=then, verdict=verdict, reason=f"{text}: {verdict}", samples=1000, role=role, place=place
    )
