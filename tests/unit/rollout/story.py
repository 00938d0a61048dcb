"""A small plan and the states, findings and commands that the tests of the core are told with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from plans.load import loads
from plans.schema import Then
from rollout.decide import decide, initial
from rollout.model import (
    Command,
    Counts,
    Evidence,
    Finding,
    RolloutState,
    Status,
    Transition,
    Verb,
    Verdict,
)

PLAN_TEXT = """\
sluice: 1
name: search-v2
flag: search-ai
stable: {model: v1, min_confidence: 0.7}
candidate: {model: v2, min_confidence: 0.7}
audience: {size: 20000}
schedule:
  timezone: America/New_York
  advance: Mon-Thu 09:00-16:00
  freeze:
    - {from: 2026-12-19, to: 2027-01-04, reason: holidays}
phases:
  - {name: alpha, expose: 1%, hold: 3d, approval: required}
  - name: beta
    expose: 10%
    hold: 7d
    adjust: [{at: day 3, set: {min_confidence: 0.8}}]
  - {name: ga, expose: 100%, hold: 7d}
metrics:
  error_rate: {source: events, bad: error, of: request}
  complaints: {source: events, bad: complaint, of: request}
  refusals: {source: events, bad: refusal, of: request}
  irrelevant: {source: events, bad: irrelevant, of: request}
stop:
  criteria:
    - error_rate > 2x control
    - {when: refusals > 3x control, then: disable}
    - {when: complaints > 3x control, then: hold, min_samples: 50}
    - {when: irrelevant > 5%, then: notify}
"""
PLAN = loads(PLAN_TEXT)
BEGIN = datetime(2026, 12, 1, 14, tzinfo=UTC)
DAY = timedelta(days=1)
SOME = Counts(1, 1000)


def finding(criterion: str, then: Then, verdict: Verdict = Verdict.INSUFFICIENT, samples: int = 1000) -> Finding:
    """One criterion's finding with plausible arithmetic."""
    return Finding(
        criterion=criterion,
        then=then,
        verdict=verdict,
        reason=f"{criterion}: {verdict}",
        treatment=SOME,
        control=SOME,
        samples=samples,
    )


def evidence(state: RolloutState, now: datetime, **verdicts: Verdict) -> Evidence:
    """Fresh evidence of every criterion in PLAN, insufficient unless a metric is given another verdict."""
    findings = tuple(
        finding(c.text, c.then, verdicts.get(c.when.metric, Verdict.INSUFFICIENT)) for c in PLAN.stop.criteria
    )
    return Evidence(at=now, findings=findings, promise=state.promise, settings_epoch=state.settings_epoch)


def command(verb: Verb, number: int = 1, **fields: Any) -> Command:
    """A person's command, reasoned so that no reason is missing."""
    return Command(**{"id": number, "verb": verb, "by": "pm@x", "reason": "because", "at": BEGIN, **fields})


def settle(state: RolloutState, now: datetime) -> list[Transition]:
    """Every transition that healthy evidence allows at one instant."""
    made: list[Transition] = []
    while step := decide(PLAN, state, evidence(state, now), (), now):
        made.append(step)
        state = step.after
    return made


def states() -> dict[str, RolloutState]:
    """One state of every kind, each reached through the core itself."""
    scheduled = initial(PLAN, BEGIN - DAY)
    alpha = settle(scheduled, BEGIN)[-1].after
    asked = settle(alpha, BEGIN + 3 * DAY)[-1].after
    approved = _do(asked, Verb.APPROVE, BEGIN + 3 * DAY)
    monday = BEGIN + 6 * DAY
    beta = settle(approved, monday)[-1].after
    adjusted = settle(beta, monday + 2 * DAY)[-1].after
    ga = settle(adjusted, monday + 7 * DAY)[-1].after
    last = settle(ga, BEGIN + 42 * DAY)[-1].after
    return {
        "scheduled": scheduled,
        "alpha": alpha,
        "awaiting": asked,
        "approved": approved,
        "beta": beta,
        "held": _do(beta, Verb.HOLD, monday),
        "held_scheduled": _do(scheduled, Verb.HOLD, BEGIN - DAY),
        "killed": replace(beta, killed=True),
        "ga": ga,
        "completed": last,
        "reverted": _do(beta, Verb.ABORT, monday),
        "disabled": replace(_do(beta, Verb.ABORT, monday), status=Status.DISABLED, enabled=False),
    }


def _do(state: RolloutState, verb: Verb, now: datetime) -> RolloutState:
    step = decide(PLAN, state, Evidence(), (command(verb),), now)
    assert step is not None
    return step.after
