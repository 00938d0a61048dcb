"""Keys in the store: made, listed, revoked, and read by whoever checks them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from state.codes import SECRET_BYTES, WRONG_IN_A_ROW, matched, new_code_secret, paused_until
from state.credentials import Key, Scope, digest_of, new_secret, scopes_from, scopes_text
from state.errors import RefusedError, UnknownError
from state.tables import api_keys
from state.transactions import Transactions

Version = tuple[int, int]
WRONG_CODE = (
    "no such approval code: give the e-mail address of your key and the code that your device shows now; "
    "a code counts once, and after five wrong ones wait a quarter of an hour"
)


class Keys(Transactions):
    """Who may do what."""

    def create_key(
        self, name: str, person: str | None, scopes: Iterable[Scope], by: str, now: datetime
    ) -> tuple[Key, str]:
        """A new key and its secret, which is known here and never again.

        Raises RefusedError where a live key has the name.
        """
        secret, prefix = new_secret(os.urandom)
        digest = digest_of(secret.encode()).hex()
        values = {"name": name, "person": person, "scopes": scopes_text(scopes), "prefix": prefix, "digest": digest}
        try:
            with self.writing() as tx:
                made = api_keys.insert().values(**values, created=now, created_by=by, code_wrong=0).returning(api_keys)
                return _key(tx.execute(made).one()), secret
        except IntegrityError as error:
            raise RefusedError(
                f"a live key is named {name!r} already; revoke that one first, or choose another name"
            ) from error

    def keys(self) -> tuple[Key, ...]:
        """Every key that was ever made, revoked ones too, oldest first."""
        with self.reading() as tx:
            return tuple(_key(row) for row in tx.execute(select(api_keys).order_by(api_keys.c.id)))

    def live_keys(self) -> tuple[Key, ...]:
        """The keys that open something."""
        return tuple(key for key in self.keys() if key.revoked is None)

    def keys_version(self) -> Version:
        """Another value after every key that was made or revoked."""
        counts = select(func.count(api_keys.c.id), func.count(api_keys.c.revoked))
        with self.reading() as tx:
            made, revoked = tx.execute(counts).one()
        return int(made), int(revoked)

    def revoke_key(self, name: str, by: str, now: datetime) -> Key:
        """End a key, by its name or prefix; in force everywhere within a second.

        Raises UnknownError where no live key has the name.
        """
        named = ((api_keys.c.name == name) | (api_keys.c.prefix == name)) & api_keys.c.revoked.is_(None)
        ended = api_keys.update().where(named).values(revoked=now, revoked_by=by).returning(api_keys)
        with self.writing() as tx:
            row = tx.execute(ended).one_or_none()
        if row is None:
            raise UnknownError("key", name, [key.name for key in self.live_keys()])
        return _key(row)

    def enrol(self, key: Key) -> str:
        """Let a key's person make codes; gives the secret for their device, which is shown here alone."""
        secret = new_code_secret(os.urandom(SECRET_BYTES))
        with self.writing() as tx:
            tx.execute(api_keys.update().where(api_keys.c.id == key.id).values(code_secret=secret))
        return secret

    def redeem(self, person: str, code: str, scope: Scope, real: datetime) -> Key:
        """The live key of a person whose device made this code; a code counts once.

        Raises RefusedError for any other code, after too many wrong ones, and where the key does not allow `scope`.
        """
        theirs = func.lower(api_keys.c.person) == person.lower()
        live = (theirs, api_keys.c.revoked.is_(None), api_keys.c.code_secret.is_not(None))
        with self.writing() as tx:
            found = tx.execute(select(api_keys).where(*live).with_for_update()).all()
            taken = _taken(found, code, real)
            for row in found:
                tx.execute(api_keys.update().where(api_keys.c.id == row.id).values(_counted(row, taken, real)))
        if taken is None:
            raise RefusedError(WRONG_CODE)
        key = _key(taken[0])
        if not key.may(scope):
            raise RefusedError(f"the key {key.name} of {key.who} does not allow this; it needs {scope}")
        return key

    def keys_used(self, prefixes: Collection[str], now: datetime) -> None:
        """Note that keys were used in the hour of `now`."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        stale = api_keys.c.last_used.is_(None) | (api_keys.c.last_used < hour)
        with self.writing() as tx:
            tx.execute(api_keys.update().where(api_keys.c.prefix.in_(prefixes), stale).values(last_used=hour))


def _taken(found: Sequence[Any], code: str, real: datetime) -> tuple[Any, int] | None:
    """The row whose device made the code, and the code's step; None where none did, or none is looked at now."""
    for row in found:
        if paused_until(row.code_wrong, row.code_wrong_at, real) is None:
            step = matched(row.code_secret, code, real, row.code_step)
            if step is not None:
                return row, step
    return None


def _counted(row: Any, taken: tuple[Any, int] | None, real: datetime) -> dict[str, Any]:
    """What a try leaves of a row: a used step, or one wrong code more unless codes are paused."""
    if taken is not None:
        return {"code_step": taken[1], "code_wrong": 0} if row.id == taken[0].id else {"code_wrong": row.code_wrong}
    if paused_until(row.code_wrong, row.code_wrong_at, real):
        return {"code_wrong": row.code_wrong}
    before = 0 if row.code_wrong >= WRONG_IN_A_ROW else row.code_wrong
    return {"code_wrong": before + 1, "code_wrong_at": real}


def _key(row: Any) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        person=row.person,
        scopes=scopes_from(row.scopes),
        prefix=row.prefix,
        digest=bytes.fromhex(row.digest),
        created=row.created,
        created_by=row.created_by,
        revoked=row.revoked,
        revoked_by=row.revoked_by,
        last_used=row.last_used,
        enrolled=row.code_secret is not None,
    )
