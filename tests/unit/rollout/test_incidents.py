"""Incidents: growth waits for their end, and nothing that lowers exposure ever does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rollout.agenda import Kind, agenda
from rollout.decide import Due, blocks, decide, due, initial, kill, refusal
from rollout.describe import state_name
from rollout.incidents import LONGEST, Incident, free_from, in_force, latest, objection
from rollout.model import Evidence, RolloutState, Status, Transition, Verb, Verdict
from rollout.obstacles import Code, waits_for_incidents
from tests.unit.rollout import trees
from tests.unit.rollout.story import BEGIN, DAY, PLAN, command, evidence, states

HOUR = timedelta(hours=1)
YEAR = Incident(number=1, since=BEGIN - 2 * DAY, until=BEGIN + 366 * DAY, by="ops@x", reason="the database is down")
NOWS = tuple(BEGIN + days * DAY for days in range(60))
MONDAY = BEGIN + 13 * DAY
LOWERING = {
    Verb.ABORT: {},
    Verb.HOLD: {},
    Verb.BACK: {"phase": "alpha"},
    Verb.EXTEND: {"duration": "3d"},
    Verb.ROLLBACK: {},
    Verb.SET: {"settings": {"min_confidence": 0.9}},
    Verb.BLOCK: {"unit": "u-1"},
    Verb.APPROVE: {},
}


def during(state: RolloutState, incident: Incident | None = YEAR) -> RolloutState:
    return replace(state, incident=incident)


def scheduled(state: RolloutState, now: datetime) -> Transition | None:
    return decide(PLAN, state, evidence(state, now), (), now)


def test_no_state_grows_or_is_adjusted_while_an_incident_lasts() -> None:
    """Every kind of state, looked at every day for two months with healthy evidence: what would have grown waits."""
    hindered = 0
    for name, state in states().items():
        for now in NOWS:
            without, within = scheduled(state, now), scheduled(during(state), now)
            if without is not None and waits_for_incidents(without):
                hindered += 1
                assert within is None, (name, now)
            else:
                assert _unmarked(within) == without, (name, now)
    assert hindered > 50


@pytest.mark.parametrize("metric", ["error_rate", "refusals", "complaints"])
def test_no_incident_hinders_a_breach(metric: str) -> None:
    """Revert, disable and hold come at once, from every state, exactly as without it."""
    for state in states().values():
        for now in NOWS[::7]:
            found = evidence(state, now, **{metric: Verdict.BREACH})
            without = decide(PLAN, state, found, (), now)
            if without is None or not waits_for_incidents(without):
                assert without == _unmarked(decide(PLAN, during(state), found, (), now))
    fallen = decide(
        PLAN, during(states()["ga"]), evidence(states()["ga"], MONDAY, error_rate=Verdict.BREACH), (), MONDAY
    )
    assert (Verb.REVERT, 0) == (fallen and fallen.verb, fallen and fallen.after.exposure)


@pytest.mark.parametrize("verb", LOWERING)
def test_no_incident_hinders_what_people_do_to_be_safe(verb: Verb) -> None:
    """Whatever lowers exposure or keeps it: allowed in an incident where it is allowed without one, to the same end."""
    allowed = 0
    for state in states().values():
        asked = command(verb, args=LOWERING[verb])
        for now in (MONDAY, MONDAY + 5 * DAY):
            known = evidence(state, now)
            why = refusal(PLAN, state, known, asked, now)
            assert why == refusal(PLAN, during(state), known, asked, now)
            if why is None:
                allowed += 1
                step = decide(PLAN, during(state), known, (asked,), now)
                assert step is not None
                assert verb is step.verb or verb is Verb.APPROVE or step.verb in {Verb.ADVANCE, Verb.ADJUST}
    assert allowed


def test_a_kill_is_the_same_in_an_incident() -> None:
    """The switch belongs to the flag and asks nobody."""
    beta = states()["beta"]
    assert kill(beta, "ops@x", "smoke", MONDAY) == _unmarked(kill(during(beta), "ops@x", "smoke", MONDAY))


def test_nobody_skips_ahead_and_nothing_that_fell_gets_up() -> None:
    """Refused with what lasts until when and why, and with what to do where it is over; a hold can be lifted."""
    beta, fallen, held = (during(states()[name]) for name in ("beta", "reverted", "held"))
    for state, verb in ((beta, Verb.ADVANCE), (fallen, Verb.RESUME)):
        why = refusal(PLAN, state, evidence(state, MONDAY), command(verb), MONDAY)
        assert why is not None
        assert "no growth until Thu 2 Dec" in why
        assert "(the database is down); if it is over, end it: sluice incident end" in why
        assert refusal(PLAN, during(state, None), evidence(state, MONDAY), command(verb), MONDAY) is None
    assert refusal(PLAN, held, evidence(held, MONDAY), command(Verb.RESUME), MONDAY) is None


def test_growth_goes_on_at_the_very_end() -> None:
    """Due when the incident ends by itself, where the window is open then, and not a second before."""
    ends = MONDAY + 2 * HOUR
    beta = during(replace(states()["beta"], adjusted=1), replace(YEAR, until=ends))
    assert (ends, Verb.ADVANCE) == (_due(beta, MONDAY).at, _due(beta, MONDAY).what)
    assert scheduled(beta, ends - timedelta(seconds=1)) is None
    grown = scheduled(beta, ends)
    assert grown is not None
    assert Verb.ADVANCE is grown.verb


def test_an_end_outside_the_window_waits_for_the_window() -> None:
    """An incident that is over in the night lets nothing grow before the morning."""
    beta = during(replace(states()["beta"], adjusted=1), replace(YEAR, until=MONDAY + 12 * HOUR))
    assert MONDAY + DAY == _due(beta, MONDAY).at


def test_an_incident_that_is_over_or_was_ended_hinders_nothing() -> None:
    """Read along late or not: what counts is its end."""
    state = replace(states()["beta"], adjusted=1)
    for past in (replace(YEAR, until=MONDAY), replace(YEAR, ended=MONDAY - HOUR)):
        assert scheduled(state, MONDAY) == _unmarked(scheduled(during(state, past), MONDAY))
        assert in_force(past, MONDAY) is None
        assert MONDAY == free_from(past, MONDAY)


def test_a_question_is_asked_and_an_answer_taken_in_an_incident() -> None:
    """Neither exposes anyone; the growth that follows waits."""
    alpha = during(states()["alpha"])
    asked = scheduled(alpha, BEGIN + 3 * DAY)
    assert asked is not None
    assert Verb.AWAIT_APPROVAL is asked.verb
    yes = decide(PLAN, asked.after, Evidence(), (command(Verb.APPROVE),), MONDAY)
    assert yes is not None
    assert scheduled(yes.after, MONDAY) is None


def test_a_tree_raises_nothing_in_an_incident_and_still_goes_back() -> None:
    """A raise is an adjustment; going back to the previous model is a revert."""
    now = trees.BEGIN + DAY
    assert trees.passed(during(trees.started()), now, tune_when=Verdict.BREACH) is None
    observed = during(trees.raised())
    undone = trees.taken(observed, now + 2 * DAY, tune_when=Verdict.BREACH)
    assert (Verb.REVERT, 0) == (undone.verb, undone.after.exposure)


def test_an_incident_is_said_wherever_growth_is_looked_for() -> None:
    """In what stands in the way, on the badge and in the agenda, in the plan's own zone."""
    beta = during(states()["beta"], replace(YEAR, since=MONDAY, until=MONDAY + 2 * HOUR))
    words = "incident since Mon 14 Dec 09:00: no growth until Mon 14 Dec 11:00 (the database is down)"
    found = [(one.code, one.text, one.clears) for one in blocks(PLAN, beta, evidence(beta, MONDAY), MONDAY)]
    assert (Code.INCIDENT, words, "by itself") in found
    assert "Beta · 10 % · incident: no growth until Mon 14 Dec 11:00" == state_name(PLAN, beta, Evidence(), MONDAY)
    waits = during(states()["scheduled"], replace(YEAR, since=MONDAY, until=MONDAY + 2 * HOUR))
    assert "Scheduled · incident: no growth until Mon 14 Dec 11:00" == state_name(PLAN, waits, Evidence(), MONDAY)
    entries = agenda(PLAN, beta, Evidence(), MONDAY, MONDAY + DAY)
    assert [(words, MONDAY, MONDAY + 2 * HOUR)] == [(e.text, e.at, e.until) for e in entries if e.kind is Kind.INCIDENT]
    assert not [e for e in entries if e.kind is Kind.ADJUST and e.at < MONDAY + 2 * HOUR]


def test_an_ended_rollout_knows_no_incident() -> None:
    """Nothing of it could grow by itself."""
    done = during(states()["completed"])
    assert not [one for one in blocks(PLAN, done, Evidence(), MONDAY) if one.code is Code.INCIDENT]


def test_a_rollout_that_is_submitted_in_an_incident_starts_after_it() -> None:
    """Its first phase would be growth as well."""
    new = during(initial(PLAN, BEGIN), replace(YEAR, until=BEGIN + HOUR))
    assert (BEGIN + HOUR, Verb.START) == (_due(new, BEGIN).at, _due(new, BEGIN).what)
    assert Status.SCHEDULED is new.status
    assert scheduled(new, BEGIN) is None


@pytest.mark.parametrize(
    ("reason", "flags", "length", "said"),
    [
        (" ", (), 2 * HOUR, "reason: empty; say what has happened"),
        ("down", (), timedelta(0), "for: 0 h; an incident lasts more than 0 and at most 30 days; give for example"),
        ("down", (), LONGEST + HOUR, "for: 30 d 1 h; an incident lasts more than 0 and at most 30 days"),
        ("down", (), 2 * HOUR, "flags: incident 1 about all flags lasts until 2027-12-02 14:00 UTC already; end that"),
        ("down", ("b", "a"), 2 * HOUR, "flags: incident 2 about flags a, c lasts until"),
        ("down", ("b",), 2 * HOUR, None),
        ("down", (), LONGEST, "sluice incident end 1"),
    ],
)
def test_what_cannot_be_declared_is_refused_with_place_value_rule_and_remedy(
    reason: str, flags: tuple[str, ...], length: timedelta, said: str | None
) -> None:
    """No reason, no length, too long a one, and a second on the same flags."""
    standing = (YEAR, replace(YEAR, number=2, flags=("a", "c")))
    found = objection(reason, flags, length, standing)
    assert (found is None) if said is None else (found is not None and said in found)


def test_of_several_the_one_that_lasts_longest_counts() -> None:
    """And none that somebody has ended."""
    short, long, ended = (replace(YEAR, number=n, until=BEGIN + n * DAY) for n in (1, 2, 3))
    assert long == latest((short, long, replace(ended, ended=BEGIN)))
    assert latest((replace(ended, ended=BEGIN),)) is None
    assert YEAR.covers("x")
    assert [True, False] == [replace(YEAR, flags=("x",)).covers(flag) for flag in ("x", "y")]
    assert [False, True, False] == [short.spans(at) for at in (short.since - HOUR, short.since, short.until)]


def _due(state: RolloutState, now: datetime) -> Due:
    step = due(PLAN, state, now)
    assert step is not None
    return step


def _unmarked(step: Transition | None) -> Transition | None:
    """The transition without the incident that was read along."""
    if step is None:
        return None
    return replace(step, before=replace(step.before, incident=None), after=replace(step.after, incident=None))
