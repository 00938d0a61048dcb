"""The confidence-threshold tree takes the branch that its evidence establishes, in the words of the plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plans.load import loads
from rollout.decide import blocks, decide, due, kill, refusal, restore
from rollout.model import Cause, Evidence, Role, RolloutState, Status, Verb, Verdict
from rollout.observing import Observation
from tests.unit.rollout.story import command
from tests.unit.rollout.trees import BEGIN, DAY, PLAN, TEXT, look, passed, raised, started, taken

RAISED = BEGIN + DAY
JUDGED = RAISED + DAY
GIVEN_UP = RAISED + 3 * DAY
MINUTE = timedelta(minutes=1)


def test_a_rate_over_the_limit_raises_the_setting_by_its_step() -> None:
    """The model is the issue: one step up, observed from here, on evidence that starts afresh."""
    step = taken(started(), RAISED, tune_when=Verdict.BREACH)

    assert (Verb.TUNE, Cause.CRITERION, Role.TUNE_WHEN) == (step.verb, step.cause, step.finding and step.finding.role)
    assert {"model": "v3", "min_confidence": 0.8, "prompt": "p1"} == step.after.settings
    assert (step.after.revision, step.after.revision) == (step.after.settings_epoch, step.after.epoch)
    observed = Observation(place=0, since=RAISED, undo={"min_confidence": 0.7}, made={"min_confidence": 0.8})
    assert observed == step.after.observation
    told = "false_positive_rate > 10%: raise min_confidence 0.7 → 0.8, observe for 1d; "
    assert told + "false_positive_rate > 10%: breach" == step.reason


def test_a_raise_is_observed_before_it_is_judged() -> None:
    """Whatever is established earlier waits for the plan's own time."""
    state = raised()

    assert passed(state, JUDGED - MINUTE, tune_keep=Verdict.BREACH) is None
    assert passed(state, JUDGED - MINUTE, tune_when=Verdict.BREACH) is None


def test_a_rate_that_fell_under_the_limit_keeps_the_raise() -> None:
    """The tree's third branch: nothing changes but that the raise is no longer in question."""
    step = taken(raised(), JUDGED, tune_keep=Verdict.BREACH, tune_note=Verdict.BREACH)

    assert (Verb.KEEP, Status.RUNNING, None) == (step.verb, step.after.status, step.after.observation)
    assert step.before.settings == step.after.settings
    assert step.reason.startswith("false_positive_rate < 5%: keep min_confidence 0.8; ")
    assert passed(step.after, JUDGED, tune_keep=Verdict.BREACH, tune_note=Verdict.BREACH) is None


def test_a_rate_that_is_still_high_goes_back_to_the_previous_model() -> None:
    """The fourth branch undoes the raise, it alone, and takes the candidate from everyone."""
    earlier = replace(started(), settings={"model": "v3", "min_confidence": 0.7, "prompt": "p2"})
    state = taken(earlier, RAISED, tune_when=Verdict.BREACH).after

    step = taken(state, JUDGED, tune_when=Verdict.BREACH)

    assert (Verb.REVERT, Status.REVERTED, 0) == (step.verb, step.after.status, step.after.exposure)
    assert {"model": "v3", "min_confidence": 0.7, "prompt": "p2"} == step.after.settings
    told = "false_positive_rate still > 10%: otherwise: revert, back to the previous model (min_confidence 0.8 → 0.7); "
    assert step.reason.startswith(told)
    assert step.after.observation is None


def test_a_rate_between_the_two_limits_is_observed_until_it_is_given_up() -> None:
    """Three times the observation by default; then what did not prove itself is undone."""
    state = raised()

    assert passed(state, GIVEN_UP - MINUTE) is None
    step = taken(state, GIVEN_UP)

    assert (Verb.REVERT, Role.TUNE_KEEP) == (step.verb, step.finding and step.finding.role)
    assert step.reason.startswith(
        "false_positive_rate not < 5% after 3d: otherwise: revert, back to the previous model"
    )
    assert 0.7 == step.after.settings["min_confidence"]


def test_a_plan_says_itself_when_it_gives_up() -> None:
    """`give_up_after` takes the place of three observations."""
    plan = loads(TEXT.replace("observe: 1d", "observe: 1d\n    give_up_after: 36h"))
    state = raised(plan)

    assert passed(state, RAISED + timedelta(hours=35), plan) is None
    assert Verb.REVERT is taken(state, RAISED + timedelta(hours=36), plan).verb


def test_a_low_rate_is_noted_once_and_moves_nothing() -> None:
    """The first branch: it is what users expect, and the owner is told so once."""
    step = taken(started(), RAISED, tune_note=Verdict.BREACH)

    assert (Verb.NOTE, (0,)) == (step.verb, step.after.noted)
    assert replace(step.after, revision=step.before.revision, noted=()) == step.before
    assert step.reason.startswith("false_positive_rate < 5%: users expect something else, the model is fine; ")
    assert passed(step.after, RAISED + DAY, tune_note=Verdict.BREACH) is None


def test_evidence_from_before_a_raise_neither_keeps_nor_undoes_it() -> None:
    """Only what was judged on the raised setting speaks of it."""
    before, state = started(), raised()
    stale = replace(look(before, JUDGED, tune_keep=Verdict.BREACH, tune_when=Verdict.BREACH), at=JUDGED)

    assert decide(PLAN, state, stale, (), JUDGED) is None


def test_nothing_grows_while_a_raise_is_observed() -> None:
    """Neither by the plan's dates nor by a person's hand, and `blocked_by` says why."""
    state = replace(raised(), approved=True)
    now = BEGIN + 3 * DAY + timedelta(hours=1)
    (block,) = [block for block in blocks(PLAN, state, look(state, now), now) if block.code == "observing"]

    assert passed(state, now) is None
    told = (
        "observing min_confidence 0.8 until Thu 3 Dec 09:00: kept if false_positive_rate < 5%, "
        "given up on Sat 5 Dec 09:00"
    )
    assert (told, "by itself") == (block.text, block.clears)
    assert told == refusal(PLAN, state, look(state, now), command(Verb.ADVANCE), now)


@pytest.mark.parametrize("now", [JUDGED - MINUTE, JUDGED, GIVEN_UP])
def test_a_tree_stands_in_the_way_of_no_revert_and_no_abort(now: datetime) -> None:
    """A breach comes before the tree, and so does a person's abort."""
    state = raised()
    verdicts = {"tune_keep": Verdict.BREACH, "tune_when": Verdict.BREACH}
    abort = decide(PLAN, state, look(state, now, **verdicts), (command(Verb.ABORT, revision=state.revision),), now)

    breach = taken(state, now, error_rate=Verdict.BREACH, **verdicts)
    assert (Verb.REVERT, "error_rate > 2x control: breach") == (breach.verb, breach.reason)
    assert 0.8 == breach.after.settings["min_confidence"]
    assert abort is not None
    assert (Verb.ABORT, None) == (abort.verb, abort.after.observation)


def test_an_abort_comes_before_a_raise() -> None:
    """So that the raise cannot make the person's sight of the rollout stale."""
    state = started()
    asked = (command(Verb.ABORT, revision=state.revision),)

    step = decide(PLAN, state, look(state, RAISED, tune_when=Verdict.BREACH), asked, RAISED)

    assert step is not None
    assert Verb.ABORT is step.verb


def test_a_raise_stops_at_its_bound_and_past_it_the_model_goes() -> None:
    """A step that would pass `up_to` ends there; where nothing is left to raise, the model is the issue."""
    state = replace(started(), settings={"model": "v3", "min_confidence": 0.85, "prompt": "p1"})
    step = taken(state, RAISED, tune_when=Verdict.BREACH)
    kept = taken(step.after, JUDGED, tune_keep=Verdict.BREACH).after

    assert 0.9 == step.after.settings["min_confidence"]
    last = taken(kept, JUDGED + DAY, tune_when=Verdict.BREACH)
    assert (Verb.REVERT, 0.9) == (last.verb, last.after.settings["min_confidence"])
    told = "false_positive_rate > 10% and min_confidence 0.9 can be raised no further: otherwise: revert, back"
    assert last.reason.startswith(told)


def test_a_kept_raise_is_followed_by_the_next_where_the_rate_rises_again() -> None:
    """Each raise is observed for itself."""
    kept = taken(raised(), JUDGED, tune_keep=Verdict.BREACH).after
    step = taken(kept, JUDGED + DAY, tune_when=Verdict.BREACH)

    assert (Verb.TUNE, 0.9) == (step.verb, step.after.settings["min_confidence"])
    assert {"min_confidence": 0.8} == (step.after.observation and step.after.observation.undo)


def test_a_raise_waits_for_the_end_of_a_freeze_and_a_revert_does_not() -> None:
    """A freeze holds adjustments back, the tree's as well; what ends a rollout is never held back."""
    frozen, thawed = datetime(2026, 12, 20, 14, tzinfo=UTC), datetime(2027, 1, 5, 14, tzinfo=UTC)
    asked = replace(started(), status=Status.AWAITING_APPROVAL, question=1)
    high = replace(raised(), entered=frozen - DAY)

    assert passed(asked, frozen, tune_when=Verdict.BREACH) is None
    assert Verb.TUNE is taken(asked, thawed, tune_when=Verdict.BREACH).verb
    assert Verb.REVERT is taken(high, frozen, tune_when=Verdict.BREACH).verb


def test_a_raise_leaves_an_open_question_open() -> None:
    """The guard watches while a person thinks: the question stays, and the answer is no less honest."""
    asked = taken(started(), BEGIN + 3 * DAY).after
    assert Status.AWAITING_APPROVAL is asked.status

    step = taken(asked, BEGIN + 4 * DAY, tune_when=Verdict.BREACH)

    assert (Status.AWAITING_APPROVAL, asked.question) == (step.after.status, step.after.question)
    yes = command(Verb.APPROVE, phase=0, question=asked.question)
    approved = decide(PLAN, step.after, look(step.after, BEGIN + 4 * DAY), (yes,), BEGIN + 4 * DAY)
    assert approved is not None
    assert (Status.RUNNING, True) == (approved.after.status, approved.after.observation is not None)
    assert passed(approved.after, BEGIN + 4 * DAY) is None


def test_a_held_rollout_is_not_raised_but_a_raise_that_failed_is_undone() -> None:
    """A hold is for a person and stops adjustments; it does not keep people on a model that was given up."""
    held = replace(started(), status=Status.HELD)
    observed = replace(raised(), status=Status.HELD)

    assert passed(held, RAISED, tune_when=Verdict.BREACH) is None
    assert Verb.REVERT is taken(observed, JUDGED, tune_when=Verdict.BREACH).verb
    assert Status.HELD is taken(observed, JUDGED, tune_keep=Verdict.BREACH).after.status


def test_a_killed_flag_is_neither_tuned_nor_judged_and_is_observed_anew_when_restored() -> None:
    """Nobody sees the raised setting while the flag is off, so its time does not run."""
    state = kill(raised(), "oncall", "bad answers", RAISED + MINUTE).after

    assert passed(state, GIVEN_UP) is None
    assert due(PLAN, state, GIVEN_UP) is None
    on = restore(state, "oncall", "false alarm", GIVEN_UP).after
    assert passed(on, GIVEN_UP + DAY - MINUTE, tune_keep=Verdict.BREACH) is None
    assert Verb.KEEP is taken(on, GIVEN_UP + DAY, tune_keep=Verdict.BREACH).verb


@pytest.mark.parametrize(
    ("changed", "observing"), [({"min_confidence": 0.85}, False), ({"prompt": "p2"}, True)], ids=["its own", "another"]
)
def test_a_person_who_sets_the_tuned_setting_takes_it_over(changed: dict[str, object], observing: bool) -> None:  # noqa: FBT001
    """Another setting begins the observation anew: what is judged is what is served."""
    state, now = raised(), RAISED + timedelta(hours=6)
    step = decide(PLAN, state, look(state, now), (command(Verb.SET, args={"settings": changed}),), now)

    assert step is not None
    assert (now if observing else None) == (step.after.observation and step.after.observation.since)


def test_a_raise_is_due_when_it_is_judged_and_when_it_is_given_up() -> None:
    """The clock and `next` know both instants."""
    state = raised()
    early, late = due(PLAN, state, RAISED), due(PLAN, state, JUDGED)

    assert (JUDGED, Verb.KEEP) == (early and early.at, early and early.what)
    assert (GIVEN_UP, Verb.REVERT) == (late and late.at, late and late.what)


def test_a_resume_gives_every_tree_a_fresh_start() -> None:
    """A new promise owes the owner its note again, and observes nothing."""
    noted = taken(started(), RAISED, tune_note=Verdict.BREACH).after
    fallen = taken(noted, RAISED, error_rate=Verdict.BREACH).after
    step = decide(PLAN, fallen, Evidence(), (command(Verb.RESUME),), RAISED + DAY)

    assert step is not None
    assert ((), None) == (step.after.noted, step.after.observation)


def test_two_trees_take_turns() -> None:
    """While one raise is observed no other begins, so that each is judged on its own."""
    second = TEXT + (
        "  - metric: complaints\n    when: '> 4%'\n    raise: {min_confidence: 0.05}\n"
        "    observe: 1d\n    keep_if: '< 1%'\n"
    )
    plan = loads(second)
    state: RolloutState = raised(plan)

    assert 0 == (state.observation and state.observation.place)
    assert passed(state, RAISED + MINUTE, plan, tune_when=Verdict.BREACH) is None
