"""How many requests a second the real flag server answers, asked by wrk; constant bytes on the same stack beside it."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.flag_server import FlagServer, started_rollout
from tests.servers import free_port
from tests.waiting import until

SECONDS = 5
SINGLE = "/ofrep/v1/evaluate/flags/case-law-ai"
BULK = "/ofrep/v1/evaluate/flags"
ASK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"context":{"targetingKey":"user-12345","email":"someone@elsewhere.org","tier":"free"}}'
"""
TRACK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local one = '{"flag":"case-law-ai","targetingKey":"user-%d","event":"request","context":{"tier":"free","email":"x"}}'
local count = 0
request = function()
  local all = {}
  for i = 1, 100 do count = count + 1; all[i] = string.format(one, count % 20000) end
  return wrk.format(nil, nil, nil, "[" .. table.concat(all, ",") .. "]")
end
"""
CONSTANT = """
import sys, uvicorn
start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
body = {"type": "http.response.body", "body": b"{}"}
async def app(scope, receive, send):
    await receive()
    await send(start)
    await send(body)
uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="error", ws="none")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlagServer]:
    """One flag server with a started rollout for all of this file."""
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed, so requests a second are not measured")
    with started_rollout(tmp_path_factory.mktemp("bench")) as running:
        yield running


def load(url: str, script: str, folder: Path) -> tuple[float, str]:
    """Requests a second and the 99th percentile under 32 connections."""
    lua = folder / "load.lua"
    lua.write_text(script, encoding="utf-8")
    command = ["wrk", "-t1", "-c32", f"-d{SECONDS}s", "--latency", "-s", str(lua), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    slow = re.search(r"99%\s+(\S+)", said)
    assert rate is not None, said
    assert slow is not None, said
    return float(rate.group(1)), slow.group(1)


@pytest.mark.parametrize(("what", "path"), [("single", SINGLE), ("bulk of 5 keys", BULK)])
def test_evaluation_requests(server: FlagServer, tmp_path: Path, what: str, path: str) -> None:
    """Evaluations over HTTP."""
    rate, slow = load(server.url + path, ASK, tmp_path)
    print(f"\nOFREP {what}: {rate:,.0f} requests/s, p99 {slow}")


def test_constant_bytes(server: FlagServer, tmp_path: Path) -> None:
    """The same stack answering two bytes: what no handler can beat on this machine."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", CONSTANT, str(port)]) as process:
        try:
            until(lambda: _open(port), "the constant server answers")
            rate, slow = load(f"http://127.0.0.1:{port}/", ASK, tmp_path)
        finally:
            process.terminate()
    print(f"\nconstant bytes: {rate:,.0f} requests/s, p99 {slow}")


def test_outcomes(server: FlagServer, tmp_path: Path) -> None:
    """Outcomes in lists of a hundred, acknowledged once they are durable."""
    rate, slow = load(f"{server.url}/v1/track", TRACK, tmp_path)
    print(f"\noutcomes: {rate * 100:,.0f} events/s, p99 {slow}")


def test_evaluation_beside_outcomes(server: FlagServer, tmp_path: Path) -> None:
    """Evaluations while a writer reports outcomes as fast as it is answered."""
    lua = tmp_path / "track.lua"
    lua.write_text(TRACK, encoding="utf-8")
    command = ["wrk", "-t1", "-c1", f"-d{SECONDS + 2}s", "-s", str(lua), f"{server.url}/v1/track"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL):
        rate, slow = load(server.url + SINGLE, ASK, tmp_path)
    print(f"\nOFREP single beside outcomes: {rate:,.0f} requests/s, p99 {slow}")


def _open(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
