"""What every benchmark shares: a database file on the disk that is measured, and this process's peak of memory."""

import resource
import sys
from pathlib import Path

import pytest


def peak_megabytes() -> float:
    """Return the largest resident size this process has had, in MB (getrusage: kB on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A fresh SQLite file, as `sluice up` would use it."""
    return f"sqlite:///{tmp_path / 'sluice.db'}"
