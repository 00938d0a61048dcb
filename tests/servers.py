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

import psycopg
import pytest
from psycopg import sql

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


def _run(*command: object) -> None:
    """PostgreSQL refuses to run as root, so root hands over to its own account."""
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "postgres", "--", *words]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
