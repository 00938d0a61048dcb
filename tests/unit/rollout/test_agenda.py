"""The agenda: what lies ahead of a rollout, in the plan's own calendar."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from plans.load import loads
from plans.timeline import next_closing, next_open, timeline
from rollout.agenda import Entry, Hinges, Kind, agenda, answer_by
from rollout.course import course
from rollout.decide import initial
from rollout.model import Evidence, RolloutState, Status, Verb
from tests.unit.rollout.story import BEGIN, DAY, PLAN, PLAN_TEXT

FOREVER = 366 * DAY
NEW = initial(PLAN, BEGIN)
ROAD = tuple(course(PLAN, NEW, BEGIN))
instants = st.integers(0, 60 * 24 * 45).map(lambda minutes: BEGIN + timedelta(minutes=minutes))


def after(verb: Verb) -> tuple[RolloutState, datetime]:
    """The state that the first such step leaves, and when."""
    move = next(move for move in ROAD if move.verb is verb)
    return move.after, move.at


def ahead(state: RolloutState, now: datetime, days: int = 366) -> tuple[Entry, ...]:
    """The agenda of a rollout without evidence."""
    return agenda(PLAN, state, Evidence(), now, now + days * DAY)


def test_the_agenda_of_a_new_rollout_has_the_dates_of_its_preview() -> None:
    """What is not a freeze falls due exactly when the preview says, in the same words for the kinds of step."""
    found = [(one.at, str(one.kind)) for one in ahead(NEW, BEGIN) if one.kind is not Kind.FREEZE]
    assert [(step.at, str(step.what)) for step in timeline(PLAN, BEGIN)] == found


def test_an_open_question_says_what_an_answer_by_when_changes() -> None:
    """Within the window a yes counts at once, up to its end; later it counts from the next opening."""
    state, asked = after(Verb.AWAIT_APPROVAL)
    friday, monday = ahead(state, asked)[0], ahead(state, asked + 3 * DAY)[0]
    assert (Kind.APPROVAL, True) == (friday.kind, friday.waiting)
    assert "if approved by Mon 7 Dec 16:00: Mon 7 Dec 09:00, else Tue 8 Dec 09:00" == friday.note
    assert "if approved by Mon 7 Dec 16:00: at once, else Tue 8 Dec 09:00" == monday.note


def test_a_freeze_ends_the_time_for_an_answer() -> None:
    """The last open hours before a freeze are named; the alternative is the first opening after it."""
    thursday = datetime.fromisoformat("2026-12-17T15:00:00+00:00")
    assert "if approved by Thu 17 Dec 16:00: at once, else Tue 5 Jan 2027 09:00" == answer_by(DATED, thursday)


def test_a_plan_without_a_calendar_makes_no_promise_about_hours() -> None:
    """Where growth is always open, a yes counts whenever it comes."""
    assert "once approved: at once" == answer_by(OPEN, BEGIN)


@given(instants)
def test_growth_is_open_until_it_closes(at: datetime) -> None:
    """Just before its closing the calendar is open, and at the closing it is not."""
    opened = next_open(PLAN, at)
    closes = next_closing(PLAN, opened)
    assert closes is not None
    last = closes - timedelta(seconds=1)
    assert last == next_open(PLAN, last)
    assert closes < next_open(PLAN, closes)


def test_everything_after_a_question_hinges_on_its_answer() -> None:
    """A step that an unanswered approval comes before is marked so; freezes and the question itself are not."""
    found = ahead(NEW, BEGIN)
    certain = {one.kind for one in found if one.hinges is Hinges.NOTHING}
    assert {Kind.PHASE, Kind.APPROVAL, Kind.FREEZE} == certain
    assert [Hinges.APPROVAL] * 2 == [one.hinges for one in found if one.kind in {Kind.ADJUST, Kind.COMPLETE}]


def test_a_step_that_criteria_hold_up_says_so() -> None:
    """An overdue phase is due now and names what it waits for."""
    state, at = after(Verb.ADJUST)
    late = next(one for one in ahead(state, at + 8 * DAY) if one.kind is Kind.PHASE)
    assert (True, "waits: error_rate > 2x control: not judged yet") == (late.waiting, late.note)


def test_a_killed_flag_is_said_to_wait_for_its_restore() -> None:
    """The dates are those after a restore now, and the first growth says that it waits."""
    state, at = after(Verb.START)
    phase = next(one for one in ahead(replace(state, killed=True), at) if one.kind is Kind.PHASE)
    assert "waits: flag search-ai is killed" == phase.note
    assert "1,800 users more get v2" in phase.text


def test_a_held_rollout_waits_for_a_person_and_an_ended_one_for_nobody() -> None:
    """A hold is one entry, due now; a reverted or completed rollout has no agenda."""
    state, at = after(Verb.START)
    held = ahead(replace(state, status=Status.HELD, reason="looking into it"), at, 7)
    assert [("held: looking into it", True)] == [(one.text, one.waiting) for one in held]
    for ended in (Status.REVERTED, Status.DISABLED, Status.COMPLETED):
        assert () == ahead(replace(state, status=ended), at)


@given(instants)
def test_an_entry_is_known_by_the_same_key_every_day(now: datetime) -> None:
    """A day's keys are unique, and those of the dated steps were there the day before."""
    state, at = after(Verb.START)
    today, first = ahead(state, max(at, now)), {one.key for one in ahead(state, at)}
    assert len(today) == len({one.key for one in today})
    assert {one.key for one in today} <= first


OPEN = loads(PLAN_TEXT[: PLAN_TEXT.index("schedule:")] + PLAN_TEXT[PLAN_TEXT.index("phases:") :])
DATED = loads(PLAN_TEXT.replace("schedule:", "schedule:\n  start: 2026-12-01 09:00"))
