"""Keys in the store: the secret is shown once, and a revocation is for good."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from state.codes import PAUSE, code, step_at
from state.credentials import Scope, digest_of, holder
from state.errors import RefusedError, UnknownError
from state.store import Store
from tests.contract.state.story import BEGIN


def test_only_the_digest_of_a_secret_is_stored(store: Store) -> None:
    """What the database holds opens nothing; the secret itself finds its key."""
    key, secret = store.create_key("ana", "ana@example.com", [Scope.ADMIN, Scope.TRACK], "pm", BEGIN)
    assert digest_of(secret.encode()) == key.digest
    with store.reading() as tx:
        row = tx.execute(text("SELECT * FROM api_key")).mappings().one()
    assert secret.rpartition("_")[2] not in str(dict(row))
    assert (key,) == store.live_keys()
    assert key == holder({key.prefix: key}, secret.encode())


def test_a_revoked_key_is_listed_and_not_live(store: Store) -> None:
    """By its name or prefix, once; its name is free again, and who ended it is kept."""
    key, _ = store.create_key("ci", None, [Scope.TRACK], "pm", BEGIN)
    before = store.keys_version()
    store.revoke_key(key.prefix, "oncall", BEGIN + timedelta(days=1))
    assert ((), "oncall", "service ci") == (store.live_keys(), store.keys()[0].revoked_by, key.who)
    assert before != store.keys_version()
    store.create_key("ci", None, [Scope.TRACK], "pm", BEGIN)
    store.revoke_key("ci", "oncall", BEGIN)
    with pytest.raises(UnknownError, match="unknown key 'ci'"):
        store.revoke_key("ci", "oncall", BEGIN)


def test_two_live_keys_never_share_a_name(store: Store) -> None:
    """Otherwise a revocation could end the wrong one."""
    store.create_key("ci", None, [Scope.TRACK], "pm", BEGIN)
    with pytest.raises(RefusedError, match="a live key is named 'ci' already"):
        store.create_key("ci", None, [Scope.TRACK], "pm", BEGIN)


def test_the_hour_of_last_use_never_goes_back(store: Store) -> None:
    """Several servers note it, each when it gets to it."""
    key, _ = store.create_key("ci", None, [Scope.TRACK], "pm", BEGIN)
    late, early = BEGIN + timedelta(hours=5, minutes=7), BEGIN + timedelta(hours=2)
    for at in (late, early):
        store.keys_used([key.prefix], at)
    assert late.replace(minute=0) == store.keys()[0].last_used


def test_a_code_counts_once_and_for_its_own_person(store: Store) -> None:
    """The address may be typed in any case; another person's code, and the same one again, are none."""
    made = {name: _enrolled(store, name, Scope.ROLLOUTS_APPROVE) for name in ("ana", "bo")}
    now = _code(made["ana"], BEGIN)
    with pytest.raises(RefusedError, match="no such approval code"):
        store.redeem("bo@example.com", now, Scope.ROLLOUTS_APPROVE, BEGIN)
    assert "ana@example.com" == store.redeem("Ana@Example.com", f" {now} ", Scope.ROLLOUTS_APPROVE, BEGIN).who
    with pytest.raises(RefusedError, match="no such approval code"):
        store.redeem("ana@example.com", now, Scope.ROLLOUTS_APPROVE, BEGIN)


def test_an_old_code_and_a_revoked_persons_code_are_none(store: Store) -> None:
    """A minute is as long as one lives, and a key takes its codes with it."""
    secret = _enrolled(store, "ana", Scope.ADMIN)
    with pytest.raises(RefusedError):
        store.redeem("ana@example.com", _code(secret, BEGIN - timedelta(minutes=1)), Scope.ADMIN, BEGIN)
    store.revoke_key("ana", "pm", BEGIN)
    with pytest.raises(RefusedError):
        store.redeem("ana@example.com", _code(secret, BEGIN), Scope.ADMIN, BEGIN)


def test_a_code_allows_what_its_key_does(store: Store) -> None:
    """A person who may submit approves nothing."""
    secret = _enrolled(store, "ana", Scope.ROLLOUTS_SUBMIT)
    with pytest.raises(RefusedError, match=r"the key ana of .* does not allow this"):
        store.redeem("ana@example.com", _code(secret, BEGIN), Scope.ROLLOUTS_APPROVE, BEGIN)


def test_codes_cannot_be_tried_out(store: Store) -> None:
    """After five wrong ones the right one is not looked at either, until a quarter of an hour has passed."""
    secret = _enrolled(store, "ana", Scope.ADMIN)
    for _ in range(5):
        with pytest.raises(RefusedError):
            store.redeem("ana@example.com", "x", Scope.ADMIN, BEGIN)
    with pytest.raises(RefusedError):
        store.redeem("ana@example.com", _code(secret, BEGIN), Scope.ADMIN, BEGIN)
    later = BEGIN + PAUSE
    assert "ana@example.com" == store.redeem("ana@example.com", _code(secret, later), Scope.ADMIN, later).who


def _enrolled(store: Store, name: str, scope: Scope) -> str:
    return store.enrol(store.create_key(name, f"{name}@example.com", [scope], "pm", BEGIN)[0])


def _code(secret: str, at: datetime) -> str:
    return code(base64.b32decode(secret), step_at(at))
