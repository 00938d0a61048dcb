"""What people are told, word for word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plans.expressions import Duration
from plans.schema import Then
from rollout.decide import decide, kill
from rollout.describe import (
    effect,
    state_name,
    status_json,
    takes_up,
)
from rollout.findings import headline, labelled, purpose, spoken, verdict
from rollout.model import Evidence, Role, Verb, Verdict
from rollout.notices import look_notices, notices
from tests.unit.rollout.story import BEGIN, DAY, PLAN, command, evidence, finding, settle, states
from tests.unit.rollout.trees import PLAN as TREE
from tests.unit.rollout.trees import raised

NOW = BEGIN + 6 * DAY
NAMES = {
    "awaiting": "Waiting for approval: Alpha → Beta",
    "beta": "Beta · 10 % · until Wed 9 Dec 09:00",
    "held": "Held: because",
    "completed": "General availability",
    "reverted": "Reverted: because",
    "killed": "Beta · 10 % · killed",
}


@pytest.mark.parametrize("where", sorted(NAMES))
def test_a_state_name_tells_the_story(where: str) -> None:
    """One line, readable without knowing Sluice."""
    state = states()[where]
    assert state_name(PLAN, state, evidence(state, NOW), NOW) == NAMES[where]


def test_a_rollout_without_data_says_what_holds_it() -> None:
    """Once the plan's patience is over: whose data, and for how long; before that it only waits."""
    state = states()["approved"]
    missing = evidence(state, NOW, error_rate=Verdict.NO_DATA)
    assert "Held: no data from events for 1 h" == state_name(PLAN, state, missing, NOW)
    few = evidence(state, NOW, error_rate=Verdict.UNPROVEN)
    assert "Alpha · 1 % · waiting: error_rate > 2x control: unproven" == state_name(PLAN, state, few, NOW)


def test_a_reverted_rollout_is_named_by_its_numbers() -> None:
    """The badge holds what was seen against the rule; the journal keeps the whole sentence."""
    beta = states()["beta"]
    bad = finding("error_rate > 2x control", Then.REVERT, Verdict.BREACH)._replace(seen=6.31, reason="a long sentence")
    step = decide(PLAN, beta, replace(evidence(beta, NOW), findings=(bad,)), (), NOW)
    assert step is not None
    assert "Reverted: error_rate 6.3x control > 2x" == state_name(PLAN, step.after, Evidence(), NOW)
    assert "a long sentence" == step.reason
    assert ("1 d 12 h", "90 min") == (spoken(Duration.parse("1d12h")), spoken(Duration.parse("90m")))


def test_an_effect_counts_people() -> None:
    """20,000 users, 10 %: two thousand go back."""
    beta = states()["beta"]
    step = decide(PLAN, beta, evidence(beta, NOW, error_rate=Verdict.BREACH), (), NOW)
    assert step is not None
    assert effect(PLAN, step.before, step.after) == "2,000 users go back to v1"
    off = kill(beta, "oncall", "bad", NOW)
    assert effect(PLAN, off.before, off.after) == "search-ai is off for everyone; 2,000 users had v2"
    grown = settle(states()["approved"], NOW)[0]
    assert effect(PLAN, grown.before, grown.after) == "1,800 users more get v2 (10 %)"
    bumped = settle(beta, NOW + 2 * DAY)[0]
    assert effect(PLAN, bumped.before, bumped.after) == "2,000 users get min_confidence 0.7 → 0.8"


def test_a_headline_holds_the_numbers_against_the_rule() -> None:
    """What was seen, then the limit."""
    bad = finding("error_rate > 2x control", Then.REVERT)._replace(seen=6.31)
    assert headline(bad) == "error_rate 6.3x control > 2x"
    assert headline(finding("accuracy < 85%", Then.REVERT)._replace(seen=0.812)) == "accuracy 81.2 % < 85 %"
    assert headline(finding("error_rate > 2x control", Then.REVERT)) == "error_rate > 2x control"


def test_a_notice_leads_with_what_happened() -> None:
    """The first line is what to do, the rest the evidence, the effect and the author."""
    beta = states()["beta"]
    step = decide(PLAN, beta, evidence(beta, NOW, error_rate=Verdict.BREACH), (), NOW)
    assert step is not None
    (notice,) = notices(PLAN, step)
    assert notice.event == "reverted"
    assert notice.title == "Nothing to do: v1 is back for 2,000 users since Mon 7 Dec 09:00"
    assert "2,000 users go back to v1" in notice.body


def test_missing_data_is_told_once() -> None:
    """The look at which it went missing tells; the next ones do not."""
    state = states()["beta"]
    late = NOW + timedelta(hours=1)
    fine, gone = evidence(state, late), evidence(state, late, error_rate=Verdict.NO_DATA)
    assert look_notices(PLAN, state, Evidence(), evidence(state, NOW, error_rate=Verdict.NO_DATA)) == ()
    assert [notice.event for notice in look_notices(PLAN, state, fine, gone)] == ["no_data"]
    assert look_notices(PLAN, state, gone, replace(gone, at=late + timedelta(minutes=5))) == ()


def test_status_has_every_promised_field() -> None:
    """The shape that scripts rely on."""
    state = states()["awaiting"]
    shape = status_json(PLAN, state, Evidence(), NOW, environment="test", prefect_url=None)
    promised = (
        "name flag status phase exposure settings revision since next blocked_by environment criteria prefect_url"
    )
    assert set(promised.split()) <= set(shape)
    assert (shape["status"], shape["phase"], shape["exposure"]) == ("awaiting_approval", "alpha", 1.0)
    assert shape["blocked_by"][0] == {"code": "approval", "text": "approval to leave alpha", "clears": "person"}


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in {Verb.KILL, Verb.RESTORE}])
def test_every_transition_has_a_notice(verb: Verb) -> None:
    """Nothing happens silently."""
    for where, state in states().items():
        args = {"settings": {"model": "v3"}, "duration": "1d", "phase": "alpha"}
        step = decide(PLAN, state, evidence(state, NOW), (command(verb, args=args),), NOW)
        if step is not None:
            (notice,) = notices(PLAN, step)
            assert notice.title.partition(":")[0] in {"Nothing to do", "Decide", "Look"}, where
            assert notice.body.startswith("search-v2: "), where


def test_a_resume_names_what_it_takes_up() -> None:
    """The journal and the notice link it to the revert or disable that it overrules; a hold's resume links nothing."""
    fallen = states()["reverted"]
    step = decide(PLAN, fallen, Evidence(), (command(Verb.RESUME, reason="false alarm"),), NOW)
    assert step is not None
    assert fallen.revision == takes_up(step.verb, step.before)
    (notice,) = notices(PLAN, step)
    assert f"false alarm\ntakes up what ended at revision {fallen.revision}: because\n" in notice.body
    assert takes_up(Verb.RESUME, states()["held"]) is None
    assert takes_up(Verb.RESTORE, fallen) is None


def test_a_branch_is_labelled_and_established_where_a_criterion_is_breached() -> None:
    """`keep_if` and `note_if` may be the same words, and neither is a breach of anything."""
    branch = finding("accuracy >= control + 2pp", Then.NOTIFY, Verdict.BREACH)._replace(role=Role.SHIP, seen=0.0312)
    stop = finding("error_rate > 2x control", Then.HOLD, Verdict.BREACH)
    assert ("ship: accuracy >= control + 2pp", "ship", "established") == (
        labelled(branch),
        purpose(branch),
        verdict(branch),
    )
    assert ("error_rate > 2x control", "hold", "breach") == (labelled(stop), purpose(stop), verdict(stop))
    assert "accuracy +3.1pp: accuracy >= control + 2pp" == headline(branch)
    assert "accuracy -2.0pp: accuracy < control" == headline(
        branch._replace(criterion="accuracy < control", seen=-0.02)
    )


def test_a_state_name_says_what_is_observed() -> None:
    """Nothing grows meanwhile, and the name says until when and why."""
    state = raised()
    told = (
        "Alpha · 1 % · observing min_confidence 0.8 until Thu 3 Dec 09:00: kept if false_positive_rate < 5%, "
        "given up on Sat 5 Dec 09:00"
    )
    assert told == state_name(TREE, state, Evidence(), BEGIN + DAY)
