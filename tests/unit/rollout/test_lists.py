"""Units that people put on a list: served as asked, refused where that makes no sense, outside the evidence."""

from dataclasses import replace

import pytest

from rollout.decide import decide, refusal
from rollout.describe import effect
from rollout.exposure import Flag, Variant, bucket, cohort, served, variant
from rollout.lists import MOST, Listed
from rollout.model import LIVE, Cohort, Evidence, RolloutState, Status, Verb
from tests.unit.rollout.story import BEGIN, DAY, PLAN, command, evidence, states

EXPOSED = next(f"u{n}" for n in range(10_000) if bucket(PLAN.bucketing_salt, f"u{n}") < 10_000)
UNEXPOSED = next(f"u{n}" for n in range(10_000) if bucket(PLAN.bucketing_salt, f"u{n}") >= 10_000)
NOW = BEGIN + 7 * DAY


def test_allow_gives_the_candidate_and_block_stable() -> None:
    """Whatever the bucket says, from this transition on."""
    beta = states()["beta"]
    assert (Variant.STABLE, Variant.CANDIDATE) == (_variant(beta, UNEXPOSED), _variant(beta, EXPOSED))
    assert Variant.CANDIDATE == _variant(_listed(beta, Verb.ALLOW, UNEXPOSED), UNEXPOSED)
    assert Variant.STABLE == _variant(_listed(beta, Verb.BLOCK, EXPOSED), EXPOSED)


def test_a_unit_taken_off_its_list_is_served_by_its_bucket_again() -> None:
    """As before it was listed."""
    off = _listed(_listed(states()["beta"], Verb.BLOCK, EXPOSED), Verb.UNLIST, EXPOSED)
    assert Variant.CANDIDATE == _variant(off, EXPOSED)


def test_whoever_was_ever_listed_belongs_to_no_cohort() -> None:
    """On the list and off it again, while everyone else is counted as before."""
    beta = states()["beta"]
    blocked = _listed(beta, Verb.BLOCK, EXPOSED)
    assert [Cohort.TREATMENT, None, None] == [
        _cohort(state, EXPOSED) for state in (beta, blocked, _listed(blocked, Verb.UNLIST, EXPOSED))
    ]
    assert Cohort.CONTROL == _cohort(blocked, UNEXPOSED)


def test_a_block_wins_over_every_allow() -> None:
    """By hand over the plan's allow list, and the plan's block list over an allow by hand."""
    state = _listed(_listed(states()["beta"], Verb.ALLOW, "vip"), Verb.BLOCK, EXPOSED)
    listed = replace(_flag(state), allow=({"user": (EXPOSED,)},), block=({"user": ("vip",)},))
    assert [Variant.STABLE] * 2 == [variant(listed, unit, {})[0] for unit in ("vip", EXPOSED)]


def test_a_wildcard_in_a_units_name_is_no_wildcard() -> None:
    """A person lists one unit, never a pattern."""
    state = _listed(states()["beta"], Verb.ALLOW, "u*")
    assert Variant.STABLE == _variant(state, UNEXPOSED)


@pytest.mark.parametrize("verb", [Verb.ABORT, Verb.HOLD])
def test_a_revert_takes_the_candidate_from_listed_units_too(verb: Verb) -> None:
    """A list is in force while the rollout is live, and not a moment longer."""
    ended = _done(_listed(states()["beta"], Verb.ALLOW, UNEXPOSED), verb)
    expected = Variant.STABLE if verb is Verb.ABORT else Variant.CANDIDATE
    assert expected == _variant(ended, UNEXPOSED)


def test_lists_last_through_a_revert_and_a_resume() -> None:
    """Whom a person blocked is blocked in the rollout that is taken up again."""
    fallen = _done(_listed(states()["beta"], Verb.BLOCK, EXPOSED), Verb.ABORT)
    assert Variant.STABLE == _variant(_done(fallen, Verb.RESUME), EXPOSED)


def test_a_change_of_lists_moves_nothing_else() -> None:
    """Phase, exposure, settings and the dates of the evidence stay; only buckets end here."""
    beta = states()["beta"]
    after = _listed(beta, Verb.ALLOW, UNEXPOSED)
    kept = replace(after, forced={}, revision=beta.revision, epoch=beta.epoch)
    assert beta == kept
    assert (after.revision, after.revision) == (beta.revision + 1, after.epoch)


@pytest.mark.parametrize("name", states())
def test_only_a_live_rollout_has_lists(name: str) -> None:
    """Refused in every final state."""
    state = states()[name]
    refused = refusal(PLAN, state, Evidence(), command(Verb.ALLOW, args={"unit": "u"}), NOW)
    assert (state.status in LIVE) == (refused is None)


@pytest.mark.parametrize(
    ("verb", "unit", "reason", "words"),
    [
        (Verb.ALLOW, "", "why", "1 to 200"),
        (Verb.BLOCK, "x" * 201, "why", "1 to 200"),
        (Verb.ALLOW, "u", "", "give a reason"),
        (Verb.BLOCK, "blocked", "why", "already"),
        (Verb.UNLIST, "u", "", "no list by hand"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_remedy(verb: Verb, unit: str, reason: str, words: str) -> None:
    """No unit, no reason, there already, not there at all."""
    state = _listed(states()["beta"], Verb.BLOCK, "blocked")
    told = refusal(PLAN, state, Evidence(), command(verb, args={"unit": unit}, reason=reason), NOW)
    assert told is not None
    assert words in told


def test_lists_made_by_hand_have_an_end() -> None:
    """The journal keeps them with every transition, so they stay short; who is on one may still be moved."""
    full = replace(states()["beta"], forced={f"u{n}": Listed.ALLOW for n in range(MOST)})
    refused = refusal(PLAN, full, Evidence(), command(Verb.ALLOW, args={"unit": "more"}), NOW)
    assert "500 units" in str(refused)
    assert refusal(PLAN, full, Evidence(), command(Verb.BLOCK, args={"unit": "u1"}), NOW) is None


def test_the_effect_names_the_unit_and_what_becomes_of_its_outcomes() -> None:
    """In words, for each of the three."""
    beta = states()["beta"]
    blocked = _listed(beta, Verb.BLOCK, "u-7")
    told = [effect(PLAN, beta, blocked), effect(PLAN, blocked, _listed(blocked, Verb.UNLIST, "u-7"))]
    told.append(effect(PLAN, beta, _listed(beta, Verb.ALLOW, "u-7")))
    assert all("u-7" in words and "count" in words for words in told)


def _listed(state: RolloutState, verb: Verb, unit: str) -> RolloutState:
    return _done(state, verb, unit=unit)


def _done(state: RolloutState, verb: Verb, **args: object) -> RolloutState:
    transition = decide(PLAN, state, evidence(state, NOW), (command(verb, args=args),), NOW)
    assert transition is not None
    assert verb == transition.verb
    return transition.after


def _flag(state: RolloutState) -> Flag:
    return served(PLAN, state, "")


def _variant(state: RolloutState, unit: str) -> Variant:
    return variant(_flag(state), unit, {})[0]


def _cohort(state: RolloutState, unit: str) -> Cohort | None:
    assert state.status is not Status.REVERTED
    return cohort(_flag(state), unit, {}, state.exposure)
