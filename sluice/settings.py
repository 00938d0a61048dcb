"""What the operator sets: `sluice.toml` in the data folder, then `SLUICE_*` variables, then options of the command."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gates.operator_file import FILE
from gates.operator_file import TABLES as SOURCES
from plans.channels import TABLES as CHANNELS
from serving.guard import loopback
from sluice.errors import UsageError

TABLES = (*SOURCES, *CHANNELS)
PREFIX = "SLUICE_"
PORTS = range(1, 65_536)
HERE = Path(".sluice")
PORT = 8800
PREFECT_PORT = 4200


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where this Sluice keeps its data and listens; `server` and `key` name another one to talk to instead.

    `public_url` is where people reach the board, where that is not where it listens. `audit_key` is the file of the
    secrets that seal the journals, where that is not in the data folder.
    """

    data: Path = HERE
    host: str = "127.0.0.1"
    port: int = PORT
    prefect_port: int = PREFECT_PORT
    database_url: str | None = None
    server: str | None = None
    key: str | None = None
    audit_key: str | None = None
    environment: str = "default"
    public_url: str | None = None

    @property
    def url(self) -> str:
        """The flag server's own address."""
        return f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def prefect_url(self) -> str:
        """The Prefect server's address: its UI, and its API below `/api`."""
        return f"http://{_bracketed(self.prefect_host)}:{self.prefect_port}"

    @property
    def prefect_host(self) -> str:
        """Where Prefect's server listens: on loopback wherever the flag server does, for it knows no users."""
        return self.host if loopback(self.host) else "127.0.0.1"


KNOWN = tuple(field.name for field in fields(Settings))
IN_FILE = tuple(name for name in KNOWN if name != "data")


def read(environment: Mapping[str, str], **options: Any) -> Settings:
    """The settings in force; options that are None were not given.

    Raises UsageError for an unknown key and a value of the wrong kind.
    """
    given = {name: value for name, value in options.items() if value is not None}
    data = Path(given.get("data") or environment.get("SLUICE_DATA") or HERE).expanduser()
    values: dict[str, Any] = dict(_from_file(data / FILE)) | dict(_from_environment(environment)) | given
    return _checked(replace(Settings(), **{**values, "data": data}))


def _from_file(path: Path) -> Iterator[tuple[str, Any]]:
    if not path.is_file():
        return
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    for key, value in table.items():
        if key in TABLES:
            continue  # told of where they are used, so that a slip there keeps nobody from a kill switch
        if key not in IN_FILE:
            raise UsageError(f"{path}: {key}: unknown key; {_remedy(key, (*IN_FILE, *TABLES))}")
        yield key, _typed(key, value, f"{path}: {key}")


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Variables of other tools may share the prefix, so only what looks like a slip of the pen is refused."""
    variables = {f"{PREFIX}{name.upper()}": name for name in KNOWN}
    for variable, value in environment.items():
        if variable in variables:
            if value:
                yield variables[variable], _typed(variables[variable], value, variable)
        elif variable.startswith(PREFIX) and (close := get_close_matches(variable, variables, 1, 0.9)):
            raise UsageError(f"{variable}: unknown variable; did you mean {close[0]}?")


def _typed(key: str, value: object, place: str) -> object:
    if key in {"port", "prefect_port"}:
        return _port(value, place)
    if key == "data":
        return Path(str(value))
    if not isinstance(value, str):
        raise UsageError(f"{place}: {value!r} is not text; put it in quotes")
    return value


def _port(value: object, place: str) -> int:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or isinstance(number, bool) or number not in PORTS:
        raise UsageError(f"{place}: {value!r} is not a port; give a number from 1 to 65535")
    return number


def _checked(settings: Settings) -> Settings:
    if settings.port == settings.prefect_port:
        raise UsageError(f"port {settings.port} is asked for twice; give --port and --prefect-port different numbers")
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        raise UsageError(
            f"public_url {settings.public_url!r} is not an address; write it as https://sluice.example.com"
        )
    return settings


def _remedy(key: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(key, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
