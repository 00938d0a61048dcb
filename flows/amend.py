"""The forms that change the plan of a rollout under way: the difference is shown first, then its digest says yes."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.house import House, open_house
from flows.identity import named
from flows.markdown import bullets, escape, problems_table, table
from flows.results import done, refused, told
from gates.judge import unsupported
from plans.load import PlanError
from rollout.amending import amended_plan, changes
from rollout.commands import refusal
from rollout.model import Command, Verb
from state import step
from state.author import Author
from state.credentials import Scope
from state.errors import StoreError

PROCESS = "prefect form"


@flow(name="amend-plan", persist_result=False)
def amend_plan(rollout: str, plan: str, reason: str, digest: str = "", your_name: str = "", code: str = "") -> State:
    """Change the plan of a rollout that is under way, once you have seen what that changes.

    Args:
        rollout: The rollout's name.
        plan: The whole edited plan file, pasted.
        reason: Kept in the journal.
        digest: Leave empty to check only. To amend for real, paste the digest that the check showed.
        your_name: Kept in the journal as claimed; where there are keys, the e-mail address of yours.
        code: Where there are keys, the code that your device shows now.

    """
    house = open_house(PROCESS)
    try:
        who = named(house, Scope.ROLLOUTS_SUBMIT, your_name, code)
        return _amended(house, rollout, plan, reason, digest.strip(), who)
    except PlanError as error:
        return refused("Refused: the plan has problems", f"### Nothing was changed\n\n{problems_table(error.problems)}")
    except StoreError as error:
        return refused("Refused", f"### Nothing was changed\n\n{escape(error)}")


@flow(name="approve-amendment", persist_result=False)
def approve_amendment(rollout: str, digest: str, reason: str = "", your_name: str = "", code: str = "") -> State:
    """Put the amendment of a plan in force that waits; its digest is on the page of the form that proposed it."""
    house = open_house(PROCESS)
    try:
        who = named(house, Scope.ROLLOUTS_APPROVE, your_name, code)
        asked = house.store, rollout, digest.strip(), who.by, reason, house.clock.now()
        outcome = step.approve_amendment(*asked, person=who.person)
    except StoreError as error:
        return refused("Refused", escape(error))
    return told("amend", rollout, outcome)


def _amended(house: House, name: str, text: str, reason: str, pasted: str, who: Author) -> State:
    """What the amendment changes, and where its digest was pasted, the amendment itself."""
    args = step.amendment(house.store, name, text, known=house.known)
    asked = Command(id=0, verb=Verb.AMEND, by=who.by, reason=reason, at=house.clock.now(), args=args, person=who.person)
    found, rollout = amended_plan(asked), house.store.rollout(name)
    if open_ := unsupported(found):
        return refused("Refused: not all of it can be judged", f"### Nothing was changed\n\n{bullets(open_)}")
    if why := refusal(rollout.plan, rollout.state, rollout.evidence, asked, asked.at):
        return refused("Refused", f"### Nothing was changed\n\n{escape(why)}")
    known = str(args["digest"])
    lines = [(one.effect, one.place, one.words) for one in changes(rollout.plan, rollout.state, found)]
    page = table(("effect", "place", "change"), lines)
    if pasted == known:
        given = house.store, name, Verb.AMEND, who.by, reason, house.clock.now()
        outcome = step.command(*given, args=args, person=who.person)
        waiting = house.store.rollout(name).state.proposal
        agree = f"To agree, run the form `approve-amendment` with digest `{known}`"
        return told("amend", name, outcome, agree if waiting is not None and waiting.digest == known else "")
    if pasted:
        return refused(
            "Refused: another digest", f"### Nothing was changed\n\nThis plan's digest is `{known}`.\n\n{page}"
        )
    say = f"To amend to exactly this plan, run the form again with digest `{known}`"
    return done(f"Checked: {name}", f"### {escape(name)}: this is what would change\n\n{page}\n\n{say}")
