"""What the demo checks: dates against the preview, counts against the model they come from."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plans.load import load
from plans.schema import Plan
from plans.timeline import timeline
from rollout import moves
from rollout.decide import initial
from rollout.model import Bucket, Cause, Counts, Evidence, Transition, Verb
from rollout.moves import Why
from rollout.schedule import due, take_step
from sluice.demo_report import day_before, observed, span, thresholds, undated
from state.rows import JournalEntry

WHY = Why(cause=Cause.SCHEDULE, reason="as planned")
SUBMITTED = datetime(2026, 11, 30, 14, tzinfo=UTC)


@pytest.fixture
def plan() -> Plan:
    return load(Path(__file__).parents[3] / "plans" / "examples" / "case-law.yaml")


@pytest.fixture
def journal(plan: Plan) -> Sequence[JournalEntry]:
    """The example rollout as it goes when nothing is against it and every approval comes at once."""
    return tuple(_as_planned(plan))


def test_a_rollout_that_kept_its_dates_has_none_to_tell(plan: Plan, journal: Sequence[JournalEntry]) -> None:
    """The journal of an undisturbed rollout is its preview."""
    assert list(undated(plan, timeline(plan, SUBMITTED), journal)) == []


def test_a_step_a_second_late_is_told_with_both_dates(plan: Plan, journal: Sequence[JournalEntry]) -> None:
    """As promised and not done, and as done and not promised."""
    late = [replace(e, at=e.at + timedelta(seconds=1)) if e.verb is Verb.ADJUST else e for e in journal]
    assert list(undated(plan, timeline(plan, SUBMITTED), late)) == [
        "adjust beta was promised for Wed 9 Dec 09:00 and did not happen then",
        "adjust beta happened Wed 9 Dec 09:00:01, which the preview does not say",
    ]


def test_a_missing_step_is_told(plan: Plan, journal: Sequence[JournalEntry]) -> None:
    """A rollout that never completes has not kept its dates."""
    (told,) = undated(plan, timeline(plan, SUBMITTED), journal[:-1])
    assert told.startswith("complete ga was promised for Tue 12 Jan 2027 09:00")


def test_a_count_agrees_within_four_standard_deviations(plan: Plan, journal: Sequence[JournalEntry]) -> None:
    """Of 1,000 answers at 0.7, 20.3 are expected to be irrelevant, give or take 4 x 4.5: from 3 to 38 agree."""
    rows = [observed("v2.4", [_bucket(0, bad, 1_000)], thresholds(plan, journal))[0] for bad in range(100)]
    assert [row.counts.bad for row in rows if row.agrees] == list(range(3, 39))


def test_counts_are_told_apart_by_the_threshold_in_force(plan: Plan, journal: Sequence[JournalEntry]) -> None:
    """Buckets since the adjustment's revision belong to 0.8, whatever their phase."""
    adjusted = next(entry.revision for entry in journal if entry.verb is Verb.ADJUST)
    buckets = [_bucket(0, 1, 50), _bucket(0, 1, 50), _bucket(adjusted, 1, 400)]
    found = observed("v2.4", buckets, thresholds(plan, journal))
    assert [(row.threshold, row.counts) for row in found] == [(0.7, Counts(2, 100)), (0.8, Counts(1, 400))]


def test_no_answers_never_agree(plan: Plan, journal: Sequence[JournalEntry]) -> None:
    """Nothing counted is not what was expected."""
    assert not observed("v2.4", [_bucket(0, 0, 0)], thresholds(plan, journal))[0].agrees


@pytest.mark.parametrize(
    ("length", "words"),
    [(timedelta(minutes=35), "35 min"), (timedelta(hours=7, minutes=5), "7 h 5 min"), (timedelta(days=1), "1 d 0 h")],
)
def test_stretches_of_time_read_as_people_say_them(length: timedelta, words: str) -> None:
    """The two largest units."""
    assert words == span(length)


def test_the_demo_begins_the_day_before_its_plan(plan: Plan) -> None:
    """At the same time of day."""
    assert datetime(2026, 11, 30, 14, tzinfo=UTC) == day_before(timeline(plan, SUBMITTED))


def _bucket(settings_epoch: int, bad: int, total: int) -> Bucket:
    counts = {"irrelevant": (Counts(bad, total), Counts(5, 100))}
    return Bucket(
        start=SUBMITTED,
        end=SUBMITTED + timedelta(minutes=5),
        epoch=settings_epoch,
        phase=0,
        exposure=1_000,
        settings_epoch=settings_epoch,
        counts=counts,
    )


def _as_planned(plan: Plan) -> list[JournalEntry]:
    state, now, entries = initial(plan, SUBMITTED), SUBMITTED, list[JournalEntry]()
    while state.status.live:
        step = due(plan, state, now)
        if step is None:
            made = moves.approve(state, now, WHY)
        else:
            now = max(now, step.at)
            begins = step.what is Verb.START
            made = moves.enter(Verb.START, plan, state, 0, now, WHY) if begins else take_step(plan, state, now, WHY)
        state = made.after
        entries.append(_entry(made))
    return entries


def _entry(made: Transition) -> JournalEntry:
    return JournalEntry(
        rollout=made.after.name,
        revision=made.after.revision,
        at=made.at,
        verb=made.verb,
        cause=made.cause,
        by=made.by,
        reason=made.reason,
        before=made.before,
        after=made.after,
        evidence=Evidence(),
        finding=None,
        process="test",
    )
