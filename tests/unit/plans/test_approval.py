"""Whose approvals a plan demands: both forms of `approval`, the rules in words, and what is only warned of."""

from __future__ import annotations

import pytest

from plans.approval import Lapse, demanded, demanding
from plans.load import check, digest, from_json, loads, to_json
from plans.schema import Plan
from plans.timeline import timeline
from tests.unit.rollout.story import BEGIN, PLAN_TEXT

PEOPLE = "approvers: [ana@x, bo@x, cy@x]\n"


def plan(rules: str = "", approval: str = "required") -> Plan:
    """The story's plan with rules of its own, and another `approval` of its first phase."""
    return loads(_text(rules, approval))


def _text(rules: str, approval: str) -> str:
    return PLAN_TEXT.replace("approval: required", f"approval: {approval}") + rules


@pytest.mark.parametrize("said", ["{required: true}", "{}"])
def test_the_short_form_is_the_same_plan(said: str) -> None:
    """`approval: required` and a mapping that says no more have one digest, which is that of the short form."""
    short, long = plan(), plan(approval=said)
    assert short == long
    assert digest(short) == digest(long)
    assert '"approval":"required"' in to_json(long)


@pytest.mark.parametrize("said", ["required", "{expires: 3d}", "{required: true, expires: 3d, then: abort}"])
def test_an_approval_comes_back_from_the_store_as_it_went_in(said: str) -> None:
    """Both forms, with everything that they say."""
    assert plan(PEOPLE, said) == from_json(to_json(plan(PEOPLE, said)))


def test_a_question_that_expires_holds_unless_the_plan_says_abort() -> None:
    """The milder end is the default."""
    approval = plan(approval="{required: true, expires: 3d}").phases[0].approval
    assert approval is not None
    assert Lapse.HOLD is approval.then


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("", "anybody"),
        ("approvals: 2\n", "any 2 people"),
        ("requester_may_approve: false\n", "anybody, but not whoever asks for it"),
        ("approvers: [ana@x]\n", "ana@x"),
        (PEOPLE, "ana@x, bo@x or cy@x"),
        (PEOPLE + "approvals: 2\n", "2 of ana@x, bo@x, cy@x"),
        (PEOPLE + "approvals: 3\n", "all of ana@x, bo@x, cy@x"),
    ],
)
def test_the_demand_in_words(rules: str, words: str) -> None:
    """A plan that demands nothing takes anybody's yes, and says so nowhere."""
    assert words == demanded(plan(rules))
    assert demanding(plan(rules)) == (words != "anybody")


def test_the_preview_says_who_must_approve_and_when_the_question_lapses() -> None:
    """And of a plan that demands nothing what it always said."""
    strict = plan(PEOPLE + "approvals: 2\n", "{required: true, expires: 3d, then: abort}")
    told = [[step.text for step in timeline(one, BEGIN) if step.what == "approval"] for one in (plan(), strict)]
    assert [
        ["approval to leave alpha"],
        ["approval to leave alpha: by 2 of ana@x, bo@x, cy@x; lapses after 3d, then abort"],
    ] == told


@pytest.mark.parametrize(
    ("rules", "approval", "words"),
    [
        ("owner: ana@x\napprovers: [Ana@x]\nrequester_may_approve: false\n", "required", "if ana@x submits this plan"),
        ("owner: ana@x\napprovers: [ana@x, bo@x]\nrequester_may_approve: false\n", "required", ""),
        (PEOPLE, "", "approvers: warning: no phase asks for an approval"),
        ("approvals: 2\n", "", "approvals: warning: no phase asks for an approval"),
        ("requester_may_approve: false\n", "", "requester_may_approve: warning: no phase asks for an approval"),
    ],
)
def test_what_may_never_be_approved_is_warned_of(rules: str, approval: str, words: str) -> None:
    """A plan that its owner had better not submit, and rules for a question that is never asked."""
    text = _text(rules, approval) if approval else PLAN_TEXT.replace(", approval: required", "") + rules
    found, told = check(text)
    assert found is not None
    assert bool(told) == bool(words)
    assert all(words in str(problem) for problem in told)


def test_a_broken_part_is_told_of_once() -> None:
    """A duration that cannot be read says nothing about `then`, nor do approvers that cannot about their number."""
    texts = (_text("", "{expires: soon, then: abort}"), _text("approvers: [ana]\napprovals: 2\n", "required"))
    assert [1, 1] == [len(check(text)[1]) for text in texts]
