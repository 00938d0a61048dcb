"""`sluice serve`: a plan's flags over OFREP alone, as an application's own tests use it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from tests.servers import free_port

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "connecting"
SAID = (
    ("candidate", "v2.4: Smith v. Jones, Doe v. Roe"),
    ("stable", "v2.3: Smith v. Jones"),
    ("off", "search as it was before"),
)
"""What the guide's program prints where everyone gets one thing."""
PLAN = ROOT / "plans" / "examples" / "case-law.yaml"
USER = EvaluationContext("lawyer-1", {"tier": "standard", "email": "lawyer-1@mail.test"})
VIP = EvaluationContext("lawyer-2", {"tier": "vip", "email": "lawyer-2@mail.test"})


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, IO[str]]]:
    """The address of a server with these options, and what it prints after `ready`; it ends with 0."""
    port = free_port()
    command = [sys.executable, "-m", "sluice", "serve", str(PLAN), "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert [server.stdout.readline().split()[:1] for _ in range(2)] == [["case-law-ai"], ["ready"]]
            yield f"http://127.0.0.1:{port}", server.stdout
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
        finally:
            server.kill()


@pytest.mark.parametrize(
    ("options", "context", "expected"),
    [
        (("--pin", "candidate"), VIP, (True, "v2.4", 0.7)),
        (("--pin", "stable"), USER, (True, "v2.3", 0.7)),
        (("--pin", "off"), USER, (False, "v2.3", 0.7)),
        (("--phase", "ga"), USER, (True, "v2.4", 0.8)),
        (("--phase", "ga"), VIP, (True, "v2.3", 0.7)),
    ],
)
def test_a_real_client_gets_what_was_asked_for(
    options: tuple[str, ...], context: EvaluationContext, expected: tuple[bool, str, float]
) -> None:
    """A pin is for everyone; a phase has its exposure, its lists and the settings adjusted before it."""
    with serving(*options) as (address, _):
        api.set_provider(OFREPProvider(address), domain="serve")
        value = api.get_client("serve").get_object_value("case-law-ai", {}, context)
    assert isinstance(value, dict)
    assert expected == (value["enabled"], value["model"], value["min_confidence"])


def test_what_is_tracked_is_printed_and_slips_are_told() -> None:
    """One line an outcome; an event that no metric knows comes back with what was meant."""
    told = [{"flag": "case-law-ai", "targetingKey": "u-1", "event": event} for event in ("request", "eror")]
    with serving() as (address, printed):
        receipt = httpx.post(f"{address}/v1/track", json=told, trust_env=False)
        lines = [printed.readline().split() for _ in told]
        elsewhere = httpx.get(f"{address}/v1/rollouts", trust_env=False)
    assert (receipt.status_code, receipt.json()["accepted"]) == (202, 2)
    assert receipt.json()["unknown"] == [{"event": "eror", "did_you_mean": "error"}]
    assert lines == [["case-law-ai", "u-1", "request"], ["case-law-ai", "u-1", "eror"]]
    assert (elsewhere.status_code, "sluice up" in elsewhere.json()["error"]) == (404, True)


def test_an_unknown_phase_is_wrong_usage() -> None:
    """With the phases that there are."""
    command = [sys.executable, "-m", "sluice", "serve", str(PLAN), "--phase", "gamma"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--phase gamma: case-law-v24 has alpha, beta, majority, ga" in done.stderr


@pytest.mark.parametrize(("pin", "said"), SAID)
def test_the_program_in_the_documentation_obeys_its_flag(pin: str, said: str) -> None:
    """Printed as it is, the guide's program shows what is pinned and reports what it did."""
    with serving("--pin", pin) as (address, printed):
        command = [sys.executable, str(GUIDE / "app.py"), address, "lawyer-1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (0, f"{said}\n") == (done.returncode, done.stdout), done.stderr
        assert ["case-law-ai", "lawyer-1", "request"] == printed.readline().split()


@pytest.mark.parametrize("program", sorted(GUIDE.glob("[aA]pp.*")), ids=lambda path: path.name)
def test_the_guide_prints_the_programs_that_are_run(program: Path) -> None:
    """The page has each file whole."""
    assert program.read_text(encoding="utf-8") in (ROOT / "docs" / "connecting.md").read_text(encoding="utf-8")
