"""Whole rollouts through a real Prefect server, in real time with holds of seconds."""

from itertools import pairwise

from tests.flows.stage import PATIENCE, POLITE, RUNNER, SERVER, SUPERVISOR, Stage
from tests.waiting import until

THREE = ("alpha 1% 6s approval", "beta 10% 6s", "ga 100% 6s")
WHOLE = ["start", "await_approval", "approve", "advance", "advance", "complete"]


def test_a_rollout_runs_to_its_end_with_one_run_and_one_answer(house: Stage) -> None:
    """Three phases and an approval take one Prefect run, which sleeps, is suspended with a form, and ends well."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    house.submit("whole", *THREE)
    house.await_badge("whole", "PAUSED Waiting for approval: Alpha → Beta")
    first = house.run("whole")
    until(lambda: _has_page(house, "error\\_rate"), "the evidence of a look is on the run", seconds=PATIENCE, every=1)
    assert house.click_resume("whole") == "REJECT", "a bare Resume advances nothing"
    assert house.click_resume("whole", decision="perhaps") == "REJECT"
    assert house.verbs("whole") == ["start", "await_approval"]
    assert house.click_resume("whole", decision="approve", reason="fine", approver="Ana") == "ACCEPT"
    assert house.click_resume("whole", decision="approve") == "ABORT", "a second Resume finds nothing that is paused"
    house.await_badge("whole", "COMPLETED General availability")
    assert house.verbs("whole") == WHOLE
    entries = {str(entry.verb): entry for entry in house.store.journal("whole")}
    assert (entries["approve"].by, entries["approve"].reason) == ("Ana (as claimed)", "fine")
    last = house.run("whole")
    assert first is not None
    assert last is not None
    assert last["id"] == first["id"]
    assert last["name"] == "whole"


def test_nothing_is_done_before_its_due_instant(house: Stage) -> None:
    """Every step of the schedule comes at least a whole hold after the phase began."""
    entries = [entry for entry in house.store.journal("whole") if str(entry.verb) != "approve"]
    for one, next_ in pairwise(entries):
        if one.after.phase != next_.after.phase or next_.after.status != one.after.status:
            held = next_.at - one.at if one.after.status == "running" else None
            assert held is None or held.total_seconds() >= 6


def test_the_run_carries_the_evidence_and_the_dates(house: Stage) -> None:
    """Timeline and evidence by cohort are Markdown tables on the rollout's run; the agenda stands beside all runs."""
    assert _has_page(house, "| when | what |")
    assert _has_page(house, "error\\_rate")
    found = house.post("/artifacts/filter", {"artifacts": {"key": {"any_": ["agenda"]}}})
    agendas = [page["data"] for page in sorted(found, key=lambda page: page["created"])]
    assert any("approval: Alpha → Beta" in page.replace("\\", "") for page in agendas)
    assert all(one != next_ for one, next_ in pairwise(agendas)), "written anew only when it says something else"


def test_a_rollout_advances_by_its_run_alone(house: Stage) -> None:
    """With the supervisor stopped, three phases pass: the rollout's own Prefect run makes every step."""
    house.submit("alone", "alpha 1% 8s", "beta 10% 8s", "ga 100% 8s")
    until(lambda: house.rollout("alone").run_id, "the supervisor made the run", every=0.01)
    house.kill(SUPERVISOR)
    house.await_badge("alone", "COMPLETED General availability")
    house.start(SUPERVISOR)
    made = [(str(entry.verb), entry.process) for entry in house.store.journal("alone")]
    assert [verb for verb, _ in made] == ["start", "advance", "advance", "complete"]
    assert {process for _, process in made[1:]} == {"rollout run"}
    run = house.run("alone")
    assert run is not None
    assert run["run_count"] >= 3, "it slept in between, without a process"


def test_the_guard_takes_over_when_no_runner_comes(house: Stage) -> None:
    """With the runner stopped, the supervisor makes the steps, each only after the run was late."""
    house.kill(RUNNER)
    house.submit("orphan", "alpha 1% 1s", "ga 100% 1s")
    house.await_badge("orphan", "COMPLETED General availability")
    entries = house.store.journal("orphan")
    assert [str(entry.verb) for entry in entries] == ["start", "advance", "complete"]
    assert {entry.process for entry in entries} == {"guard"}
    for one, next_ in pairwise(entries):
        assert (next_.at - one.at).total_seconds() >= 1 + 4, "a second of hold, then four of patience with the run"
    house.start(RUNNER)


def test_quiet_sweeps_leave_one_run_in_the_list(house: Stage) -> None:
    """The last of those that found nothing to do stands for them, named by how many rollouts it looked at."""
    house.submit("listed", "alpha 1% 1h", "ga 100% 1h")
    before, seen = _quiet(house), set[str]()

    def another() -> bool:
        new = _quiet(house) - before
        assert len(new) <= 1
        seen.update(new)
        return len(seen) >= 3

    until(another, "three quiet sweeps came one after another", seconds=PATIENCE, every=POLITE)


def _quiet(house: Stage) -> set[str]:
    """The guard's runs that tell of nothing but how many rollouts they looked at."""
    ended = {"state": {"type": {"any_": ["COMPLETED"]}}}
    runs = house.post("/flow_runs/filter", {"flows": {"name": {"any_": ["guard"]}}, "flow_runs": ended})
    names = {run["id"]: run["state"]["name"] for run in runs}
    return {run for run, name in names.items() if name.startswith("Looked at ") and ";" not in name}


def _has_page(house: Stage, words: str) -> bool:
    return any(words in str(page["data"]) for page in house.pages(house.run("whole")))
