"""What people do from Prefect's UI: small forms over the same commands that the command line has.

Every form leaves a page on its run that says what it did or why it did nothing. A name in a form is a claim.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import JsonValue

from flows.amend import amend_plan, approve_amendment
from flows.approvals import who
from flows.house import House, open_house
from flows.identity import clicked, named
from flows.incidents import end_incident, start_incident
from flows.markdown import bullets, escape, problems_table, timeline_table
from flows.results import done, refused, told
from gates.judge import unsupported
from plans.load import check
from plans.load import digest as digest_of
from plans.schema import Plan
from plans.timeline import timeline, warnings
from rollout.model import Verb
from state import step
from state.credentials import Scope
from state.errors import StoreError

PROCESS = "prefect form"


@flow(name="submit-plan", persist_result=False)
def submit_plan(plan: str, digest: str = "", your_name: str = "", code: str = "") -> State:
    """Check a plan, and submit it once you have seen what it does.

    Args:
        plan: The whole plan file, pasted.
        digest: Leave empty to check only. To submit for real, paste the digest that the check showed.
        your_name: Kept in the journal as claimed; where there are keys, the e-mail address of yours.
        code: Where there are keys, the code that your device shows now.

    """
    house = open_house(PROCESS)
    found, problems = check(plan, "plan.yaml", house.known)
    if found is None:
        page = f"### Nothing was stored\n\n{problems_table(problems)}"
        return refused(f"Refused: {len(problems)} problem{'s' * (len(problems) != 1)}", page)
    if open_ := unsupported(found):
        return refused("Refused: not all of it can be judged", f"### Nothing was stored\n\n{bullets(open_)}")
    known = digest_of(found)
    if not digest.strip():
        try:
            house.store.admits(found)
        except StoreError as error:
            return refused("Refused", f"### Nothing was stored\n\n{escape(error)}")
        return done(f"Checked: {found.name}", checked(house, found, known, [str(problem) for problem in problems]))
    if digest.strip() != known:
        words = (
            f"This plan's digest is `{known}`, not the one you pasted: it changed since it was checked. Check it again."
        )
        return refused("Refused: another digest", f"### Nothing was stored\n\n{words}")
    return submitted(house, plan, your_name, code)


@flow(name="kill-flag", persist_result=False)
def kill_flag(flag: str, reason: str, your_name: str = "") -> State:
    """Switch a flag off for everyone, whatever its rollout does."""
    return _switch(flag, "kill", reason, your_name)


@flow(name="restore-flag", persist_result=False)
def restore_flag(flag: str, reason: str = "", your_name: str = "", code: str = "") -> State:
    """Lift a flag's kill switch, and nothing else."""
    return _switch(flag, "restore", reason, your_name, code)


@flow(name="rollback-flag", persist_result=False)
def rollback_flag(flag: str, reason: str, your_name: str = "") -> State:
    """Give a flag the stable settings that it had before its last completed rollout."""
    house = open_house(PROCESS)
    try:
        return told("rollback", flag, step.rollback(house.store, flag, who(your_name), reason, house.clock.now()))
    except StoreError as error:
        return refused("Refused", escape(error))


@flow(name="approve", persist_result=False)
def approve(rollout: str, reason: str = "", your_name: str = "", code: str = "") -> State:
    """Answer the question that a rollout waits with: yes, go on to the next phase."""
    return _ask(Verb.APPROVE, rollout, reason, your_name, code=code)


@flow(name="abort", persist_result=False)
def abort(rollout: str, reason: str, your_name: str = "") -> State:
    """End a rollout: everybody goes back to stable."""
    return _ask(Verb.ABORT, rollout, reason, your_name)


@flow(name="hold", persist_result=False)
def hold(rollout: str, reason: str, your_name: str = "") -> State:
    """Keep a rollout where it is until somebody resumes it; the guard goes on watching."""
    return _ask(Verb.HOLD, rollout, reason, your_name)


@flow(name="resume", persist_result=False)
def resume(rollout: str, reason: str, at_phase: str = "", your_name: str = "", code: str = "") -> State:
    """Take up a held, reverted or disabled rollout again; without a phase, in the one it stopped in."""
    return _ask(Verb.RESUME, rollout, reason, your_name, {"phase": at_phase} if at_phase else {}, code)


@flow(name="set", persist_result=False)
def set_settings(rollout: str, settings: str, reason: str = "", your_name: str = "", code: str = "") -> State:
    """Change settings of the candidate now and for all later phases.

    Args:
        rollout: The rollout's name.
        settings: One KEY=VALUE a line, for example min_confidence=0.8
        reason: Kept in the journal.
        your_name: Kept in the journal as claimed; where there are keys, the e-mail address of yours.
        code: Where there are keys, the code that your device shows now.

    """
    return _ask(Verb.SET, rollout, reason, your_name, {"settings": dict(map(_setting, settings.split()))}, code)


@flow(name="advance", persist_result=False)
def advance(rollout: str, reason: str = "", your_name: str = "", code: str = "") -> State:
    """Skip the rest of a phase's hold; refused while a criterion blocks."""
    return _ask(Verb.ADVANCE, rollout, reason, your_name, code=code)


@flow(name="extend", persist_result=False)
def extend(rollout: str, duration: str, reason: str = "", your_name: str = "", code: str = "") -> State:
    """Hold the present phase longer, for example 3d or 12h."""
    return _ask(Verb.EXTEND, rollout, reason, your_name, {"duration": duration}, code)


@flow(name="back", persist_result=False)
def back(rollout: str, phase: str, reason: str, your_name: str = "") -> State:
    """Go back to an earlier phase, with less exposure."""
    return _ask(Verb.BACK, rollout, reason, your_name, {"phase": phase})


@flow(name="allow-unit", persist_result=False)
def allow_unit(flag: str, unit: str, reason: str, your_name: str = "", code: str = "") -> State:
    """Give one unit the candidate while the rollout is live; its outcomes no longer count."""
    return _list(Verb.ALLOW, flag, unit, reason, your_name, code)


@flow(name="block-unit", persist_result=False)
def block_unit(flag: str, unit: str, reason: str, your_name: str = "", code: str = "") -> State:
    """Give one unit stable while the rollout is live; its outcomes no longer count."""
    return _list(Verb.BLOCK, flag, unit, reason, your_name, code)


@flow(name="unlist-unit", persist_result=False)
def unlist_unit(flag: str, unit: str, reason: str = "", your_name: str = "", code: str = "") -> State:
    """Let the bucket of a unit that was put on a list decide again; it stays outside the evidence."""
    return _list(Verb.UNLIST, flag, unit, reason, your_name, code)


FORMS = (
    submit_plan,
    amend_plan,
    approve_amendment,
    kill_flag,
    restore_flag,
    rollback_flag,
    allow_unit,
    block_unit,
    unlist_unit,
    start_incident,
    end_incident,
    approve,
    abort,
    hold,
    resume,
    set_settings,
    advance,
    extend,
    back,
)


def checked(house: House, plan: Plan, known: str, problems: list[str]) -> str:
    """What submitting would do: dates, numbers, warnings, and the digest that says yes to exactly this."""
    now = house.clock.now()
    told = [*problems, *warnings(plan, now)]
    return "\n\n".join(
        (
            f"### {escape(plan.name)}: this is what would happen",
            f"Flag {escape(plan.flag)}. Nothing was stored. The dates are of a submission now, with approvals at once.",
            timeline_table(timeline(plan, now)),
            f"Warnings:\n\n{bullets(told)}" if told else "No warnings.",
            f"To submit exactly this plan, run the form again with digest `{known}`",
        )
    )


def submitted(house: House, text: str, your_name: str, code: str = "") -> State:
    """Store the plan as a rollout."""
    try:
        clicker = named(house, Scope.ROLLOUTS_SUBMIT, your_name, code)
        given = house.store, text, clicker.by, house.clock.now()
        result = step.submit(*given, known=house.known, unsupported=unsupported, person=clicker.person)
    except StoreError as error:
        return refused("Refused", escape(error))
    news = "Submitted" if result.created else "Already there"
    return done(f"{news}: {result.name}", f"### {news}: {escape(result.name)}\n\nDigest `{result.digest}`")


def _ask(
    verb: Verb, name: str, reason: str, your_name: str, args: Mapping[str, JsonValue] | None = None, code: str = ""
) -> State:
    house = open_house(PROCESS)
    try:
        clicker = clicked(house, verb, your_name, code)
        asked = house.store, name, verb, clicker.by, reason, house.clock.now()
        outcome = step.command(*asked, args=args, person=clicker.person)
    except StoreError as error:
        return refused("Refused", escape(error))
    return told(str(verb), name, outcome)


def _switch(flag: str, verb: str, reason: str, your_name: str, code: str = "") -> State:
    house = open_house(PROCESS)
    turn = house.store.kill if verb == "kill" else house.store.restore
    try:
        switched = turn(flag, clicked(house, Verb(verb), your_name, code).by, reason, house.clock.now())
    except StoreError as error:
        return refused("Refused", escape(error))
    return done(f"Done: {verb} {flag}", f"### {escape(verb)} {escape(flag)}\n\n{escape(switched['effect'])}")


def _list(verb: Verb, flag: str, unit: str, reason: str, your_name: str, code: str) -> State:
    house = open_house(PROCESS)
    try:
        by = clicked(house, verb, your_name, code).by
        outcome = step.put_on_list(house.store, flag, verb, unit, by, reason, house.clock.now())
    except StoreError as error:
        return refused("Refused", escape(error))
    return told(str(verb), unit, outcome)


def _setting(text: str) -> tuple[str, JsonValue]:
    """`min_confidence=0.8` as a key and a value: JSON where it is some, else text."""
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
