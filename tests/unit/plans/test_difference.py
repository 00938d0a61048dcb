"""What an edited plan changes, field by field, and whether that makes the rollout more careful or less."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plans import difference as module
from plans.difference import Effect, difference
from plans.load import loads
from plans.reach import reaching
from plans.schema import Criterion, Phase, Plan, Schedule, Stop

TEXT = """\
sluice: 1
name: search-v2
flag: search-ai
stable: {model: v1, min_confidence: 0.7}
candidate: {model: v2, min_confidence: 0.7}
salt: mine
approvers: [a@x, b@x, c@x]
approvals: 2
audience: {size: 20000, allow: [{user: u-1}]}
schedule:
  start: 2026-12-01 09:00
  timezone: Europe/Rome
  advance: Mon-Thu 09:00-16:00
  freeze: [{from: 2026-12-19, to: 2027-01-04, reason: holidays}]
phases:
  - {name: alpha, expose: 1%, hold: 3d}
  - {name: beta, expose: 10%, hold: 7d, approval: required, advance: pass,
     adjust: [{at: 1d, set: {min_confidence: 0.8}}]}
  - {name: half, expose: 50%, hold: 7d, decide: {ship: accuracy >= control, revert: accuracy < control}}
  - {name: most, expose: 70%, hold: 1d, approval: {required: true, expires: 9d, then: abort}}
  - {name: all, expose: 100%, hold: 7d}
metrics:
  errors: {source: events, bad: error, of: request}
  accuracy: {source: events, good: correct, of: labelled}
stop:
  check_every: 5m
  no_data_after: 1h
  criteria:
    - {when: errors > 2x control, tolerate: 1.5}
    - {when: accuracy < 85%, then: hold, min_samples: 50, on_no_data: hold, no_data_after: 2h}
"""
PLAN = loads(TEXT)
STRICTER, LOOSER, NEUTRAL, FIXED = Effect.STRICTER, Effect.LOOSER, Effect.NEUTRAL, Effect.FIXED
EDITS = [
    ("name: search-v2", "name: search-v3", FIXED),
    ("flag: search-ai", "flag: other", FIXED),
    ("stable: {model: v1,", "stable: {model: v0,", FIXED),
    ("candidate: {model: v2,", "candidate: {model: v3,", FIXED),
    ("salt: mine", "salt: other", FIXED),
    ("size: 20000", "size: 30000", FIXED),
    ("size: 20000", "size: 20000, unit: org", FIXED),
    ("allow: [{user: u-1}]", "allow: [{user: u-2}]", FIXED),
    ("name: alpha, expose: 1%", "name: alpha, expose: 2%", FIXED),
    ("expose: 1%, hold: 3d", "expose: 1%, hold: 4d", FIXED),
    ("stop:\n", "stop:\n  confidence: 90%\n", FIXED),
    ("salt: mine", "salt: mine\nowner: me", NEUTRAL),
    ("2026-12-01 09:00", "2026-12-02 09:00", NEUTRAL),
    ("Europe/Rome", "Europe/Paris", LOOSER),
    ("Mon-Thu 09:00", "Mon-Wed 10:00", STRICTER),
    ("Mon-Thu 09:00-16:00", "Mon-Fri 09:00-16:00", LOOSER),
    ("Mon-Thu 09:00-16:00", "Mon-Thu 09:00-24:00", LOOSER),
    ("  advance: Mon-Thu 09:00-16:00\n", "", LOOSER),
    ("to: 2027-01-04", "to: 2027-01-10", STRICTER),
    ("to: 2027-01-04", "to: 2027-01-03", LOOSER),
    ("expose: 10%", "expose: 5%", STRICTER),
    ("expose: 10%", "expose: 20%", LOOSER),
    ("expose: 10%, hold: 7d", "expose: 10%, hold: 8d", STRICTER),
    ("expose: 10%, hold: 7d", "expose: 10%, hold: 6d", LOOSER),
    (" approval: required,", "", LOOSER),
    ("expose: 50%, hold: 7d,", "expose: 50%, hold: 7d, approval: required,", STRICTER),
    (" advance: pass,", "", LOOSER),
    ("expose: 50%, hold: 7d,", "expose: 50%, hold: 7d, advance: pass,", STRICTER),
    ("{at: 1d, set", "{at: 2d, set", LOOSER),
    ("ship: accuracy >= control,", "ship: accuracy >= control + 1pp,", LOOSER),
    ("name: beta", "name: second", LOOSER),
    ("name: all", "name: everyone", NEUTRAL),
    ("  - {name: all,", "  - {name: more, expose: 80%, hold: 1d}\n  - {name: all,", STRICTER),
    ("check_every: 5m", "check_every: 1m", STRICTER),
    ("check_every: 5m", "check_every: 10m", LOOSER),
    ("no_data_after: 1h", "no_data_after: 30m", STRICTER),
    ("no_data_after: 1h", "no_data_after: 90m", LOOSER),
    ("> 2x control", "> 1.8x control", STRICTER),
    ("> 2x control", "> 3x control", LOOSER),
    ("> 2x control", ">= 2x control", NEUTRAL),
    ("> 2x control, tolerate: 1.5", "> 2x control, tolerate: 1.2", STRICTER),
    ("> 2x control, tolerate: 1.5", "> 2x control, tolerate: 1.8", LOOSER),
    ("> 2x control, tolerate: 1.5", "> 2x control", LOOSER),
    ("accuracy < 85%", "accuracy < 90%", STRICTER),
    ("accuracy < 85%", "accuracy < 80%", LOOSER),
    ("then: hold", "then: revert", STRICTER),
    ("then: hold", "then: notify", LOOSER),
    ("min_samples: 50", "min_samples: 20", STRICTER),
    ("min_samples: 50", "min_samples: 100", LOOSER),
    ("on_no_data: hold", "on_no_data: revert", STRICTER),
    ("on_no_data: hold", "on_no_data: ignore", LOOSER),
    ("no_data_after: 2h", "no_data_after: 1h", STRICTER),
    ("no_data_after: 2h", "no_data_after: 3h", LOOSER),
    ("then: hold,", "then: hold, test: threshold, for: 3 of 5,", LOOSER),
    ("    - {when: errors > 2x control, tolerate: 1.5}\n", "", LOOSER),
    ("  criteria:\n", "  criteria:\n    - errors > 5%\n", STRICTER),
    ("bad: error, of: request", "bad: error, of: visit", LOOSER),
    ("[a@x, b@x, c@x]", "[B@x, a@x, c@x]", NEUTRAL),
    ("[a@x, b@x, c@x]", "[a@x, b@x]", STRICTER),
    ("[a@x, b@x, c@x]", "[a@x, d@x, c@x]", LOOSER),
    ("approvers: [a@x, b@x, c@x]\n", "", LOOSER),
    ("approvals: 2", "approvals: 3", STRICTER),
    ("approvals: 2", "approvals: 1", LOOSER),
    ("salt: mine", "salt: mine\nrequester_may_approve: false", STRICTER),
    ("approval: required", "approval: {required: true, expires: 3d}", STRICTER),
    ("approval: {required: true, expires: 9d, then: abort}", "approval: required", LOOSER),
    ("expires: 9d, then: abort", "expires: 8d, then: abort", STRICTER),
    ("expires: 9d, then: abort", "expires: 10d, then: abort", LOOSER),
    ("expires: 9d, then: abort", "expires: 9d", LOOSER),
    ("expires: 9d, then: abort", "expires: 8d", LOOSER),
    ("metrics:\n", "metrics:\n  more: {source: events, bad: b, of: a}\n", NEUTRAL),
]


@pytest.mark.parametrize(("before", "after", "effect"), EDITS, ids=[f"{a} to {b}" for a, b, _ in EDITS])
def test_every_change_has_its_effect(before: str, after: str, effect: Effect) -> None:
    """One edit of the plan, its gravest effect, and a line of words for each change."""
    assert before in TEXT
    found = difference(PLAN, loads(TEXT.replace(before, after, 1)), 1)
    assert effect in {change.effect for change in found}
    assert effect == max((change.effect for change in found), key=[NEUTRAL, STRICTER, LOOSER, FIXED].index)
    assert all(change.words and change.place for change in found)


def test_the_same_plan_is_no_change() -> None:
    """Nor is the same plan with other comments, or with its defaults written out."""
    assert () == difference(PLAN, loads(TEXT + "# a word\nnotify: [log]\n"), 1)


@given(st.lists(st.sampled_from(EDITS), min_size=1, max_size=4, unique=True))
def test_plans_that_differ_never_show_no_difference(edits: list[tuple[str, str, Effect]]) -> None:
    """Whatever was edited together, something is told as long as the plans are not equal."""
    text = TEXT
    for before, after, _ in edits:
        text = text.replace(before, after, 1)
    try:
        new = loads(text)
    except Exception:  # noqa: BLE001 - two edits may not fit together
        return
    assert (new == PLAN) == (difference(PLAN, new, 1) == ())


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Plan, module.TOLD_OF_PLAN),
        (Schedule, module.TOLD_OF_SCHEDULE),
        (Phase, module.TOLD_OF_PHASE),
        (Stop, module.TOLD_OF_STOP),
        (Criterion, module.TOLD_OF_CRITERION),
    ],
)
def test_only_fields_that_exist_are_weighed(kind: type[Plan], told: frozenset[str]) -> None:
    """A field that is added to the format later is looser until somebody has weighed it."""
    assert set() == told - set(kind.model_fields)


def test_before_the_start_a_start_may_only_move_later() -> None:
    """Earlier, or at once, waits for an approval; afterwards it says nothing any more."""
    later, sooner = (loads(TEXT.replace("12-01 09", day)) for day in ("12-02 09", "11-30 09"))
    gone = loads(TEXT.replace("  start: 2026-12-01 09:00\n", ""))
    assert [STRICTER, LOOSER, LOOSER] == [difference(PLAN, new, 0)[0].effect for new in (later, sooner, gone)]


def test_ramps_are_compared_by_what_they_reach_when() -> None:
    """Leaving a phase out is sooner even where the holds are longer, unless nothing is reached earlier."""
    ramps = [("10%", "50%"), ("10%", "20%", "50%"), ("50%",)]
    plans = [_ramp(ramp) for ramp in ramps]
    sooner = [[reaching(b, 1).sooner_than(reaching(a, 1)) for b in plans] for a in plans]
    assert [[False, False, True], [True, False, True], [False, False, False]] == sooner


def test_no_plan_is_sooner_than_itself() -> None:
    """For every ramp of the enumeration, and of two different ones at least one is sooner or they reach the same."""
    plans = [_ramp(ramp) for n in (1, 2, 3) for ramp in itertools.combinations(("5%", "10%", "20%", "50%"), n)]
    assert not any(reaching(plan, 1).sooner_than(reaching(plan, 1)) for plan in plans)


def _ramp(exposures: tuple[str, ...]) -> Plan:
    phases = ", ".join(f"{{name: p{n}, expose: {share}, hold: 1d}}" for n, share in enumerate(exposures))
    return loads(
        "{sluice: 1, name: n, flag: f, stable: {m: a}, candidate: {m: b}, "
        "metrics: {e: {source: events, bad: x, of: y}}, "
        f"phases: [{{name: first, expose: 1%, hold: 1d}}, {phases}, {{name: all, expose: 100%, hold: 1d}}], "
        "stop: {criteria: [e > 2x control]}}"
    )
