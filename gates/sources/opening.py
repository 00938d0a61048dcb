"""From the operator's settings to sources that can be asked."""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url

from gates.operator_file import FILE, TABLES
from gates.sources import Source, SourceError, config, http, prometheus, sql
from gates.sources.config import ConfigError, Sources, configured
from gates.sources.web import Web

logger = logging.getLogger(__name__)


def from_folder(folder: Path) -> Sources:
    """The sources that a data folder's `sluice.toml` configures; none where there is no such file.

    Raises ConfigError with every problem.
    """
    path = folder / FILE
    if not path.is_file():
        return Sources()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return configured({name: tables[name] for name in TABLES if name in tables})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error


def usable(folder: Path) -> Sources:
    """As `from_folder`, but a wrong file configures none: flags are served and rollouts watched all the same."""
    try:
        return from_folder(folder)
    except ConfigError as error:
        logger.error("no metric source but `events` can be used: %s", error)  # noqa: TRY400 - it is the message
        return Sources()


def open_sources(sources: Sources, environment: Mapping[str, str] = os.environ) -> Mapping[str, Source]:
    """Every configured source by name; nothing is asked yet."""
    return {name: _open(one, sources, environment) for name, one in sources.sources.items()}


def secret_of(named: config.Secret, environment: Mapping[str, str]) -> str:
    """A secret as it is now, so that it can change while everything runs; raises SourceError where there is none."""
    if named.variable is not None:
        value = environment.get(named.variable, "")
        place = f"the variable {named.variable}"
    else:
        place = f"the file {named.file}"
        try:
            value = Path(named.file or "").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"has no secret: {place} cannot be read ({type(error).__name__})") from None
    if not value.strip():
        raise SourceError(f"has no secret: {place} is empty")
    return value.strip()


def _open(one: config.Config, sources: Sources, environment: Mapping[str, str]) -> Source:
    secret = _reading(sources.secrets[one.secret], environment) if one.secret else None
    delay = timedelta(seconds=one.delay)
    if isinstance(one, config.Sql):
        seconds = one.timeout, one.deadline
        return sql.Sql(make_url(one.url), one.queries, one.addresses, delay, seconds, one.times, secret)
    web = Web(one.url, one.addresses, one.timeout, secret)
    if isinstance(one, config.Http):
        return http.Http(web, delay, one.deadline, one.complete)
    return prometheus.Prometheus(web, delay, one.deadline)


def _reading(named: config.Secret, environment: Mapping[str, str]) -> Callable[[], str]:
    return lambda: secret_of(named, environment)
