"""Whose yes counts: every person against every rule, how many it takes, and what an unanswered question comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations, product

import pytest

from plans.load import digest, loads
from plans.schema import Plan
from rollout.amending import changes, waits
from rollout.approving import lapsing, objection, question, standing, unapprovable
from rollout.commands import ALLOWED, refusal
from rollout.decide import decide, due, initial
from rollout.describe import effect, state_name, status_json
from rollout.model import Cause, Command, Evidence, RolloutState, Status, Transition, Verb
from rollout.notices import notices, reminder
from rollout.proposing import Proposal
from state.credentials import LOWERS
from tests.unit.rollout.story import BEGIN, DAY, PLAN_TEXT, command, evidence

ASKED = BEGIN + 3 * DAY
PEOPLE = ("ana@x", "bo@x", "cy@x")
LISTS: tuple[tuple[str, ...], ...] = ((), ("ana@x",), ("ana@x", "bo@x"), PEOPLE)


def plan(
    approvers: tuple[str, ...] = (), approvals: int = 1, *, requester: bool = True, approval: str = "required"
) -> Plan:
    """The story's plan with these rules."""
    listed = f"approvers: [{', '.join(approvers)}]\n" if approvers else ""
    rules = f"{listed}approvals: {approvals}\nrequester_may_approve: {str(requester).lower()}\n"
    return loads(PLAN_TEXT.replace("approval: required", f"approval: {approval}") + rules)


def asking(of: Plan, requester: str = "pm@x") -> RolloutState:
    """A rollout that somebody submitted, waiting for its first approval."""
    state = replace(initial(of, BEGIN - DAY), requester=requester)
    for now in (BEGIN, ASKED):
        step = decide(of, state, evidence(state, now), (), now)
        assert step is not None
        state = step.after
    assert state.status is Status.AWAITING_APPROVAL
    return state


def yes(person: str | None, number: int = 1, *, at: datetime = ASKED, verb: Verb = Verb.APPROVE) -> Command:
    """A command by somebody who is known to be this person, or by nobody who is known."""
    return command(verb, number, by=person or "whoever", person=person, at=at)


def answered(of: Plan, state: RolloutState, person: str | None, at: datetime = ASKED) -> Transition | None:
    """What one answer comes to."""
    return decide(of, state, Evidence(), (yes(person, at=at),), at)


STRICT = plan(PEOPLE, 2, requester=False, approval="{required: true, expires: 3d}")
ABORTS = plan(PEOPLE, 2, requester=False, approval="{required: true, expires: 3d, then: abort}")


@pytest.mark.parametrize("asked_by", ["pm@x", "Ana@x"])
@pytest.mark.parametrize("requester", [True, False])
@pytest.mark.parametrize("approvals", [1, 2])
@pytest.mark.parametrize("approvers", [people for people in LISTS if len(people) != 1])
def test_every_person_against_every_rule(
    approvers: tuple[str, ...],
    approvals: int,
    requester: bool,  # noqa: FBT001 - a case
    asked_by: str,
) -> None:
    """Counted are different people that are known, on the list where there is one, and not the requester's own."""
    of = plan(approvers, approvals, requester=requester)
    free = not approvers and approvals == 1 and requester
    for order in permutations(("ana@x", "BO@x", "pm@x", "eve@x", None, "ANA@x"), 3):
        state, counted = asking(of, asked_by), list[str]()
        for person in order:
            step = answered(of, state, person)
            fits = person is not None and (not approvers or person.casefold() in approvers)
            mine = person is not None and person.casefold() == asked_by.casefold() and not requester
            new = person is not None and person.casefold() not in counted
            assert (step is not None) == (free or (fits and new and not mine))
            if step is None:
                continue
            counted.append((person or "whoever").casefold())
            state = step.after
            assert state.approved == (len(counted) == approvals)
            assert (state.status is Status.RUNNING) == state.approved
            if state.approved:
                break


def test_each_yes_that_counts_is_a_line_of_the_journal() -> None:
    """With how many are in, who may still approve, and no step before the last one that is needed."""
    state = asking(STRICT)
    first = answered(STRICT, state, "ana@x")
    assert first is not None
    assert (Verb.APPROVE, Cause.PERSON, (1,)) == (first.verb, first.cause, first.consumes)
    assert (state.question, state.since, ("ana@x",)) == (
        first.after.question,
        first.after.since,
        first.after.approved_by,
    )
    assert "1 of 2 approvals (ana@x); bo@x or cy@x may approve" == effect(STRICT, first.before, first.after)
    assert "(1 of 2 approvals)" in state_name(STRICT, first.after, Evidence(), ASKED)
    second = answered(STRICT, first.after, "cy@x")
    assert second is not None
    assert (True, Status.RUNNING, ("ana@x", "cy@x")) == (
        second.after.approved,
        second.after.status,
        second.after.approved_by,
    )


def test_a_question_that_is_asked_anew_forgets_who_approved_the_last_one() -> None:
    """A yes is to one question: after a hold and a resume everybody is asked again."""
    step = answered(STRICT, asking(STRICT), "ana@x")
    assert step is not None
    state = step.after
    for verb in (Verb.HOLD, Verb.RESUME):
        step = decide(STRICT, state, Evidence(), (yes("pm@x", verb=verb),), ASKED)
        assert step is not None
        state = step.after
    step = decide(STRICT, state, evidence(state, ASKED), (), ASKED)
    assert step is not None
    assert (2, ()) == (step.after.question, step.after.approved_by)


@pytest.mark.parametrize(
    ("given", "person", "words"),
    [
        ((), None, "it takes 2 of ana@x, bo@x, cy@x, but not whoever asks for it, and nobody vouches for who you are"),
        ((), "eve@x", "eve@x is not one of the approvers; ana@x, bo@x or cy@x may approve"),
        (("ana@x",), "Ana@x", "Ana@x has approved this already, 1 of 2 approvals (ana@x); bo@x or cy@x may approve"),
        ((), "bo@x", "bo@x asked for this and may not approve it; ana@x or cy@x may approve"),
    ],
)
def test_a_refusal_says_the_rule_and_the_remedy(given: tuple[str, ...], person: str | None, words: str) -> None:
    """Who is refused learns why, and who may."""
    state = replace(asking(STRICT, "bo@x" if person == "bo@x" else "pm@x"), approved_by=given)
    assert words in str(refusal(STRICT, state, Evidence(), yes(person), ASKED))


def test_anybody_may_be_all_but_one() -> None:
    """Without a list everybody who is known counts, but the requester where the plan says so."""
    of = plan((), 2, requester=False)
    state = replace(asking(of), approved_by=("ana@x",))
    why = str(refusal(of, state, Evidence(), yes("pm@x"), ASKED))
    assert "pm@x asked for this and may not approve it; anybody else but pm@x may approve" == why


@pytest.mark.parametrize("verb", sorted(LOWERS & ALLOWED.keys()))
@pytest.mark.parametrize("at", [ASKED, ASKED + 30 * DAY])
def test_no_rule_of_approvals_ever_keeps_anybody_from_taking_exposure_back(verb: Verb, at: datetime) -> None:
    """Abort, hold, back and rollback by nobody who is known come to the same whatever a plan demands of approvers."""
    args = {"phase": "alpha"} if verb is Verb.BACK else {}
    asked = command(verb, by="whoever", at=at, args=args)
    found = []
    for of in (plan(), STRICT):
        alpha = asking(of)
        beta = replace(alpha, phase=1, exposure=10_000)
        done = replace(alpha, status=Status.COMPLETED)
        found.append([refusal(of, state, Evidence(), asked, at) for state in (alpha, beta, done)])
    assert found[0] == found[1]
    assert None in found[1]


@pytest.mark.parametrize(
    ("of", "verb", "status"), [(STRICT, Verb.HOLD, Status.HELD), (ABORTS, Verb.ABORT, Status.REVERTED)]
)
def test_an_unanswered_question_lapses_once_and_never_raises_exposure(of: Plan, verb: Verb, status: Status) -> None:
    """At its instant and not before, as the plan says, and again only after it was asked again."""
    step = answered(of, asking(of), "ana@x")
    assert step is not None
    state, ends = step.after, ASKED + 3 * DAY
    found = due(of, state, ASKED)
    assert found is not None
    assert (ends, verb) == (found.at, found.what)
    assert decide(of, state, evidence(state, ends), (), ends - timedelta(seconds=1)) is None
    lapsed = decide(of, state, evidence(state, ends), (), ends)
    assert lapsed is not None
    assert (verb, Cause.SCHEDULE, status) == (lapsed.verb, lapsed.cause, lapsed.after.status)
    assert "not approved to leave alpha within 3d, 1 of 2 approvals" == lapsed.reason == lapsed.after.reason
    assert lapsed.after.exposure <= state.exposure
    assert decide(of, lapsed.after, evidence(lapsed.after, ends), (), ends + 30 * DAY) is None


@pytest.mark.parametrize(("hours", "counts"), [(-1, True), (0, False), (1, False)])
def test_an_answer_counts_if_it_was_given_in_time(hours: int, counts: bool) -> None:  # noqa: FBT001 - a case
    """Even where it is carried out late; one that came too late is refused with the remedy, and the question lapses."""
    state, ends = asking(STRICT), ASKED + 3 * DAY
    asked = yes("ana@x", at=ends + timedelta(hours=hours))
    step = decide(STRICT, state, Evidence(), (asked,), ends + DAY)
    assert step is not None
    assert (Verb.APPROVE if counts else Verb.HOLD) is step.verb
    why = refusal(STRICT, state, Evidence(), asked, ends + DAY)
    assert (why is None) == counts
    assert counts or "the question lapsed Mon 7 Dec 09:00, then hold; resume asks anew" == why


@pytest.mark.parametrize("killed", [True, False])
def test_a_killed_flag_keeps_no_question_open(killed: bool) -> None:  # noqa: FBT001 - a case
    """The question lapses by the calendar whatever the switch says."""
    state = replace(asking(ABORTS), killed=killed)
    lapsed = decide(ABORTS, state, Evidence(), (), ASKED + 3 * DAY)
    assert lapsed is not None
    assert Verb.ABORT is lapsed.verb


def test_a_question_without_an_end_stands_for_ever() -> None:
    """Today's `approval: required`."""
    of = plan()
    assert (None, None) == (lapsing(of, asking(of)), due(of, asking(of), ASKED))
    assert decide(of, asking(of), Evidence(), (), ASKED + 300 * DAY) is None
    assert [] == list(standing(of, asking(of)))


def test_people_are_told_who_may_approve_how_many_are_in_and_when_it_lapses() -> None:
    """The notice, the reminder and the status say the same three things."""
    of, state = STRICT, asking(STRICT)
    said = [
        "it takes 2 of ana@x, bo@x, cy@x, but not whoever asks for it",
        "1 of 2 approvals (ana@x); bo@x or cy@x may approve",
        "the question lapses Mon 7 Dec 09:00, then hold",
    ]
    first = answered(of, state, "ana@x")
    assert first is not None
    (notice,) = notices(of, first)
    assert notice.title.startswith("Decide: search-v2: 1 of 2 approvals")
    told = [notice.body, reminder(of, first.after, ASKED + DAY).body]
    assert all(line in body for line in said for body in told)
    shape = status_json(of, first.after, Evidence(), ASKED, environment="e", prefect_url=None)["approval"]
    assert said == shape["standing"]
    assert (["ana@x"], 2, "pm@x", "2026-12-07T14:00:00Z", "hold") == tuple(
        shape[name] for name in ("approved_by", "approvals", "excluded", "lapses", "then")
    )
    last = answered(of, first.after, "bo@x")
    assert last is not None
    assert notices(of, last)[0].title.startswith("Nothing to do")


@pytest.mark.parametrize(
    ("approvers", "approvals", "requester", "submits", "possible"),
    [
        (("ana@x",), 1, False, "Ana@x", False),
        (("ana@x", "bo@x"), 2, False, "ana@x", False),
        (("ana@x", "bo@x"), 1, False, "ana@x", True),
        (("ana@x",), 1, True, "ana@x", True),
        (("ana@x",), 1, False, "pm@x", True),
        ((), 2, False, "pm@x", True),
    ],
)
def test_a_plan_that_its_requester_makes_unapprovable_is_not_taken_in(
    approvers: tuple[str, ...],
    approvals: int,
    requester: bool,  # noqa: FBT001 - a case
    submits: str,
    possible: bool,  # noqa: FBT001 - a case
) -> None:
    """Where the requester is one of the approvers and too few are left."""
    assert possible == (unapprovable(plan(approvers, approvals, requester=requester), submits) is None)


def amending(of: Plan, person: str | None, number: int = 7, *, approves: bool = False) -> Command:
    """A command that makes the plan looser, or says yes to that."""
    new = of.model_copy(update={"stop": loads(PLAN_TEXT.replace("> 2x control", "> 3x control")).stop})
    args = {"digest": digest(new), "plan": new} | ({"approves": True} if approves else {})
    return command(Verb.AMEND, number, by=person or "whoever", person=person, args=args)


def test_an_amendment_is_approved_by_the_same_rules() -> None:
    """Approvers, each once, as many as it takes; the one who asked for it may not, whoever submitted the plan may."""
    of = plan(PEOPLE, 2, requester=False)
    state = replace(asking(of, "bo@x"), proposal=None)
    asked = decide(of, state, Evidence(), (amending(of, "ana@x"),), ASKED)
    assert asked is not None
    assert asked.after.proposal is not None
    assert (Verb.PROPOSE, "ana@x", ()) == (asked.verb, asked.after.proposal.requester, asked.after.proposal.approved_by)
    assert "0 of 2 approvals; bo@x or cy@x may approve" in effect(of, asked.before, asked.after)
    state = asked.after
    for person, words in (("ana@x", "asked for this"), ("eve@x", "not one of"), (None, "nobody vouches")):
        assert words in str(refusal(of, state, Evidence(), amending(of, person, approves=True), ASKED))
    first = decide(of, state, Evidence(), (amending(of, "bo@x", approves=True),), ASKED)
    assert first is not None
    assert (Verb.APPROVE, None, Status.AWAITING_APPROVAL) == (first.verb, first.plan, first.after.status)
    assert "1 of 2 approvals (bo@x); cy@x may approve" in effect(of, first.before, first.after)
    assert "already" in str(refusal(of, first.after, Evidence(), amending(of, "bo@x", approves=True), ASKED))
    last = decide(of, first.after, Evidence(), (amending(of, "cy@x", approves=True),), ASKED)
    assert last is not None
    assert (Verb.AMEND, None) == (last.verb, last.after.proposal)
    assert last.plan is not None


def test_the_approvals_of_an_amendment_and_of_a_question_are_counted_apart() -> None:
    """Two people who each said yes to one of them have agreed on neither."""
    of = plan(PEOPLE, 2)
    waiting = Proposal(digest="d", command=1, by="pm", reason="", at=ASKED, requester="pm", approved_by=("ana@x",))
    step = answered(of, replace(asking(of), proposal=waiting), "bo@x")
    assert step is not None
    assert (Status.AWAITING_APPROVAL, ("bo@x",), waiting) == (
        step.after.status,
        step.after.approved_by,
        step.after.proposal,
    )


def test_a_plan_cannot_be_amended_to_need_fewer_approvals_without_them() -> None:
    """Taking the rules out is looser, so it waits for the approvals that they demand."""
    state = asking(STRICT)
    for looser in (plan(), plan(PEOPLE, 1, requester=False), plan(("ana@x", "eve@x"), 2), plan(PEOPLE, 2)):
        assert waits(changes(STRICT, state, looser))


def test_objection_is_silent_where_nothing_is_demanded() -> None:
    """Every plan of before: anybody counts, known or not."""
    of = plan()
    assert [None, None] == [objection(of, question(asking(of)), person) for person in (None, "eve@x")]


def test_every_pair_of_approvers_will_do() -> None:
    """Whichever two of three, in whichever order, and never the same one twice."""
    of = plan(PEOPLE, 2)
    for one, other in product(PEOPLE, PEOPLE):
        step = answered(of, asking(of), one)
        assert step is not None
        assert (answered(of, step.after, other) is not None) == (one != other)
