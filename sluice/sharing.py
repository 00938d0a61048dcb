"""Work that comes by the number, shared among cores without changing its order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from signal import SIG_IGN, SIGINT, signal
from typing import TypeVar

AHEAD = 2  # handfuls a core

T = TypeVar("T")


def shared(share: Callable[[range], list[T]], total: int, cores: int, handful: int) -> Iterator[T]:
    """What `share` gives for the numbers below `total`, in their order; each core takes a handful at a time.

    `share` goes to other processes, so it must be a function of a module, or a partial of one.
    """
    handfuls = [range(first, min(first + handful, total)) for first in range(0, total, handful)]
    with ProcessPoolExecutor(cores, get_context("spawn"), _ignore_interrupts) as pool:
        asked = deque(pool.submit(share, few) for few in handfuls[: cores * AHEAD])
        waiting = iter(handfuls[cores * AHEAD :])
        try:
            while asked:
                yield from asked.popleft().result()
                asked += [pool.submit(share, few) for few in islice(waiting, 1)]
        finally:
            for few in asked:
                few.cancel()


def _ignore_interrupts() -> None:
    """Ctrl-C is for whoever watches; the workers end with their pool."""
    signal(SIGINT, SIG_IGN)
