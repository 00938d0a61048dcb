"""`sluice incident`, as a person types it: the same against a data folder and against a server of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.command_line import Sluice, command_line
from tests.contract.flag_server import flag_server
from tests.contract.test_cli import CASE_LAW

WHY = ("--reason", "the database is down", "--by", "ana")
WAYS = ("folder", "server")
SHAPE = {"number", "flags", "reason", "by", "since", "until", "in_force", "ended_by", "ended_reason"}


@pytest.fixture(params=WAYS)
def sluice(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sluice]:
    """The command line on one rollout that was handed in."""
    run = command_line(monkeypatch, tmp_path)

    run("submit", str(CASE_LAW), "--by", "pm")
    if request.param == "folder":
        yield run
        return
    with flag_server(tmp_path) as server:
        monkeypatch.setenv("SLUICE_SERVER", server.url)
        yield run


def test_an_incident_is_declared_shown_and_ended(sluice: Sluice) -> None:
    """Its effect in words and numbers, then on the status, the list and the agenda; refusals exit 1 with a remedy."""
    assert "no incidents" in sluice("incident", "list").stdout
    made = _json(sluice("incident", "start", *WHY, "--for", "2h", "--flag", "case-law-ai", "--json"))
    assert SHAPE | {"effect"} == set(made)
    assert (1, ["case-law-ai"], "ana", True) == (made["number"], made["flags"], made["by"], made["in_force"])
    assert made["effect"].startswith("1 live rollout does not grow until ")
    words = _json(sluice("status", "case-law-v24", "--json"))["blocked_by"][0]
    assert ("incident", "by itself") == (words["code"], words["clears"])
    assert "(the database is down)" in words["text"]
    assert "incident" in {entry["what"] for entry in _json(sluice("agenda", "--json"))}
    again = sluice("incident", "start", *WHY, "--for", "1h", "--flag", "case-law-ai", code=1).stderr
    assert "flags: incident 1 about flag case-law-ai lasts until" in again
    ended = _json(sluice("incident", "end", "--by", "bob", "--reason", "it is up", "--json"))
    assert (False, "bob", "it is up") == (ended["in_force"], ended["ended_by"], ended["ended_reason"])
    (listed,) = _json(sluice("incident", "list", "--json"))
    assert SHAPE == set(listed)
    shown = sluice("incident", "list").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "the database is down" in shown
    assert "no incident lasts now" in sluice("incident", "end", code=1).stderr


@pytest.mark.parametrize("sluice", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--for", "0h"), 1, "for: "),
        (("--for", "31d"), 1, "for: 31 d; an incident lasts more than 0 and at most 30 days"),
        (("--for", "soon"), 1, "for: 'soon' cannot be read"),
        (("--for", "2h", "--flag", "case-law"), 1, "unknown flag 'case-law'; did you mean 'case-law-ai'?"),
        ((), 2, "--for"),
    ],
)
def test_what_makes_no_sense_is_refused(sluice: Sluice, words: tuple[str, ...], code: int, said: str) -> None:
    """With the place, the value, the rule and what to write instead; nothing is declared."""
    assert said in sluice("incident", "start", *WHY, *words, code=code).stderr
    assert [] == _json(sluice("incident", "list", "--json"))


@pytest.mark.parametrize("sluice", ["folder"], indirect=True)
def test_several_that_last_are_ended_by_number(sluice: Sluice) -> None:
    """Without one nothing is guessed."""
    for about in ((), ("--flag", "case-law-ai")):
        sluice("incident", "start", *WHY, "--for", "2h", *about)
    assert "2 last: name one of 1, 2" in sluice("incident", "end", code=1).stderr
    assert 2 == _json(sluice("incident", "end", "2", "--json"))["number"]
    assert "2 is over since" in sluice("incident", "end", "2", code=1).stderr
    assert "there is no number 7" in sluice("incident", "end", "7", code=1).stderr


def _json(result: Result) -> Any:
    return json.loads(result.stdout)
