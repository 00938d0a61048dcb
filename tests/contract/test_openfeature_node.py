"""What a Node application sees through the real OpenFeature server SDK and its OFREP provider."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contract.flag_server import started_rollout
from tests.contract.test_serve import GUIDE, SAID, serving

HERE = Path(__file__).with_name("node")
FILES = ("package.json", "package-lock.json", ".npmrc", "ask.mjs")
FLAG = "case-law-ai"
TEAM = {"targetingKey": "u-1", "email": "pm@example.com"}
VIP = {"targetingKey": "u-1", "tier": "vip"}
INSTALL_SECONDS = 180
STRICT = [
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--types",
    "node",
    "--erasableSyntaxOnly",
    "--noEmitOnError",
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the locked Node clients installed; skipped where there is no npm or nothing to install from."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed, so the Node clients are not tested")
    folder = tmp_path_factory.mktemp("node")
    for name in FILES:
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        ["npm", "ci", "--prefer-offline"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm could not install the Node clients: {done.stderr.strip()[-300:]}")
    return folder


def ask(node: Path, url: str, questions: list[tuple[str, str, object, dict[str, object]]]) -> list[dict[str, Any]]:
    """The answers of the Node SDK to (type, key, default, context)."""
    command = ["node", "ask.mjs", url, json.dumps(questions)]
    done = subprocess.run(command, cwd=node, capture_output=True, text=True, timeout=60, check=True)
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_a_node_application_reads_the_same_flags(node: Path, tmp_path: Path) -> None:
    """Every type, both variants, the metadata and the named errors arrive in one run of the real client."""
    with started_rollout(tmp_path) as server:
        whole, enabled, model, threshold, count, unknown, keyless = ask(
            node,
            server.url,
            [
                ("object", FLAG, {}, dict(TEAM)),
                ("boolean", f"{FLAG}.enabled", False, dict(TEAM)),
                ("string", f"{FLAG}.model", "none", dict(VIP)),
                ("number", f"{FLAG}.min_confidence", 0, dict(VIP)),
                ("number", f"{FLAG}.top_k", 0, dict(TEAM)),
                ("string", "nothing", "mine", dict(TEAM)),
                ("string", f"{FLAG}.model", "mine", {}),
            ],
        )
    assert {"enabled": True, "model": "v2.4", "min_confidence": 0.8, "top_k": 5} == whole["value"]
    assert ("candidate", "TARGETING_MATCH") == (whole["variant"], whole["reason"])
    assert ("case-law-v24", "beta", 30) == tuple(whole["metadata"][key] for key in ("rollout", "phase", "exposure"))
    assert [True, "v2.3", 1, 5] == [enabled["value"], model["value"], threshold["value"], count["value"]]
    assert ("mine", "FLAG_NOT_FOUND") == (unknown["value"], unknown["errorCode"])
    assert ("mine", "TARGETING_KEY_MISSING") == (keyless["value"], keyless["errorCode"])


@pytest.fixture(scope="module")
def programs(node: Path) -> tuple[str, ...]:
    """The guide's programs: the JavaScript, and what the type checker makes of the TypeScript."""
    for name in ("app.mjs", "app.ts"):
        shutil.copy(GUIDE / name, node)
    done = subprocess.run(["node_modules/.bin/tsc", *STRICT, "app.ts"], cwd=node, capture_output=True, check=False)
    assert (0, b"") == (done.returncode, done.stdout)
    return "app.mjs", "app.js"


@pytest.mark.parametrize(("pin", "said"), SAID)
def test_the_programs_in_the_documentation_obey_their_flag(
    node: Path, programs: tuple[str, ...], pin: str, said: str
) -> None:
    """Printed as they are, the guide's programs show what is pinned and report what they did."""
    with serving("--pin", pin) as (address, printed):
        for program in programs:
            command = ["node", program, address, "lawyer-1"]
            done = subprocess.run(command, cwd=node, capture_output=True, text=True, timeout=60, check=False)
            assert (0, f"{said}\n") == (done.returncode, done.stdout), done.stderr
            events = ["request"] if pin == "off" else ["request", "shown"]
            assert [["case-law-ai", "lawyer-1", event] for event in events] == [
                printed.readline().split() for _ in events
            ]
