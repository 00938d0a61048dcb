"""The seals of the journals: each line carries a MAC over its content and over the seal of the line before it.

Pure. A seal is HMAC-SHA256 (RFC 2104, FIPS 180-4) in hexadecimal; lines of all journals form one chain, numbered from
1 in the order in which they were committed.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from state.errors import NaiveInstantError, RefusedError

SHORT = 32
"""Hexadecimal digits of a published head: 128 bits."""
ANY = "surrogateescape"
"""Bytes that are no text, in a column that somebody changed, are bytes all the same."""
PUBLISHED = re.compile(r"(\d{1,15}):([0-9a-f]{8,64})")
SEAL = "mac"
"""The one column that a seal does not cover: itself."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that lines are sealed with, by id and oldest first: the last one seals, every one verifies."""

    by_id: Mapping[str, bytes]

    @classmethod
    def of(cls, *secrets: bytes) -> Secrets:
        """Secrets by the ids that lines name them by."""
        return cls({key_id(secret): secret for secret in secrets})

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return tuple(self.by_id)[-1]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many lines there are, and the seal of the last; as text `42:9f2c…`, cut short."""

    count: int = 0
    mac: str = ""

    def __str__(self) -> str:
        return f"{self.count}:{self.mac[:SHORT]}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Inverse of `str`; raises RefusedError for anything else."""
        found = PUBLISHED.fullmatch(text.strip().lower())
        if found is None:
            raise RefusedError(f"{text!r} is not COUNT:MAC; copy a `head` from notices.log, such as 42:9f2c51d0…")
        return cls(int(found[1]), found[2])


def key_id(secret: bytes) -> str:
    """What a line names its key by; it says nothing about the secret."""
    return sha256(b"sluice audit key " + secret).hexdigest()[:8]


def seal(secret: bytes, previous: str, journal: str, columns: Mapping[str, object]) -> str:
    """The seal of one line of a journal behind the line sealed with `previous`; the first has nothing before it."""
    return hmac.digest(secret, f"{journal} {previous}\n".encode(errors=ANY) + content(columns), "sha256").hex()


def content(columns: Mapping[str, object]) -> bytes:
    """A line as bytes: every column that has a value, by name, with its kind and its length.

    Two lines that differ anywhere give different bytes. A column that is added later is empty in older lines, whose
    seals stay good.
    """
    named = [name for name in sorted(columns) if name != SEAL and columns[name] is not None]
    return "".join([_field(name, columns[name]) for name in named]).encode(errors=ANY)


def instant(at: datetime) -> str:
    """An instant as a seal covers it, `2026-12-01 14:00:00.000000` in UTC; raises NaiveInstantError without a zone."""
    if at.tzinfo is None:
        raise NaiveInstantError(at)
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _field(name: str, value: object) -> str:
    if isinstance(value, str):
        return f"{name} text {len(value)}:{value}\n"
    if isinstance(value, datetime):
        return _field(name, instant(value))
    return f"{name} {type(value).__name__} {value!r}\n"
