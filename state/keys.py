"""Keys in the store: made, listed, revoked, and read by whoever checks them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from state.credentials import Key, Scope, digest_of, new_secret, scopes_from, scopes_text
from state.errors import RefusedError, UnknownError
from state.tables import api_keys
from state.transactions import Transactions

Version = tuple[int, int]


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

    def keys_used(self, prefixes: Collection[str], now: datetime) -> None:
        """Note that keys were used in the hour of `now`."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        stale = api_keys.c.last_used.is_(None) | (api_keys.c.last_used < hour)
        with self.writing() as tx:
            tx.execute(api_keys.update().where(api_keys.c.prefix.in_(prefixes), stale).values(last_used=hour))


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
