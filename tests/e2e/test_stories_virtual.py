"""The demo's bad story in virtual time over fifty seeds: store, counting and decision are the real ones."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.advance import advance
from flows.collect import from_events
from plans.load import load
from plans.schema import Plan
from rollout.exposure import Variant, variant
from rollout.model import Cause, Status, Verb
from sluice.demo import BAD
from sluice.demo_model import User, outcomes, users, visits
from state.clock import Clock, HandClock
from state.database import connect, migrate
from state.events import Batch, Events
from state.outcomes import Outcome
from state.store import Rollout, Store

PLAN = Path(__file__).parents[2] / "plans" / "examples" / "case-law-bad.yaml"
BEGIN = datetime(2027, 1, 12, 14, tzinfo=UTC)
LOOK = timedelta(hours=1)
APART = timedelta(days=30)
LONGEST = timedelta(days=14)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    engine = connect("sqlite://")
    migrate(engine)
    yield Store(engine, "guard")
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


def _lived(plan: Plan, store: Store, seed: int) -> Rollout:
    """The story until its rollout ends or two weeks have passed, looked at every hour, in a month of its own."""
    begin = BEGIN + seed * APART
    hand = HandClock(begin)
    clock = Clock(store, hand.now)
    events, people = Events(store, clock), users(seed)
    store.submit(plan, PLAN.read_text(), "demo", begin)
    rollout = _looked(store, clock, events, plan)
    while hand.at < begin + LONGEST and rollout.state.status.live:
        told = _visited(store, hand.at, people, seed)
        hand.at += LOOK
        assert events.ingest(Batch(told)).accepted == len(told)
        rollout = _looked(store, clock, events, plan)
    return rollout


def _looked(store: Store, clock: Clock, events: Events, plan: Plan) -> Rollout:
    """The rollout after the guard has looked at it."""
    advance(store, clock, plan.name, from_events(events))
    return store.rollout(plan.name)


def _visited(store: Store, after: datetime, people: tuple[User, ...], seed: int) -> list[Outcome]:
    """An hour of visits, served as the flag stands, told as the application tells them."""
    flag = store.flag(BAD.flag)
    assert flag is not None
    told: list[Outcome] = []
    for visit in visits(seed, BAD.visits, after, after + LOOK):
        user = people[visit.user]
        settings = flag.candidate if variant(flag, user.key, user.attributes)[0] is Variant.CANDIDATE else flag.stable
        assert settings is not None
        happened = outcomes(visit, user, str(settings["model"]), float(str(settings["min_confidence"])))
        told += [Outcome(BAD.flag, user.key, event, visit.at) for event in happened if event in BAD.reported]
    return told
