"""Delivering what transitions had to say: one structured line each, in the log file and on stderr.

The file is the proof of delivery. Every line carries its outbox number, writers hold a lock on the file, and a row
that the file already holds is not written again; so a crash between the line and the mark in the store repeats nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from flows.house import House
from flows.reading import Reader
from state.store import Notification

FILE = "notices.log"


@dataclass(slots=True)
class LogChannel:
    """The built-in channel `log`: appends lines to one file that several processes may share."""

    path: Path
    echo: TextIO = sys.stderr
    written: set[int] = field(default_factory=set)
    read_until: int = 0

    def tell(self, notice: Notification) -> None:
        """Write the notice's line, unless the file has it already; returns once the line is on disk."""
        with self._locked() as file:
            self._catch_up(file)
            if notice.id in self.written:
                return
            line = as_line(notice)
            os.write(file, f"{line}\n".encode())
            os.fsync(file)
        print(line, file=self.echo, flush=True)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _catch_up(self, file: int) -> None:
        """Learn what the file holds since the last look; half a line at its end is a crash's and is closed off."""
        os.lseek(file, self.read_until, os.SEEK_SET)
        with os.fdopen(os.dup(file), "rb") as lines:
            text = lines.read()
        if text and not text.endswith(b"\n"):
            os.write(file, b"\n")
            text += b"\n"
        self.written |= {number for line in text.splitlines() if (number := _number(line)) is not None}
        self.read_until += len(text)


def deliver(house: House, channel: LogChannel) -> tuple[Notification, ...]:
    """Deliver every notice that waits, in order, and give them back; alerts with what the flag really serves."""
    taken, reader = house.store.outbox_pending(), Reader(house)
    for notice in taken:
        channel.tell(replace(notice, title=reader.checked(notice)))
        house.store.delivered(notice.id)
    return taken


def as_line(notice: Notification) -> str:
    """A notice as one line of JSON: number first, so that a reader can tell what was delivered."""
    return json.dumps(
        {
            "outbox": notice.id,
            "at": notice.at.isoformat().replace("+00:00", "Z"),
            "rollout": notice.rollout,
            "revision": notice.revision,
            "event": notice.event,
            "title": notice.title,
            "body": notice.body,
            "head": notice.head,
        },
        ensure_ascii=False,
    )


def _number(line: bytes) -> int | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row.get("outbox") if isinstance(row, dict) else None
