"""The file of secrets that the journals are sealed with: made on first use, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from state.database import DATA_FOLDER
from state.errors import StoreError
from state.sealing import Secrets

FILE = "audit.key"
VARIABLE = "SLUICE_AUDIT_KEY"
BYTES = 32


class KeyFileError(StoreError):
    """The secrets of the journal cannot be read or made."""


def key_file(folder: Path, named: str | None) -> Path:
    """Where the secrets are: the file that the operator names, else one in the data folder."""
    return Path(named) if named else folder / FILE


def secrets_from_environment(environment: Mapping[str, str] = os.environ) -> Secrets:
    """The secrets of this process, by `SLUICE_AUDIT_KEY` or `SLUICE_DATA`; raises KeyFileError."""
    folder = Path(environment.get("SLUICE_DATA", DATA_FOLDER))
    return read_secrets(key_file(folder, environment.get(VARIABLE)))


def read_secrets(file: Path) -> Secrets:
    """One secret a line, the last one seals; a file that is missing is made. Raises KeyFileError."""
    try:
        if not file.exists():
            _make(file)
        found = [line.strip() for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        remedy = f"let this account read it, or name another file with {VARIABLE}"
        raise KeyFileError(f"audit key {file}: {error.strerror}; {remedy}") from error
    if not found:
        raise KeyFileError(f"audit key {file}: is empty; put back what was in it, or remove it and a new key is made")
    return Secrets.of(*found)


def _make(file: Path) -> None:
    """Put a new secret in place whole; of processes that do so at once one wins and all read what it wrote."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, draft = tempfile.mkstemp(dir=file.parent, prefix=".audit-")  # 0600 from the start
    try:
        with os.fdopen(number, "w", encoding="ascii") as opened:
            opened.write(f"{secrets.token_hex(BYTES)}\n")
            opened.flush()
            os.fsync(opened.fileno())
        os.link(draft, file)
    except FileExistsError:
        return
    finally:
        Path(draft).unlink()
