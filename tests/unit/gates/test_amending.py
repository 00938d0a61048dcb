"""Amendments spend what is left of the promise and never more; what they leave alone goes on as it was."""

from itertools import product
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.amending import amended, at_stake
from gates.judge import Gate, Memory, judge
from gates.memory import blank
from rollout.model import Verdict
from tests.unit.gates.rollouts import NAMES, after, bucket, gate, state

ALPHA = 0.05
CRITERIA = (
    "error_rate > 2x control",
    "error_rate > 3x control",
    "error_rate > 5%",
    "error_rate > 1.5x control",
    {"when": "error_rate > 8%", "then": "disable"},
    {"when": "error_rate > 4x control", "then": "hold"},
)
PLANS = st.lists(st.sampled_from(range(len(CRITERIA))), min_size=1, max_size=4, unique=True)
COUNTS = st.tuples(st.integers(0, 6), st.integers(0, 30))
TRUST = 1 + 1e-9


def of(*chosen: int) -> Gate:
    """The gate of a plan with some of the criteria."""
    return gate(*(CRITERIA[number] for number in chosen))


def seen(rules: Gate, memory: Memory, index: int, bad: int, control: int, *, of_units: int = 200) -> Memory:
    """The memory after one more bucket."""
    found = bucket(index, (bad, of_units), (control, 1_800))
    return judge(rules, memory, (found,), state(), after(index + 1), NAMES)[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PLANS, st.lists(COUNTS, max_size=4)), min_size=2, max_size=5))
def test_no_sequence_of_amendments_ever_has_more_at_stake_than_before(
    story: list[tuple[list[int], list[tuple[int, int]]]],
) -> None:
    """Over all tests share times evidence: at the outset the promise, and no amendment makes it grow."""
    rules, index = of(*story[0][0]), 0
    memory = blank(rules)
    assert isclose(ALPHA, at_stake(rules, memory))
    for chosen, counts in story:
        new = of(*chosen)
        left = at_stake(rules, memory)
        memory, rules = amended(rules, new, memory), new
        assert at_stake(rules, memory) <= left * TRUST
        for bad, control in counts:
            memory = seen(rules, memory, index, bad, control)
            index += 1


@pytest.mark.parametrize("chosen", [(0,), (0, 2), (0, 4, 5), (5,)])
def test_the_same_plan_changes_nothing(chosen: tuple[int, ...]) -> None:
    """An amendment that touches no criterion leaves the memory as it is, to the last bit."""
    rules = of(*chosen)
    memory = seen(rules, seen(rules, blank(rules), 0, 5, 30), 1, 3, 20)
    assert memory == amended(rules, of(*chosen), memory)


def test_a_criterion_that_stays_keeps_its_evidence_and_the_counts_it_rests_on() -> None:
    """Another one beside it is changed; its own evidence goes on from where it was, on the level that it had."""
    old, new = of(0, 2), of(0, 4)
    memory = seen(old, blank(old), 0, 8, 30)
    kept = amended(old, new, memory).records[0]
    assert memory.records[0] == kept


def test_a_changed_criterion_begins_afresh_on_what_its_predecessor_left() -> None:
    """No counts, no evidence, and a share of the promise no larger than the unspent part."""
    old, new = of(0), of(1)
    memory = blank(old)
    for index in range(50):
        memory = seen(old, memory, index, 4, 36)
    before, (after_,) = memory.records[0].trial, amended(old, new, memory).records
    assert before.found < 1
    assert (0, 0) == (after_.trial.treatment_bad, after_.trial.treatment_total)
    assert isclose(before.found, after_.trial.found)
    assert memory.records[0].known.past_total == after_.known.past_total


def test_evidence_against_the_candidate_is_no_capital_for_the_next_criterion() -> None:
    """What spoke for a breach is dropped with the criterion; its successor gets the whole share and not more."""
    old, new = of(0), of(1)
    memory = seen(old, blank(old), 0, 14, 40)
    assert memory.records[0].trial.found > 1
    assert 1.0 == amended(old, new, memory).records[0].trial.found


def test_a_criterion_that_is_taken_away_leaves_its_share_for_one_that_comes_later() -> None:
    """And no other criterion comes nearer to a breach by that."""
    old, fewer = of(0, 2), of(0)
    memory = seen(old, blank(old), 0, 4, 36)
    less = amended(old, fewer, memory)
    shares = [rule.records[0].trial.found / of_.rules[0].threshold for rule, of_ in ((memory, old), (less, fewer))]
    assert isclose(*shares)
    assert less.spare > 0
    again = amended(fewer, old, less)
    assert 0 == again.spare
    assert again.records[1].trial.found > 0.5


def test_a_criterion_that_is_added_is_paid_by_the_others() -> None:
    """At the outset the amended plan is judged exactly as if it had been submitted like that."""
    old, new = of(0), of(0, 2)
    memory = amended(old, new, blank(old))
    assert all(isclose(1.0, record.trial.found) for record in memory.records)


def test_a_plan_in_which_nothing_reverts_has_all_of_its_promise_left() -> None:
    """The first criterion that reverts gets it whole."""
    memory = amended(of(5), of(5, 0), blank(of(5)))
    assert isclose(1.0, memory.records[1].trial.found)


@pytest.mark.parametrize(("before", "now"), list(product([(0, 5), (2, 4, 5)], [(0, 5), (0, 2, 5), (5,)])))
def test_a_breach_outlives_every_amendment_that_keeps_its_criterion(
    before: tuple[int, ...], now: tuple[int, ...]
) -> None:
    """A criterion that holds and is breached stays breached, whatever level the plan has now."""
    old, new = of(*before), of(*now)
    memory = blank(old)
    for index in range(12):
        memory = seen(old, memory, index, 60, 36)
    memory, found = judge(new, amended(old, new, memory), (), state(), after(12), NAMES)
    (held,) = [finding for finding in found.findings if finding.criterion == "error_rate > 4x control"]
    assert Verdict.BREACH == held.verdict


def test_a_fault_is_still_found_after_an_amendment() -> None:
    """A fresh criterion on less than a whole share takes longer, and comes."""
    old, new = of(0), of(1)
    memory = blank(old)
    for index in range(50):
        memory = seen(old, memory, index, 4, 36)
    memory = amended(old, new, memory)
    for index in range(50, 90):
        memory = seen(new, memory, index, 24, 36)
    assert memory.records[0].trial.peak >= new.rules[0].threshold


def test_a_memory_with_stakes_is_read_back_whole() -> None:
    """JSON and back, and a memory from before there were stakes reads as one on the whole promise."""
    old, new = of(0, 2), of(1)
    memory = amended(old, new, seen(old, blank(old), 0, 4, 36))
    assert memory == Memory.from_json(memory.to_json())
