"""Keys from the command line, and a flag server that asks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from serving.__main__ import main
from sluice.cli import app
from tests.contract.flag_server import flag_server
from tests.waiting import until

ALL = ("create", "ana", "--person", "ana@example.com", "--scope", "rollouts:approve", "--scope", "flags:read")


def keys(folder: Path, *words: str) -> Any:
    """What a command says with `--json`."""
    done = CliRunner().invoke(app, ["keys", *words, "--data", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_a_secret_is_shown_once(tmp_path: Path) -> None:
    """`create` says it, `list` never does."""
    made = keys(tmp_path, *ALL)
    assert made["secret"].startswith(f"sluice_{made['prefix']}_")
    (listed,) = keys(tmp_path, "list")
    assert made == listed | {"secret": made["secret"], "enrolment": made["enrolment"]}
    assert made["enrolment"].startswith("otpauth://totp/Sluice:ana%40example.com?secret=")
    assert ("person", ["flags:read", "rollouts:approve"]) == (listed["kind"], listed["scopes"])


def test_what_people_copy_is_on_one_line_in_a_terminal_of_any_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key and the address for an authenticator are lines of their own, whole."""
    monkeypatch.setenv("COLUMNS", "40")
    said = CliRunner().invoke(app, ["keys", *ALL, "--data", str(tmp_path)]).output.splitlines()
    (secret,) = (line for line in said if line.startswith("sluice_"))
    assert 80 == len(secret)
    (device,) = (line for line in said if line.startswith("otpauth://"))
    assert device.endswith("&issuer=Sluice")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["create", "x"], 2, "Missing option"),
        (["create", "x", "--scope", "all"], 2, "'all' is not one of"),
        (["create", "x", "--scope", "track", "--person", "ana"], 2, "is not an e-mail address"),
        (["create", " ", "--scope", "track"], 2, "does not name a key"),
        (["revoke", "nobody"], 1, "unknown key 'nobody'"),
    ],
)
def test_a_slip_is_told_with_its_remedy(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    """Usage is 2, an unknown key 1."""
    done = CliRunner().invoke(app, ["keys", *words, "--data", str(tmp_path)], env={"COLUMNS": "200"})
    assert (code, True) == (done.exit_code, message in done.output), done.output


def test_the_flag_server_refuses_other_addresses_without_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how to make one, and does not listen."""
    monkeypatch.setenv("SLUICE_DATA", str(tmp_path))
    assert 2 == main(["--host", "0.0.0.0", "--port", "1"])  # noqa: S104 - refused
    assert "sluice keys create NAME --scope admin" in capsys.readouterr().err


def test_a_key_is_in_force_within_a_second_and_so_is_its_end(tmp_path: Path) -> None:
    """The first key locks a running server, the second process needs no restart, and a stream ends with its key."""
    with flag_server(tmp_path) as server:
        assert server.http.post("/ofrep/v1/evaluate/flags", json={}).is_success
        secret = keys(tmp_path, *ALL)["secret"]
        until(lambda: server.http.get("/v1/rollouts").status_code == 401, "the first key locks", seconds=5)
        headers = {"authorization": f"Bearer {secret}"}
        assert server.http.post("/ofrep/v1/evaluate/flags", json={}, headers=headers).is_success
        assert server.http.get("/healthz").status_code in {200, 503}
        with httpx.stream("GET", f"{server.url}/ofrep/v1/stream", headers=headers, trust_env=False) as stream:
            lines = stream.iter_lines()
            next(lines)
            keys(tmp_path, "create", "other", "--scope", "admin")
            keys(tmp_path, "revoke", "ana")
            until(
                lambda: server.http.get("/v1/rollouts", headers=headers).status_code == 401, "it is revoked", seconds=5
            )
            assert [] == [line for line in lines if line.startswith("event: never")]


def test_the_command_line_names_the_key_over_http_and_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SLUICE_KEY the journal says whose key it is, whoever is logged in; a wrong key is told as such."""
    plan = Path(__file__).parents[2] / "plans" / "examples" / "minimal.yaml"
    secret = keys(tmp_path, "create", "ana", "--person", "ana@example.com", "--scope", "admin")["secret"]
    with flag_server(tmp_path) as server:
        monkeypatch.setenv("SLUICE_KEY", secret)
        for where in (["--server", server.url], ["--data", str(tmp_path)]):
            _run("submit", str(plan), *where)
        _run("hold", "search-v2", "--reason", "wait", "--server", server.url)
        _run("resume", "search-v2", "--reason", "go", "--data", str(tmp_path), "--by", "bob")
        names = [entry.by for entry in server.store.journal("search-v2")]
        assert ["ana@example.com", "ana@example.com (as claimed: bob)"] == [n for n in names if n.startswith("ana")]
        monkeypatch.setenv("SLUICE_KEY", f"{secret}0")
        refused = CliRunner().invoke(app, ["list", "--server", server.url])
    assert (1, True) == (refused.exit_code, "this key opens nothing here" in refused.output), refused.output


def _run(*words: str) -> None:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
