"""A checkout as `sluice sync` sees it: which of its files are plans, and the commit that it stands at."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from plans.reader import LARGEST

PLAN = re.compile(rb"^(?:\xef\xbb\xbf)?(?:\{\s*)?[\"']?sluice[\"']?\s*:", re.MULTILINE)
"""How a plan says of itself that it is one."""
ENDINGS = frozenset({".yaml", ".yml"})
ELSEWHERE = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"})
"""Variables of a git hook, which would lead to its own repository."""
PATIENCE = 20.0


def yaml_files(folder: Path) -> Iterator[Path]:
    """The YAML files of a folder and its subfolders in order of their paths, without what begins with a dot."""
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix in ENDINGS and not hidden and file.is_file():
            yield file


def is_plan(file: Path) -> bool:
    """Whether a file has the key `sluice` at its top; one that cannot be read may, and is told of later."""
    try:
        with file.open("rb") as opened:
            return PLAN.search(opened.read(LARGEST)) is not None
    except OSError:
        return True


def commit(folder: Path) -> str | None:
    """The commit of the folder's checkout, and whether files in the folder differ from it; None outside of git."""
    head = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not head:
        return None
    return f"{head} with uncommitted changes" if _git(folder, "status", "--porcelain", "--", ".") else head


def _git(folder: Path, *words: str) -> str:
    """What git says, empty where it says no; nothing is written and no program of the checkout is run."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = (git, "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *words)
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    try:
        done = subprocess.run(  # noqa: S603 - git with words of ours; the folder is an argument of -C
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
