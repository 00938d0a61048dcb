"""Real servers that the suite starts for itself, on loopback, and stops again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
import pytest
from psycopg import sql

from tests.waiting import until

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


@contextmanager
def postgres() -> Iterator[str]:
    """A fresh PostgreSQL server; gives the address of its `postgres` database. Skips where none is installed."""
    found = BINARIES[-1] if BINARIES else shutil.which("pg_ctl")
    if not found:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    binaries, port = Path(found).parent, free_port()
    folder = Path(tempfile.mkdtemp(prefix="sluice-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    where = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    data, options = folder / "data", f"{where} -c fsync=off -c full_page_writes=off"  # no test pulls the plug
    _run(binaries / "initdb", "-D", data, "-U", "sluice", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
    try:
        _run(binaries / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        yield f"postgresql+psycopg://sluice@127.0.0.1:{port}/postgres"
    finally:
        _run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


@contextmanager
def prometheus(samples: str) -> Iterator[str]:
    """A fresh Prometheus server that remembers `samples`, OpenMetrics text with instants; gives its address.

    Skips where there is none and Debian's package cannot be unpacked either.
    """
    binaries, port = _prometheus(), free_port()
    with tempfile.TemporaryDirectory(prefix="sluice-prometheus-") as name:
        folder = Path(name)
        (folder / "samples").write_text(samples, encoding="utf-8")
        (folder / "prometheus.yml").write_text("global: {}\n", encoding="utf-8")
        made = ("tsdb", "create-blocks-from", "openmetrics", folder / "samples", folder / "data")
        subprocess.run([binaries / "promtool", *made], capture_output=True, check=True)
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "storage.tsdb.retention.time": "100y",
            "web.listen-address": f"127.0.0.1:{port}",
            "log.level": "error",
        }
        server = subprocess.Popen([binaries / "prometheus", *(f"--{key}={value}" for key, value in options.items())])
        try:
            until(lambda: _answers(f"http://127.0.0.1:{port}/-/ready"), "Prometheus is ready")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def new_database(server: str, name: str) -> str:
    """An empty database on a server; gives its address."""
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{server.rpartition('/')[0]}/{name}"


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prometheus() -> Path:
    """The folder of its programs: installed, or unpacked from Debian's package once."""
    if found := shutil.which("prometheus"):
        return Path(found).parent
    unpacked = Path.home() / ".cache" / "sluice-tests" / "prometheus"
    if not unpacked.exists() and not _unpack("prometheus", unpacked):
        pytest.skip("Prometheus is not installed here: apt-get install prometheus")
    return unpacked / "usr" / "bin"


def _unpack(package: str, target: Path) -> bool:
    """Unpack a Debian package without installing it; False where that is not possible."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        got = subprocess.run(["apt-get", "download", package], cwd=name, capture_output=True, check=False)
        for file in Path(name).glob("*.deb") if got.returncode == 0 else ():
            subprocess.run(["dpkg", "-x", file, f"{name}/unpacked"], check=True)
            Path(name, "unpacked").rename(target)
    return target.exists()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - our own server
            return bool(response.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


def _run(*command: object) -> None:
    """PostgreSQL refuses to run as root, so root hands over to its own account."""
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "postgres", "--", *words]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
