"""Where people hear of rollouts: `[channels.NAME]` and `[reminders]` of `sluice.toml`, read into frozen models.

One wrong table never hides the others: what can be read is used, and what cannot is kept with the words to say so.
"""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError
from pydantic import model_validator as checked

from plans.constraints import Between
from plans.expressions import Duration
from plans.known import Known
from plans.listeners import LOG
from plans.problems import closest

FILE = "sluice.toml"
TABLES = ("channels", "reminders")
PREFECT = "prefect"
"""The channel that tells Prefect's own automations; always there, like the log."""
SHORTEST_SECRET = 24
SIGNING_PREFIX = "whsec_"


class Frozen(BaseModel):
    """Settings are immutable, unknown keys are refused, and no message repeats a value: it may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Place(Frozen):
    """Where a secret is read from, each time that it is needed: `{variable = "NAME"}` or `{file = "/path"}`."""

    variable: str | None = None
    file: str | None = None

    @checked(mode="after")
    def _one(self) -> Place:
        if (self.variable is None) is (self.file is None):
            raise ValueError('name one place to read it from: {variable = "NAME"} or {file = "/path"}')
        return self


def _written(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty")
    return value


def _kind_of_text(value: object) -> str:
    return "text" if isinstance(value, str) else "place"


Text = Annotated[
    Annotated[str, BeforeValidator(_written), Tag("text")] | Annotated[Place, Tag("place")],
    Discriminator(_kind_of_text),
]
"""Text as it is, or the place that holds it."""


class Apprise(Frozen):
    """`kind = "apprise"`: chat, e-mail, pagers; `url` is one of Apprise's own, and holds secrets."""

    kind: Literal["apprise"]
    url: Text


class Webhook(Frozen):
    """`kind = "webhook"`: a POST signed as Standard Webhooks 1.0 says; `secret` is base64, with or without `whsec_`."""

    kind: Literal["webhook"]
    url: Text
    secret: Text

    @checked(mode="after")
    def _usable(self) -> Webhook:
        if isinstance(self.url, str) and (problem := bad_address(self.url)):
            raise ValueError(problem)
        if isinstance(self.secret, str) and (problem := bad_secret(self.secret)):
            raise ValueError(problem)
        return self


Channel = Annotated[Apprise | Webhook, Field(discriminator="kind")]
_channel: TypeAdapter[Apprise | Webhook] = TypeAdapter(Channel)


class Reminders(Frozen):
    """When an approval that nobody answers is told of again: `after` it was asked, then `every`."""

    after: Annotated[Duration, Between(Duration(seconds=60), Duration(days=30))] = Duration(days=1)
    every: Annotated[Duration, Between(Duration(seconds=60), Duration(days=30))] = Duration(days=1)


@dataclass(frozen=True, slots=True)
class Channels:
    """What the operator set up; `faulty` says by channel what is wrong, `problems` all that is wrong with the file."""

    channels: Mapping[str, Apprise | Webhook] = field(default_factory=dict)
    faulty: Mapping[str, str] = field(default_factory=dict)
    reminders: Reminders = field(default_factory=Reminders)
    problems: tuple[str, ...] = ()

    def added(self, known: Known) -> Known:
        """What else is known here, and these channels."""
        return replace(known, channels=self.names, faulty=self.faulty)

    @property
    def names(self) -> frozenset[str]:
        """Every channel that a plan may name."""
        return frozenset(self.channels) | {LOG}


def from_folder(folder: Path) -> Channels:
    """The channels that a data folder's `sluice.toml` sets up; never raises, whatever the file holds."""
    path = folder / FILE
    if not path.is_file():
        return Channels()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Channels(problems=(f"{path}: {error}",))
    return configured(tables, str(path))


def configured(tables: Mapping[str, Any], path: str = FILE) -> Channels:
    """The channels and reminders in tables as TOML gives them; `path` is what problems call the file."""
    given = tables.get("channels", {})
    problems = [] if isinstance(given, dict) else [f"{path}: channels: is no table; write [channels.NAME]"]
    good: dict[str, Apprise | Webhook] = {}
    faulty: dict[str, str] = {}
    for name, table in (given if isinstance(given, dict) else {}).items():
        place = f"{path}: channels.{name}"
        if name in {LOG, PREFECT}:
            problems.append(f"{place}: is built in; choose another name")
            continue
        try:
            good[name] = _channel.validate_python(table)
        except ValidationError as error:
            found = tuple(_told(error, place, table))
            faulty[name] = "; ".join(found)
            problems += found
    reminders, wrong = _reminders(tables.get("reminders", {}), f"{path}: reminders")
    return Channels(good, faulty, reminders, (*problems, *wrong))


def bad_address(url: str) -> str | None:
    """Why text is no address for a webhook, None where it is; the text itself is never repeated."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "url is no address; write https://host/path"
    good = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
    return None if good else "url is no address; write https://host/path, without user or password"


def bad_secret(secret: str) -> str | None:
    """Why text cannot sign a webhook, None where it can."""
    try:
        key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX), validate=True)
    except binascii.Error:
        return "secret is not base64; make one with: openssl rand -base64 32"
    if len(key) < SHORTEST_SECRET:
        return f"secret has {len(key)} bytes; {SHORTEST_SECRET} to 64 are asked for: openssl rand -base64 32"
    return None


def _reminders(table: object, place: str) -> tuple[Reminders, tuple[str, ...]]:
    try:
        return Reminders.model_validate(table), ()
    except ValidationError as error:
        return Reminders(), tuple(_told(error, place, table))


def _told(error: ValidationError, place: str, table: object) -> Iterator[str]:
    for found in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in found["loc"] if part not in {"apprise", "webhook", "text", "place"}]
        where = ".".join((place, *path))
        match found["type"]:
            case "extra_forbidden":
                yield f"{where}: unknown key; {_meant(path[-1], table)}"
            case "missing":
                yield f"{where}: is missing"
            case "union_tag_invalid" | "union_tag_not_found":
                yield f'{where}: kind is missing or unknown; write kind = "apprise" or "webhook"'
            case _:
                yield f"{where}: {found['msg'].removeprefix('Value error, ')}"


def _meant(key: str, table: object) -> str:
    """The key that was most likely meant, of those that are not there already."""
    known = {"url", "secret", "kind", "variable", "file", "after", "every"}
    found = closest(key, known - set(table if isinstance(table, dict) else ()))
    return f"did you mean {found!r}?" if found else "remove it"
