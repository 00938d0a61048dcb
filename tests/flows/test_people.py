"""What people do in Prefect's UI, through the API that the UI uses."""

from datetime import datetime
from typing import Any

from plans.load import digest as digest_of
from plans.load import loads
from rollout.model import Verb
from state.step import command
from tests.flows.stage import POLITE, RUNNER, SERVER, SUPERVISOR, WORKER, Stage, plan
from tests.waiting import until

QUIET = ("alpha 1% 1h", "ga 100% 1h")
WITHIN = 5.0
"""Seconds from the click on Cancel until nobody is exposed: the promise, with nothing added."""


def test_cancel_aborts_and_a_resume_gets_a_new_run(house: Stage) -> None:
    """Cancel takes the candidate from everyone within seconds; the run says who; a resume has a run of its own."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    _on_and_asleep(house, "cancelled")
    _cancel(house, "cancelled")
    house.await_badge("cancelled", "CANCELLED Aborted by Prefect UI (unidentified)")
    old = house.run("cancelled")
    answer = command(house.store, "cancelled", Verb.RESUME, "ana", "false alarm", house.clock.now())
    assert answer.accepted, answer.why
    until(
        lambda: house.run("cancelled") != old and "Alpha · 1 %" in house.badge("cancelled"),
        "a new run",
        seconds=180,
        every=POLITE,
    )
    new = house.run("cancelled")
    assert old is not None
    assert new is not None
    assert (new["name"], new["id"] == old["id"]) == ("cancelled", False)
    assert house.verbs("cancelled") == ["start", "abort", "resume"]


def test_a_retry_of_an_aborted_run_is_ended_again(house: Stage) -> None:
    """The Retry button wakes a run of an ended rollout; it ends as before and exposes nobody."""
    _on_and_asleep(house, "retried")
    _cancel(house, "retried")
    house.await_badge("retried", "CANCELLED Aborted")
    run = house.run("retried")
    assert run is not None
    retry = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True}
    house.post(f"/flow_runs/{run['id']}/set_state", retry)
    assert "AwaitingRetry" in house.badge("retried")
    house.await_badge("retried", "CANCELLED Aborted by Prefect UI (unidentified)")
    assert house.verbs("retried") == ["start", "abort"]


def test_a_deleted_run_is_made_again_and_a_renamed_state_put_back(house: Stage) -> None:
    """Deleting a run or changing its state in the UI leaves no rollout without its run, nor with a false name."""
    _on_and_asleep(house, "deleted")
    run = house.run("deleted")
    assert run is not None
    renamed = {"state": {"type": "SCHEDULED", "name": "Something else"}, "force": True}
    house.post(f"/flow_runs/{run['id']}/set_state", renamed)
    house.await_badge("deleted", "SCHEDULED Alpha · 1 %")
    house.api.delete(f"/flow_runs/{run['id']}").raise_for_status()
    house.await_badge("deleted", "SCHEDULED Alpha · 1 %")
    again = house.run("deleted")
    assert again is not None
    assert again["id"] != run["id"]
    assert house.rollout("deleted").state.exposure == 1_000


def test_a_late_answer_does_not_answer_the_next_question(house: Stage) -> None:
    """An answer typed for a question that was withdrawn and asked anew decides nothing."""
    house.submit("stale", "alpha 1% 1s approval", "ga 100% 1h")
    house.await_badge("stale", "PAUSED Waiting for approval")
    house.kill(RUNNER)
    assert house.click_resume("stale", decision="approve", approver="Late") == "ACCEPT"
    extended = command(house.store, "stale", Verb.EXTEND, "ana", "", house.clock.now(), args={"duration": "1s"})
    assert extended.accepted, extended.why
    house.start(RUNNER)
    until(lambda: house.rollout("stale").state.question == 2, "the question is asked anew", seconds=180)
    house.await_badge("stale", "PAUSED Waiting for approval")
    assert "approve" not in house.verbs("stale")
    assert house.click_resume("stale", decision="hold", reason="let me see") == "ACCEPT"
    house.await_badge("stale", "Held: let me see")
    assert house.store.journal("stale")[-1].by == "Prefect UI (unidentified)"


def test_it_takes_as_many_people_as_the_plan_asks_for(house: Stage) -> None:
    """The first of two keeps the question open, with a form that says who is in; the same person again is not two."""
    house.submit_text(plan("counted", "alpha 1% 1s approval", "ga 100% 1h") + "approvals: 2\n")
    house.await_badge("counted", "PAUSED Waiting for approval")
    assert house.click_resume("counted", decision="approve", approver="Ana") == "ACCEPT"
    _await_question(house, "counted", "1 of 2 approvals (Ana); anybody else may approve")
    assert house.click_resume("counted", decision="approve", approver="ana") == "ACCEPT"
    _await_question(house, "counted", "The last answer did not count: ana has approved this already")
    assert house.rollout("counted").state.exposure == 1_000
    assert house.click_resume("counted", decision="approve", approver="Ben") == "ACCEPT"
    house.await_badge("counted", "General availability · 100 %")
    assert house.rollout("counted").state.exposure == 100_000


def test_a_question_that_nobody_answers_lapses(house: Stage) -> None:
    """The run says so and holds; nobody more was exposed, and a resume asks anew."""
    text = plan("lapsing", "alpha 1% 1s approval", "ga 100% 1h")
    house.submit_text(text.replace("approval: required", "approval: {required: true, expires: 10s, then: hold}"))
    house.await_badge("lapsing", "SCHEDULED Held: not approved to leave alpha within 10s")
    assert house.rollout("lapsing").state.exposure == 1_000
    resumed = command(house.store, "lapsing", Verb.RESUME, "ana", "back from lunch", house.clock.now())
    assert resumed.accepted, resumed.why
    house.await_badge("lapsing", "PAUSED Waiting for approval")
    assert house.rollout("lapsing").state.question == 2


def test_a_plan_is_amended_from_a_form(house: Stage) -> None:
    """A problem is told with its line, what is stricter is in force at once, what is looser once it is approved."""
    text = plan("amended", *QUIET)
    house.submit_text(text)
    bad = house.use_form("amend-plan", rollout="amended", plan=text.replace("hold: 1h", "hold: soon"), reason="oops")
    assert (bad["state"]["type"], "| 8 | phases" in house.page(bad)) == ("FAILED", True), house.page(bad)
    stricter = _amend(house, "amended", text.replace("> 2x", "> 1.5x"))
    assert stricter["state"]["name"] == "Done: amend amended"
    assert house.rollout("amended").plan.stop.criteria[0].when.target.value == 1.5
    wanted = text.replace("> 2x", "> 3x")
    looser = {"rollout": "amended", "plan": wanted, "reason": "too strict", "digest": digest_of(loads(wanted))}
    told = house.page(house.use_form("amend-plan", **looser))
    waiting = house.rollout("amended").state.proposal
    assert waiting is not None, told
    assert f"`approve-amendment` with digest `{waiting.digest}`" in told
    assert house.rollout("amended").plan.stop.criteria[0].when.target.value == 1.5
    approved = house.use_form("approve-amendment", rollout="amended", digest=waiting.digest, your_name="Ben")
    assert approved["state"]["name"] == "Done: amend amended"
    assert house.rollout("amended").plan.stop.criteria[0].when.target.value == 3


def test_an_incident_is_declared_and_ended_from_forms(house: Stage) -> None:
    """While it lasts runs say until when nothing grows; once it is over what waited goes on."""
    declared = house.use_form("start-incident", reason="the data centre", how_long="1h")
    assert declared["state"]["name"].startswith("Incident 1 until "), house.page(declared)
    house.submit("shaken", "alpha 1% 1s", "ga 100% 1h")
    house.await_badge("shaken", "incident: no growth until")
    assert house.rollout("shaken").state.exposure == 0
    ended = house.use_form("end-incident", reason="power is back", your_name="Ana")
    assert ended["state"]["name"] == "Incident 1 is over"
    house.await_badge("shaken", "General availability · 100 %")


def test_a_plan_is_checked_before_it_is_submitted(house: Stage) -> None:
    """The form shows dates and a digest; only that digest submits."""
    text = plan("pasted", *QUIET)
    checked = house.use_form("submit-plan", plan=text)
    assert checked["state"]["name"] == "Checked: pasted"
    page = house.page(checked)
    digest = page.rpartition("digest `")[2].rstrip("`")
    assert "| when | what |" in page
    assert "pasted" not in house.store.names()
    assert house.use_form("submit-plan", plan=text, digest="0" * 64)["state"]["type"] == "FAILED"
    submitted = house.use_form("submit-plan", plan=text, digest=digest, your_name="Ana")
    assert submitted["state"]["name"] == "Submitted: pasted"
    assert house.rollout("pasted").submitted_by == "Ana (as claimed)"


def test_forms_command_rollouts_and_flags(house: Stage) -> None:
    """A kill from the UI turns the flag off; a command that makes no sense is refused with the reason."""
    _on_and_asleep(house, "formed")
    killed = house.use_form("kill-flag", flag="formed", reason="stop it", your_name="Ana")
    assert killed["state"]["name"] == "Done: kill formed"
    flag = house.store.flag("formed")
    assert flag is not None
    assert not flag.enabled
    refused = house.use_form("approve", rollout="formed")
    assert refused["state"]["type"] == "FAILED"
    assert "formed is running" in house.page(refused).replace("\\", "")


def test_pages_change_with_what_they_tell_and_tags_name_flag_and_owner(house: Stage) -> None:
    """Two looks that found the same leave every page as it was; a hold, of which a page tells, is a new version."""
    _on_and_asleep(house, "paged")
    until(lambda: house.rollout("paged").evidence.findings, "it was looked at", seconds=180)
    seen = f"revision 1: {house.rollout('paged').evidence.findings[0].verdict}"
    until(
        lambda: seen in str(_pages(house, "paged").get("paged-evidence")),
        f"a page tells of {seen}",
        seconds=60,
        every=1,
    )
    before, looked = _pages(house, "paged"), house.rollout("paged").looked_at
    assert {"paged-timeline", "paged-evidence", "paged-plot", "paged-progress"} == set(before)
    until(lambda: _looks(house, "paged", looked) >= 2, "two more looks", seconds=180)
    assert before == _pages(house, "paged")
    assert command(house.store, "paged", Verb.HOLD, "ana", "wait", house.clock.now()).accepted
    until(lambda: len(_pages(house, "paged")["paged-evidence"]) == len(before["paged-evidence"]) + 1, "a new version")
    run = house.run("paged")
    assert run is not None
    assert "flag:paged" in run["tags"]


def test_cancel_reverts_under_a_process_worker_after_the_server_came_back(house: Stage) -> None:
    """A worker's run goes to Cancelling and would stay there for minutes; people are taken out at once all the same."""
    house.kill(RUNNER)
    house.deploy_to_pool()
    house.start(WORKER)
    _on_and_asleep(house, "pooled")
    house.kill(SERVER)
    house.start(SERVER)
    _cancel(house, "pooled")
    house.await_badge("pooled", "CANCELLED Aborted by Prefect UI (unidentified)")
    house.kill(WORKER)
    house.start(RUNNER)


def test_cancel_reverts_under_serve_after_the_server_came_back(house: Stage) -> None:
    """The event subscriber connects again by itself, and where it does not the comparison finds the click."""
    _on_and_asleep(house, "survivor")
    house.kill(SERVER)
    house.start(SERVER)
    _cancel(house, "survivor")
    house.await_badge("survivor", "CANCELLED Aborted by Prefect UI (unidentified)")


def _on_and_asleep(house: Stage, name: str) -> None:
    """A rollout in its first phase, its run back to sleep."""
    house.submit(name, *QUIET)
    house.await_badge(name, "SCHEDULED Alpha · 1 %")


def _await_question(house: Stage, name: str, words: str) -> None:
    """Wait until the form of the open question says this, and can be answered."""
    until(lambda: words in house.question(name), f"the form of {name} says {words!r}", seconds=180, every=POLITE)
    house.await_badge(name, "PAUSED Waiting for approval")


def _amend(house: Stage, name: str, text: str) -> dict[str, Any]:
    """Check an amendment in the form, then paste the digest that the check showed."""
    checked = house.use_form("amend-plan", rollout=name, plan=text, reason="better so")
    known = house.page(checked).rpartition("digest `")[2].rstrip("`")
    return house.use_form("amend-plan", rollout=name, plan=text, reason="better so", digest=known, your_name="Ana")


def _pages(house: Stage, name: str) -> dict[str, list[str]]:
    """What each version of each page on a rollout's run says it tells of, the newest first."""
    found: dict[str, list[str]] = {}
    for page in house.pages(house.run(name)):
        found.setdefault(page["key"], []).append(page["description"])
    return found


def _looks(house: Stage, name: str, since: datetime | None) -> float:
    """How many of its intervals a rollout's last look lies behind an earlier one."""
    last = house.rollout(name).looked_at
    return 0.0 if last is None or since is None else (last - since).total_seconds() / 10


def _cancel(house: Stage, name: str) -> None:
    house.click_cancel(name)
    house.await_verb(name, "abort", seconds=WITHIN)
    assert house.rollout(name).state.exposure == 0
