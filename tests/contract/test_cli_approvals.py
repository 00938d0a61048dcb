"""Approvals from the command line: who counts with and without keys, and what `status` says of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollout.model import Status
from state.clock import Clock
from state.database import connect, migrate, sqlite_url
from state.step import step
from state.store import Store
from tests.command_line import Sluice, command_line

NAME = "case-law-v24"
START = datetime(2026, 12, 1, 9, tzinfo=UTC)
ASKED = START + timedelta(days=1)
PLAN = """\
sluice: 1
name: case-law-v24
flag: case-law-ai
stable: {model: v2.3}
candidate: {model: v2.4}
audience: {size: 20000}
approvers: [ana@x, bo@x, cy@x]
approvals: 2
requester_may_approve: false
phases:
  - {name: alpha, expose: 1%, hold: 1d, approval: {required: true, expires: 3d, then: abort}}
  - {name: ga, expose: 100%, hold: 1d}
metrics: {error_rate: {source: events, bad: error, of: request}}
stop: {criteria: [error_rate > 2x control]}
"""


@pytest.fixture
def sluice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line on a folder in which bo's rollout waits for two approvals."""
    monkeypatch.setenv("COLUMNS", "80")
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store = Store(engine, "test")
    clock = Clock(store)
    clock.accelerate(START, 1.0)
    clock.report(START)
    call = command_line(monkeypatch, tmp_path)

    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    call("submit", str(tmp_path / "plan.yaml"), "--by", "bo@x")
    step(store, NAME, START)
    step(store, NAME, ASKED)
    clock.accelerate(ASKED, 1.0)
    assert Status.AWAITING_APPROVAL is store.rollout(NAME).state.status
    engine.dispose()
    return call


def secret(sluice: Sluice, person: str) -> str:
    """The key of a person."""
    made = sluice("keys", "create", person, "--person", person, "--scope", "rollouts:approve", "--json")
    return str(json.loads(made.stdout)["secret"])


def shape(sluice: Sluice) -> Any:
    """What `status` says of the open question."""
    return json.loads(sluice("status", NAME, "--json").stdout)["approval"]


def test_without_keys_by_is_taken_at_its_word(sluice: Sluice) -> None:
    """The rule and the remedy are on stderr; nobody but an approver counts, and nobody twice."""
    for who, words in (("root", "root is not one of the approvers"), ("bo@x", "asked for this"), ("ana@x", "")):
        refused = sluice("approve", NAME, "--by", who, code=1 if words else 0)
        assert words in refused.stderr
    assert "already" in sluice("approve", NAME, "--by", "Ana@x", code=1).stderr
    assert (["ana@x"], 2) == (shape(sluice)["approved_by"], shape(sluice)["approvals"])
    sluice("approve", NAME, "--by", "cy@x")
    assert shape(sluice) is None


def test_with_keys_a_name_without_one_never_counts(sluice: Sluice) -> None:
    """`--by` on the data folder names somebody in the journal and nobody to the plan; the key of a person is theirs."""
    ana, cy = secret(sluice, "ana@x"), secret(sluice, "cy@x")
    refused = sluice("approve", NAME, "--by", "cy@x", code=1)
    assert "nobody vouches for who you are: approve with your own key or code" in refused.stderr
    assert "nobody vouches" in sluice("approve", NAME, "--by", "cy@x", code=1, SLUICE_KEY="sluice_made_up").stderr
    done = sluice("approve", NAME, "--by", "cy@x", "--json", SLUICE_KEY=ana)
    assert "1 of 2 approvals (ana@x); cy@x may approve" == json.loads(done.stdout)["effect"]
    sluice("approve", NAME, SLUICE_KEY=cy)
    by = [line["by"] for line in json.loads(sluice("history", NAME, "--json").stdout)]
    assert ["ana@x (as claimed: cy@x)", "cy@x"] == by[-2:]


def test_with_keys_stopping_needs_none(sluice: Sluice) -> None:
    """Abort and kill on the data folder are not kept from anybody by a plan's approvers."""
    secret(sluice, "ana@x")
    sluice("kill", "case-law-ai", "--by", "whoever", "--reason", "smoke")
    sluice("abort", NAME, "--by", "whoever", "--reason", "smoke")


def test_status_says_who_may_approve_how_many_have_and_when_it_lapses(sluice: Sluice) -> None:
    """Within 80 columns, beside what stands in the way."""
    sluice("approve", NAME, "--by", "ana@x")
    told = " ".join(sluice("status", NAME).stdout.replace("│", " ").split())
    for words in (
        "it takes 2 of ana@x, bo@x, cy@x, but not whoever asks for it",
        "1 of 2 approvals (ana@x); cy@x may approve",
        "the question lapses Sat 5 Dec 09:00 UTC, then abort",
        "Waiting for approval: Alpha → General availability (1 of 2 approvals)",
    ):
        assert words in told
    assert all(len(line) <= 80 for line in sluice("status", NAME).stdout.splitlines())


def test_an_amendment_that_waits_is_in_the_status_with_its_approvals(sluice: Sluice, tmp_path: Path) -> None:
    """Who asked for it and why, how many have said yes, and who may."""
    looser = tmp_path / "looser.yaml"
    looser.write_text(PLAN.replace("> 2x control", "> 3x control"), encoding="utf-8")
    made = json.loads(sluice("amend", NAME, str(looser), "--by", "ana@x", "--reason", "noise", "--json").stdout)
    told = " ".join(sluice("status", NAME).stdout.replace("│", " ").split())
    assert f"{made['digest'][:12]} by ana@x waits: noise; 0 of 2 approvals; bo@x or cy@x may approve" in told
    way = ("amend", NAME, "--approve", made["digest"][:12], "--by")
    assert "ana@x asked for this" in sluice(*way, "ana@x", code=1).stderr
    sluice(*way, "bo@x")
    sluice(*way, "cy@x")
    assert made["digest"] == json.loads(sluice("status", NAME, "--json").stdout)["digest"]


def test_the_preview_says_who_must_approve(sluice: Sluice, tmp_path: Path) -> None:
    """How many of whom, and what follows when nobody answers."""
    told = " ".join(sluice("preview", str(tmp_path / "plan.yaml")).stdout.split())
    assert "but not whoever asks for it; lapses after 3d, then abort" in told


def test_a_rehearsal_gives_every_approval_that_is_needed(sluice: Sluice, tmp_path: Path) -> None:
    """Two of the approvers say yes at once, so that the rest of the plan is rehearsed too."""
    told = json.loads(sluice("simulate", str(tmp_path / "plan.yaml"), "--json").stdout)
    assert "completed" == told["outcome"]
    assert 2 == [line["transition"] for line in told["journal"]].count("approve")
