"""One plan with variations, and the shortest ways to take its rollout somewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from plans.load import loads
from plans.schema import Plan, Then
from rollout.decide import decide
from rollout.model import Counts, Evidence, Finding, Status, Transition, Verb, Verdict
from state import step
from state.store import Rollout, Store

TEXT = """\
sluice: 1
name: {name}
flag: {flag}
stable: {stable}
candidate: {{model: v2, min_confidence: 0.7}}
salt: search-v2
audience: {{size: 20000}}
phases:
  - {{name: alpha, expose: 1%, hold: 3d, approval: required}}
  - {{name: beta, expose: 10%, hold: 7d, approval: required}}
  - {{name: ga, expose: 100%, hold: 7d}}
metrics:
  error_rate: {{source: events, bad: error, of: request}}
  accuracy: {{source: events, good: correct, of: labelled}}
stop:
  criteria: [error_rate > 2x control, accuracy < 85%]
"""
STABLE = "{model: v1, min_confidence: 0.7}"
BEGIN = datetime(2026, 12, 1, 14, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def text(name: str = "search-v2", flag: str = "search", stable: str = STABLE) -> str:
    """The plan's text."""
    return TEXT.format(name=name, flag=flag, stable=stable)


def plan(name: str = "search-v2", flag: str = "search", stable: str = STABLE) -> Plan:
    """The plan itself."""
    return loads(text(name, flag, stable))


def submitted(store: Store, name: str = "search-v2", flag: str = "search", stable: str = STABLE) -> Plan:
    """A rollout that was just submitted."""
    made = plan(name, flag, stable)
    store.submit(made, text(name, flag, stable), "pm", BEGIN)
    return made


def started(store: Store, name: str = "search-v2", flag: str = "search", stable: str = STABLE) -> Plan:
    """A rollout in its first phase."""
    made = submitted(store, name, flag, stable)
    step.step(store, name, BEGIN)
    return made


def asking(store: Store, name: str = "search-v2", flag: str = "search") -> datetime:
    """A rollout that waits for its first approval; gives the instant."""
    started(store, name, flag)
    step.step(store, name, BEGIN + 3 * DAY)
    return BEGIN + 3 * DAY


def finished(store: Store, name: str, flag: str, stable: str = STABLE) -> datetime:
    """A rollout taken to its end with healthy evidence and prompt approvals; gives the instant."""
    submitted(store, name, flag, stable)
    return finish(store, name, BEGIN)


def finish(store: Store, name: str, now: datetime) -> datetime:
    """Take a rollout from `now` to its end; gives the instant."""
    last = now + 60 * DAY
    step.step(store, name, now)
    while store.rollout(name).state.status.live:
        now += DAY
        assert now < last, "the rollout does not end"
        rollout = store.rollout(name)
        step.step(store, name, now, judged(rollout, rollout.plan, now))
        if store.rollout(name).state.status is Status.AWAITING_APPROVAL:
            step.command(store, name, Verb.APPROVE, "pm", "fine", now)
    return now


def judged(
    rollout: Rollout, of: Plan, now: datetime, verdict: Verdict = Verdict.INSUFFICIENT, then: Then = Then.REVERT
) -> step.Judged:
    """Evidence of this instant: one verdict for every criterion."""
    state = rollout.state
    findings = tuple(
        Finding(
            criterion=criterion.text,
            then=then,
            verdict=verdict,
            reason=f"{criterion.text}: {verdict}",
            treatment=Counts(3, 100),
            control=Counts(1, 900),
            samples=100,
        )
        for criterion in of.stop.criteria
    )
    evidence = Evidence(at=now, findings=findings, promise=state.promise, settings_epoch=state.settings_epoch)
    return step.Judged(evidence, '["memory"]', rollout.evidence_version)


def next_transition(store: Store, name: str, now: datetime, evidence: Evidence | None = None) -> Transition:
    """What would be decided now; nothing is written."""
    rollout = store.rollout(name)
    transition = decide(rollout.plan, rollout.state, evidence or rollout.evidence, store.pending(name), now)
    assert transition is not None
    return transition


def commit(store: Store, name: str, transition: Transition) -> None:
    """Commit a transition on the evidence that is stored."""
    rollout = store.rollout(name)
    store.commit(transition, rollout.evidence, rollout.memory, rollout.evidence_version)
