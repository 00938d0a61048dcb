"""What checking a key adds to an evaluation, in process: the server around it costs the same with and without."""

import asyncio
import os
from datetime import UTC, datetime
from time import process_time

from rollout.exposure import Flag
from serving.asgi import App, Message
from serving.flags import FlagSet
from serving.gate import gated
from serving.keyring import Keyring
from serving.ofrep import ofrep_app
from state.credentials import Key, Scope, digest_of, new_secret

TIMES = 20_000
BODY = b'{"context":{"targetingKey":"user-12345"}}'


def test_a_key_beside_none() -> None:
    """Microseconds of CPU an evaluation, with keys and without."""
    secret, prefix = new_secret(os.urandom)
    made = datetime.now(UTC)
    scopes, digest = frozenset({Scope.FLAGS_READ}), digest_of(secret.encode())
    key = Key(id=1, name="app", person=None, scopes=scopes, prefix=prefix, digest=digest, created=made, created_by="x")
    took = {name: asyncio.run(_each(keys, secret)) for name, keys in (("without", ()), ("with", (key,)))}
    print(f"\nevaluation without keys {took['without']:.1f} us, with {took['with']:.1f} us of CPU")


async def _each(keys: tuple[Key, ...], secret: str) -> float:
    keyring = Keyring()
    keyring.update(keys)
    settings = {"model": "v2"}
    flag = Flag(
        key="f", active=True, exposure=10_000, stable=settings, candidate=settings, first_candidate=settings, salt="s"
    )
    app: App = gated(keyring, ofrep_app(FlagSet([flag])))
    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + secret.encode())]
    began = process_time()
    for _ in range(TIMES):
        scope = {"type": "http", "method": "POST", "path": "/ofrep/v1/evaluate/flags/f", "headers": headers}
        await app(scope, _receive, _send)
    return (process_time() - began) / TIMES * 1e6


async def _receive() -> Message:
    return {"type": "http.request", "body": BODY, "more_body": False}


async def _send(_message: Message) -> None:
    pass
