"""A bar for what takes longer than a moment, on terminals only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from sluice import render

LONG = 1.0

T = TypeVar("T")


def watched(done: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The things as they come, with a bar on a terminal once they take longer than a second."""
    console, began = render.console(stderr=True), time.monotonic()
    bar = Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True)
    task = bar.add_task(what, total=total)
    try:
        for one in done:
            yield one
            if not console.is_terminal:
                continue
            bar.advance(task)
            if not bar.live.is_started and time.monotonic() - began > LONG:
                bar.start()
    finally:
        if bar.live.is_started:
            bar.stop()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
