"""Keys as values: what they allow, how a secret is made and known again, and codes for a form that keeps what it reads.

A secret is 256 random bits, so one SHA-256 of it is as good as a slow hash: there is nothing to guess from. It carries
a public prefix by which its row is found; only the digest is stored.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollout.model import Verb

MARK = "sluice"
PREFIX_BYTES = 4
SECRET_BYTES = 32


class Scope(StrEnum):
    """What a key allows."""

    FLAGS_READ = "flags:read"
    TRACK = "track"
    ROLLOUTS_READ = "rollouts:read"
    ROLLOUTS_SUBMIT = "rollouts:submit"
    ROLLOUTS_APPROVE = "rollouts:approve"
    ROLLOUTS_ABORT = "rollouts:abort"
    ADMIN = "admin"


_READ = frozenset({Scope.ROLLOUTS_READ})
_ABORT = _READ | {Scope.ROLLOUTS_ABORT}
INCLUDES: Mapping[Scope, frozenset[Scope]] = {
    Scope.FLAGS_READ: frozenset({Scope.FLAGS_READ}),
    Scope.TRACK: frozenset({Scope.TRACK}),
    Scope.ROLLOUTS_READ: _READ,
    Scope.ROLLOUTS_SUBMIT: _READ | {Scope.ROLLOUTS_SUBMIT},
    Scope.ROLLOUTS_ABORT: _ABORT,
    Scope.ROLLOUTS_APPROVE: _ABORT | {Scope.ROLLOUTS_APPROVE},
    Scope.ADMIN: frozenset(Scope),
}
"""Whoever may move a rollout may look at it, and whoever may raise exposure may take it back."""


LOWERS = frozenset({Verb.ABORT, Verb.HOLD, Verb.BACK, Verb.KILL, Verb.ROLLBACK})
"""What takes exposure back, or keeps it, needs less right than everything else a person may ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the store holds it; `person` is None for a service, `last_used` is the hour it was last seen in.

    `digest` is the SHA-256 of the whole secret; `enrolled` says whether its person has a device that makes codes.
    """

    id: int
    name: str
    person: str | None
    scopes: frozenset[Scope]
    prefix: str
    digest: bytes
    created: datetime
    created_by: str
    revoked: datetime | None = None
    revoked_by: str | None = None
    last_used: datetime | None = None
    enrolled: bool = False

    @property
    def who(self) -> str:
        """How the journal names whoever holds it."""
        return self.person or f"service {self.name}"

    def may(self, scope: Scope) -> bool:
        """Whether the key allows something."""
        return any(scope in INCLUDES[granted] for granted in self.scopes)


def scope_of(verb: Verb) -> Scope:
    """What a person needs to ask for a verb."""
    return Scope.ROLLOUTS_ABORT if verb in LOWERS else Scope.ROLLOUTS_APPROVE


def new_secret(random: Callable[[int], bytes]) -> tuple[str, str]:
    """A new secret and its public prefix; `random` gives that many unpredictable bytes, such as `os.urandom`."""
    prefix = random(PREFIX_BYTES).hex()
    return f"{MARK}_{prefix}_{random(SECRET_BYTES).hex()}", prefix


def digest_of(secret: bytes) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret).digest()


def prefix_of(secret: bytes) -> str | None:
    """The public prefix that a secret carries; None where it is no secret of ours."""
    parts = secret.split(b"_")
    if len(parts) != 3 or parts[0] != MARK.encode() or not parts[1].isalnum():  # noqa: PLR2004 - mark, prefix, secret
        return None
    return parts[1].decode("ascii", "replace")


def holder(live: Mapping[str, Key], secret: bytes) -> Key | None:
    """The live key that this is the secret of; None where it is nobody's. Takes equally long for any wrong secret."""
    prefix = prefix_of(secret)
    key = None if prefix is None else live.get(prefix)
    if key is None or not hmac.compare_digest(key.digest, digest_of(secret)):
        return None
    return key


def scopes_text(scopes: Iterable[Scope]) -> str:
    """Scopes as the store keeps them, in the order in which they are declared."""
    given = frozenset(scopes)
    return " ".join(scope for scope in Scope if scope in given)


def scopes_from(text: str) -> frozenset[Scope]:
    """Inverse of `scopes_text`."""
    return frozenset(map(Scope, text.split()))
