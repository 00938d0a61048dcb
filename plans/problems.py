"""What is wrong with a plan file: one problem at one place, and the error that carries them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

Path = tuple[str | int, ...]
NEAR = 0.6
LONGEST_QUOTE = 60


class Severity(StrEnum):
    """Whether a problem stops the plan."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right; `line` counts from 1 and is 0, `place` is empty, where the whole file is meant."""

    file: str
    line: int
    place: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        words = f"warning: {self.message}" if self.severity is Severity.WARNING else self.message
        return ": ".join(filter(None, (where, self.place, words)))


class PlanError(Exception):
    """The plan cannot be used; `problems` lists all that is wrong with it, in the order of its lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem before it has a file and a line: where in the plan, what, how bad."""

    path: Path
    message: str
    severity: Severity = Severity.ERROR


def place(path: Path) -> str:
    """A path in words: `phases[1].adjust[0].set`."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return words.removeprefix(".")


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, None where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for messages

    spelled = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), spelled, n=1, cutoff=NEAR)
    return spelled[found[0]] if found else None


def shown(value: object) -> str:
    """A value as a message quotes it: whole where it fits, else its beginning."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: what was meant, else everything that is known."""
    names = sorted(known)
    found = closest(word, names)
    if found:
        return f"did you mean {found!r}?"
    return f"known here: {', '.join(names)}" if names else "nothing is known here"
