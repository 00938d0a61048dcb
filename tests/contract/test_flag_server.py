"""The flag server as a process: what it prints, what it survives, how it ends."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from tests.contract.flag_server import FlagServer, flag_server, started_rollout
from tests.waiting import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlagServer]:
    with started_rollout(tmp_path_factory.mktemp("process")) as running:
        yield running


def raw(server: FlagServer, sent: bytes) -> bytes:
    """What comes back for bytes that no client library would send."""
    address = urlsplit(server.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=10) as one:
        one.sendall(sent)
        one.shutdown(socket.SHUT_WR)
        return one.recv(65_536)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /ofrep/v1/evaluate/flags/\xff\xfe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /ofrep/v1/evaluate/flags/%ff%00 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /v1/rollouts/%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/track HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{}",
        b"POST http://evil.example/v1/track HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
        b"\x00\x01\x02\r\n\r\n",
    ],
)
def test_broken_requests_get_no_server_error(server: FlagServer, sent: bytes) -> None:
    """Odd bytes get a 4xx or a closed connection, and the next request is answered."""
    assert raw(server, sent)[9:10] in {b"4", b""}
    assert "SPLIT" == server.evaluate("case-law-ai", targetingKey="u-1")["reason"]


def test_an_offer_of_http_2_costs_no_request_its_body(server: FlagServer) -> None:
    """Java's client makes one with every request over plain HTTP: it is answered as it is."""
    body = b'{"context": {"targetingKey": "u-1"}}'
    head = b"POST /ofrep/v1/evaluate/flags/case-law-ai HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    head += b"Content-Length: %d\r\nHost: localhost\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n" % len(body)
    answer = raw(server, head + b"Upgrade: h2c\r\nContent-Type: application/json\r\n\r\n" + body)
    assert b"200" == answer[9:12]


def test_a_large_body_is_cut_off(server: FlagServer) -> None:
    """413 on every address that takes a body."""
    for path in ("/ofrep/v1/evaluate/flags", "/v1/track", "/v1/rollouts"):
        headers = {"content-type": "application/json"}
        assert 413 == server.http.post(path, content=b" " * (2 * 1024 * 1024), headers=headers).status_code


def test_outcomes_are_counted_for_the_cohort_that_was_served(server: FlagServer) -> None:
    """What an application reports with its evaluation's context is accepted; the cohort is nobody's claim."""
    outcome = {
        "flag": "case-law-ai",
        "targetingKey": "u-1",
        "event": "request",
        "context": {"tier": "free", "email": "u"},
    }
    assert 1 == server.post("/v1/track", outcome)["accepted"]
    told = server.post("/v1/track", [outcome | {"event": "eror"}])
    assert [{"event": "eror", "did_you_mean": "error"}] == told["unknown"]


def listen(url: str, heard: list[str], ended: threading.Event) -> None:
    """Note the version in every event of a stream until the server ends it."""
    with httpx.stream("GET", f"{url}/ofrep/v1/stream", timeout=120, trust_env=False) as stream:
        lines = (line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: "))
        heard.extend(orjson.loads(line)["etag"] for line in lines)
    ended.set()


def test_streams_hear_of_commits_and_end_with_the_server_which_comes_back_as_it_was(tmp_path: Path) -> None:
    """An open stream is told of a kill and does not keep the server from stopping; the next server serves the kill."""
    heard: list[str] = []
    ended = threading.Event()
    with started_rollout(tmp_path) as server:
        listener = threading.Thread(target=listen, args=(server.url, heard, ended))
        listener.start()
        until(lambda: heard, "the stream greets", every=0.005)
        server.post("/v1/flags/case-law-ai/kill", {"by": "pm@example.com"})
        until(lambda: len(set(heard)) > 1, "the stream tells of the kill", every=0.005)
        killed = server.evaluate("case-law-ai", targetingKey="u-1")
    listener.join(30)
    assert ended.is_set()
    with flag_server(tmp_path) as server:
        assert killed == server.evaluate("case-law-ai", targetingKey="u-1")


def test_an_address_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    """Exit code 2 and the reason, before anything listens."""
    command = [sys.executable, "-m", "serving", "--data", str(tmp_path), "--host", "0.0.0.0"]  # noqa: S104 - refused
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert 2 == done.returncode
    assert "needs keys" in done.stderr
