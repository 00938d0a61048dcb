"""The flags being served, in memory: every answer is serialised when a flag changes, not when it is asked for."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import orjson
from pydantic import JsonValue

from rollout.exposure import TARGETING_KEY, Flag, Reason, Variant
from serving.asgi import Answer
from serving.evaluate import Compiled, compile_flag, values

KEY = re.compile(r"[A-Za-z0-9._-]+")
Metadata = dict[str, str | float | int]


@dataclass(frozen=True, slots=True)
class Single:
    """One key as the single endpoint answers it; `missing` is for contexts without the unit that the rule needs."""

    choose: Compiled[Answer]
    missing: Answer


@dataclass(frozen=True, slots=True)
class Served:
    """One flag compiled: its keys one by one, and all of them together as a fragment of the bulk answer."""

    flag: Flag
    mark: int
    singles: Mapping[str, Single]
    bulk: Compiled[bytes]
    bulk_missing: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole flag set at one version; `tag` names its contents, `changed` is in Unix seconds."""

    tag: str
    changed: int
    served: Mapping[str, Served]
    singles: Mapping[str, Single]


class FlagSet:
    """The flags in force; readers take `snapshot` once a request, one writer replaces it."""

    def __init__(self, flags: Iterable[Flag] = (), now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._listeners: list[Callable[[], None]] = []
        self.snapshot = _snapshot({flag.key: serve(flag) for flag in flags}, int(now()))

    @property
    def flags(self) -> dict[str, Flag]:
        """Every flag by its key."""
        return {key: served.flag for key, served in self.snapshot.served.items()}

    def update(self, changed: Iterable[Flag]) -> None:
        """Take in flags that are new or changed, and tell who listens; the rest stays as it was."""
        fresh = {flag.key: serve(flag) for flag in changed}
        snapshot = _snapshot({**self.snapshot.served, **fresh}, int(self._now()))
        if snapshot.tag == self.snapshot.tag:
            return
        self.snapshot = snapshot
        for listener in tuple(self._listeners):
            listener()

    def event(self) -> bytes:
        """The `refetchEvaluation` event of the present flags, its id their version."""
        now = self.snapshot
        data = {"type": "refetchEvaluation", "etag": f'"{now.tag}"', "lastModified": now.changed}
        return b"id: %s\nevent: message\ndata: %s\n\n" % (now.tag.encode(), orjson.dumps(data))

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call back after every change, in the thread that made it."""
        self._listeners.append(listener)


def serve(flag: Flag) -> Served:
    """A flag with all its answers made."""
    keys = {key: value for key, value in values(flag).items() if key == flag.key or KEY.fullmatch(key)}
    about = metadata(flag)

    def everything(variant: Variant, reason: Reason) -> bytes:
        return b",".join(_result(key, value, about, variant, reason) for key, value in keys.items())

    return Served(
        flag=flag,
        mark=int.from_bytes(hashlib.blake2b(repr(flag).encode(errors="replace"), digest_size=8).digest()),
        singles={key: _single(flag, key, value, about) for key, value in keys.items()},
        bulk=compile_flag(flag, everything),
        bulk_missing=b",".join(_dump(missing_unit(flag, key)) for key in keys),
    )


def metadata(flag: Flag) -> Metadata:
    """What an evaluation says of its rollout: flat, without nulls, exposure in percent."""
    about: dict[str, str | float | int | None] = {
        "rollout": flag.rollout,
        "phase": flag.phase,
        "exposure": flag.exposure / 1000,
        "plan": flag.plan,
        "revision": flag.revision,
    }
    return {key: value for key, value in about.items() if value is not None}


def missing_unit(flag: Flag, key: str) -> dict[str, JsonValue]:
    """The error of a context that does not name the unit this flag is bucketed by."""
    if flag.unit == TARGETING_KEY:
        details = "the context has no targetingKey, which this flag is bucketed by"
        return {"key": key, "errorCode": "TARGETING_KEY_MISSING", "errorDetails": details}
    details = f"the context has no {flag.unit!r}, which this flag is bucketed by"
    return {"key": key, "errorCode": "INVALID_CONTEXT", "errorDetails": details}


def _single(flag: Flag, key: str, value: Callable[[Variant], JsonValue], about: Metadata) -> Single:
    result = partial(_result, key, value, about)
    choose = compile_flag(flag, lambda variant, reason: Answer(200, result(variant, reason)))
    return Single(choose, Answer(400, _dump(missing_unit(flag, key))))


def _result(
    key: str, value: Callable[[Variant], JsonValue], about: Metadata, variant: Variant, reason: Reason
) -> bytes:
    return _dump({"key": key, "value": value(variant), "variant": variant, "reason": reason, "metadata": about})


def _dump(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def _snapshot(served: Mapping[str, Served], changed: int) -> Snapshot:
    mark = len(served)
    singles: dict[str, Single] = {}
    for one in served.values():
        mark ^= one.mark
        singles |= one.singles
    # A flag named like another one's typed key is itself: its own key goes in last.
    singles |= {key: one.singles[key] for key, one in served.items()}
    return Snapshot(f"{mark:016x}", changed, served, singles)
