"""What the operator configures: `[sources.NAME]` and `[secrets.NAME]` of `sluice.toml`, read into one frozen model.

Plans name sources; addresses, queries in SQL and secrets are the operator's alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from gates.sources import http, prometheus, sql
from plans.known import Known
from rollout.counting import EVENTS

NAME = r"^[a-z][a-z0-9_-]{0,62}$"
QUERY = re.compile(r"\s*(select|with)\b", re.IGNORECASE)

Name = Annotated[str, Field(pattern=NAME)]


class ConfigError(ValueError):
    """The operator's settings of sources are wrong; the message lists every problem with its remedy, one a line."""


class Frozen(BaseModel):
    """Settings are immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Secret(Frozen):
    """Where a token or password is read from, each time that it is needed, and the one host that may see it."""

    host: Annotated[str, Field(min_length=1)]
    variable: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.variable is None) is (self.file is None):
            raise ValueError("name one place to read it from: `variable`, of the environment, or `file`")
        return self


class Common(Frozen):
    """What all kinds share: `addresses` that are not public and may be reached all the same; seconds."""

    addresses: tuple[IPvAnyNetwork, ...] = ()
    secret: Name | None = None
    timeout: Annotated[float, Field(gt=0, le=60, description="seconds for one question")] = 5.0
    deadline: Annotated[float, Field(gt=0, le=120, description="seconds for all that a rollout asks at once")] = 20.0
    delay: Annotated[float, Field(ge=0, le=3600, description="seconds after which a bucket is complete")] = 60.0

    @property
    def host(self) -> str | None:
        """The host that is asked; None for a file of this machine."""
        raise NotImplementedError

    def misfit(self, query: str) -> str | None:
        """Why a plan's query cannot be asked here, None where it can."""
        raise NotImplementedError


class Address(Common):
    """What is reached over HTTP."""

    url: str

    @field_validator("url")
    @classmethod
    def _plain(cls, value: str) -> str:
        try:
            url = httpx.URL(value)
        except httpx.InvalidURL as error:
            raise ValueError(f"is no address ({error})") from None
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("is no address; write http://host:port or https://host")
        if url.userinfo or url.query or url.fragment:
            raise ValueError("holds more than a place; put a password or token into [secrets.NAME], drop ? and #")
        return value

    @property
    def host(self) -> str | None:
        """The host of the address."""
        return httpx.URL(self.url).host


class Prometheus(Address):
    """`kind = "prometheus"`."""

    kind: Literal["prometheus"]

    def misfit(self, query: str) -> str | None:
        """A query needs `$variant` and `$window`."""
        return prometheus.misfit(query)


class Http(Address):
    """`kind = "http"`; `complete` is the pointer to the instant up to which a document knows everything."""

    kind: Literal["http"]
    complete: str | None = None

    @field_validator("complete")
    @classmethod
    def _pointer(cls, value: str | None) -> str | None:
        if value is not None and (problem := http.misfit(value)):
            raise ValueError(problem)
        return value

    def misfit(self, query: str) -> str | None:
        """A query is a JSON pointer."""
        return http.misfit(query)


class Sql(Common):
    """`kind = "sql"`; `queries` are named statements with the parameters `:variant`, `:since` and `:until`."""

    kind: Literal["sql"]
    url: str
    queries: Annotated[Mapping[Name, str], Field(min_length=1)]
    times: sql.Times = sql.Times.TIMESTAMP

    @field_validator("url")
    @classmethod
    def _without_password(cls, value: str) -> str:
        try:
            url = make_url(value)
            url.get_dialect().import_dbapi()
        except ImportError as error:
            raise ValueError(f"has no driver here: {error}") from None
        except (SQLAlchemyError, ValueError):
            raise ValueError("is no database; write postgresql+psycopg://user@host/name or sqlite:///file") from None
        if url.password is not None:
            raise ValueError("holds a password; put it into [secrets.NAME]")
        if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
            raise ValueError("names no file; write sqlite:////path/to/file")
        return value

    @field_validator("queries")
    @classmethod
    def _queries(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        problems = [f"{name} {problem}" for name, query in value.items() if (problem := _unfit(query))]
        if problems:
            raise ValueError("; ".join(problems))
        return value

    @property
    def host(self) -> str | None:
        """The host of the database."""
        return make_url(self.url).host

    def misfit(self, query: str) -> str | None:
        """A query is one of the operator's names."""
        return None if query in self.queries else sql.unknown(query, self.queries)


Config = Annotated[Prometheus | Http | Sql, Field(discriminator="kind")]


class Sources(Frozen):
    """All sources by name, and the secrets that they name."""

    sources: Mapping[Name, Config] = {}
    secrets: Mapping[Name, Secret] = {}

    @model_validator(mode="after")
    def _fit(self) -> Sources:
        problems = [problem for name, config in self.sources.items() for problem in self._problems(name, config)]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def known(self, *, offline: bool = False) -> Known:
        """What plans are held against: the names that they may write behind `source:`, and what each can be asked."""
        misfits = {name: config.misfit for name, config in self.sources.items()}
        return Known(sources=frozenset(misfits) | {EVENTS}, offline=offline, misfits=misfits)

    def _problems(self, name: str, config: Common) -> Iterator[str]:
        if name == EVENTS:
            yield f"sources.{name}: is built in; choose another name"
        if config.secret is None:
            return
        secret = self.secrets.get(config.secret)
        if secret is None:
            yield f"sources.{name}.secret: no secret {config.secret!r} is there; add [secrets.{config.secret}]"
        elif secret.host != config.host:
            yield (
                f"sources.{name}.secret: {config.secret!r} is for {secret.host}, not for {config.host}; "
                f"give {config.host} a secret of its own"
            )


def configured(tables: Mapping[str, Any]) -> Sources:
    """The tables `sources` and `secrets` of the settings; raises ConfigError with every problem, values left out."""
    try:
        return Sources.model_validate(tables)
    except ValidationError as error:
        raise ConfigError("\n".join(_told(error))) from None


def _told(error: ValidationError) -> Iterator[str]:
    for found in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in found["loc"] if part not in {"prometheus", "http", "sql"})
        message = found["msg"].removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            message = "unknown key; remove it"
        elif found["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            message = 'kind is missing or unknown; write kind = "prometheus", "sql" or "http"'
        yield f"{place}: {message}" if place else message


def _unfit(query: str) -> str | None:
    """Why a statement is no query for counts; None where it is."""
    if not QUERY.match(query):
        return "is no query; begin with SELECT or WITH"
    if ";" in query.strip().removesuffix(";"):
        return "holds more than one statement, or a `;`; keep to one"
    found = set(text(query).compile().params)
    if strange := found - sql.PARAMETERS:
        return f"has :{min(strange)}, which is not bound; known: :variant, :since, :until"
    if missing := sql.PARAMETERS - found:
        return f"has no :{min(missing)}; select by all of :variant, :since and :until"
    return None
