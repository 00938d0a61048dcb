"""The demo's stories in virtual time, over seeds that nobody picked: store, counting and decision are the real ones."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.advance import advance
from flows.collect import from_events
from gates.judge import settle
from plans.load import load
from plans.schema import Plan
from plans.timeline import timeline
from rollout.exposure import Variant, variant
from rollout.model import Cause, Status, Verb
from sluice import demo_report as report
from sluice.demo import BAD, GOOD
from sluice.demo_house import Feature
from sluice.demo_model import User, outcomes, users, visits
from state.clock import Clock, HandClock
from state.database import connect, migrate
from state.events import Batch, Events
from state.outcomes import Outcome
from state.step import command
from state.store import Rollout, Store

EXAMPLES = Path(__file__).parents[2] / "plans" / "examples"
PLAN = EXAMPLES / "case-law-bad.yaml"
GOOD_PLAN = EXAMPLES / "case-law.yaml"
DAY_BEFORE = datetime(2026, 11, 30, 14, tzinfo=UTC)
MAJORITY = datetime(2026, 12, 14, 14, tzinfo=UTC)
MOST = 1_000
BEGIN = datetime(2027, 1, 12, 14, tzinfo=UTC)
LOOK = timedelta(hours=1)
APART = timedelta(days=30)
LONGEST = timedelta(days=14)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    engine = connect("sqlite://")
    migrate(engine)
    yield Store(engine, "guard", settle)
    engine.dispose()


@pytest.mark.parametrize("seed", range(1, 51))
def test_the_guard_alone_ends_the_bad_story_before_everyone_has_it(store: Store, seed: int) -> None:
    """Reverted by the criterion at 10 %, whichever users come and whatever chance does."""
    declared = load(PLAN)
    plan = declared.model_copy(update={"name": f"{declared.name}-{seed}", "salt": declared.bucketing_salt})
    rollout = _lived(plan, store, seed)
    last = store.journal(plan.name)[-1]
    assert (Status.REVERTED, Verb.REVERT, Cause.CRITERION) == (rollout.state.status, last.verb, last.cause)
    assert max(entry.after.exposure for entry in store.journal(plan.name)) == plan.exposure(0)
    assert last.finding is not None
    assert last.finding.evidence >= last.finding.threshold


@pytest.mark.parametrize("seed", [2])
def test_the_good_story_keeps_its_dates_and_its_shares(seed: int) -> None:
    """Whoever comes, each step to 50 % is on the day that `preview` says, and the threshold has the effect declared."""
    engine = connect("sqlite://")
    migrate(engine)
    store, hand, plan = Store(engine, "guard", settle), HandClock(DAY_BEFORE), load(GOOD_PLAN)
    clock = Clock(store, hand.now)
    events, people = Events(store, clock), users(seed)
    store.submit(plan, GOOD_PLAN.read_text(), "demo", DAY_BEFORE)
    while hand.at < MAJORITY:
        _hour(store, events, hand, GOOD, people, seed)
        if _looked(store, clock, events, plan).state.status is Status.AWAITING_APPROVAL:
            assert command(store, plan.name, Verb.APPROVE, "pm", "fine", hand.at).accepted
    entries, rollout = store.journal(plan.name), store.rollout(plan.name)
    dated = [step for step in timeline(plan, DAY_BEFORE) if step.at <= MAJORITY]
    assert [] == list(report.undated(plan, dated, entries))
    counted = events.buckets({rollout.id: None}, hand.at)[rollout.id]
    found = report.observed("v2.4", counted, report.thresholds(plan, entries))
    assert [(0.7, True), (0.8, True)] == [(row.threshold, row.agrees) for row in found]
    engine.dispose()


def _lived(plan: Plan, store: Store, seed: int) -> Rollout:
    """The story until its rollout ends or two weeks have passed, looked at every hour, in a month of its own."""
    begin = BEGIN + seed * APART
    hand = HandClock(begin)
    clock = Clock(store, hand.now)
    events, people = Events(store, clock), users(seed)
    store.submit(plan, PLAN.read_text(), "demo", begin)
    rollout = _looked(store, clock, events, plan)
    while hand.at < begin + LONGEST and rollout.state.status.live:
        _hour(store, events, hand, BAD, people, seed)
        rollout = _looked(store, clock, events, plan)
    return rollout


def _hour(store: Store, events: Events, hand: HandClock, feature: Feature, people: tuple[User, ...], seed: int) -> None:
    """An hour of a feature's visits, counted."""
    told = list(_visited(store, feature, hand.at, people, seed))
    hand.at += LOOK
    for first in range(0, len(told), MOST):
        batch = told[first : first + MOST]
        assert events.ingest(Batch(batch)).accepted == len(batch)


def _looked(store: Store, clock: Clock, events: Events, plan: Plan) -> Rollout:
    """The rollout after the guard has looked at it."""
    advance(store, clock, plan.name, from_events(events))
    return store.rollout(plan.name)


def _visited(store: Store, feature: Feature, after: datetime, people: tuple[User, ...], seed: int) -> Iterator[Outcome]:
    """An hour of visits, served as the flag stands, told as the application tells them."""
    flag = store.flag(feature.flag)
    assert flag is not None
    for visit in visits(seed, feature.visits, after, after + LOOK):
        user = people[visit.user]
        candidate = flag.candidate if variant(flag, user.key, user.attributes)[0] is Variant.CANDIDATE else None
        settings = candidate or flag.stable
        assert settings is not None
        for event in outcomes(visit, user, str(settings["model"]), float(str(settings["min_confidence"]))):
            if event in feature.reported:
                yield Outcome(feature.flag, user.key, event, visit.at, context=dict(user.attributes))
