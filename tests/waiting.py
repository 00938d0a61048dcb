"""The one way a test waits for something that another process or thread does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str, *, seconds: float = 30.0, every: float = 0.1) -> T:
    """Return the first truthy result of `condition`, asked every `every` seconds.

    Raises `AssertionError` naming `what` and the last result once `seconds` have passed.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not so: {what} (last seen: {result!r})")
        time.sleep(every)
    return result
