"""`sluice demo`, run as a newcomer runs it, on real servers: the short story here, the whole one in the campaign."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = (
    "ok   all 7 dates are those of `sluice preview`",
    "ok   general availability, complete",
    "ok   a person approved alpha",
    "ok   min_confidence went from 0.7 to 0.8",
    "ok   at 0.7 about 2%, within 4 standard deviations",
    "ok   at 0.8 about 0.5%, within 4 standard deviations",
)
BAD = (
    "ok   reverted, by a criterion and by nobody else",
    "ok   the guard did it",
    "ok   never more than 10 % of users had it",
    "ok   the alert is in the log",
    "Everything was as expected.",
)
DATES = (
    "Tue 1 Dec 09:00",
    "Fri 4 Dec 09:00",
    "Mon 7 Dec 09:00",
    "Wed 9 Dec 09:00",
    "Mon 14 Dec 09:00",
    "Tue 5 Jan 2027 09:00",
    "Tue 12 Jan 2027 09:00",
)


def _demo(tmp_path_factory: pytest.TempPathFactory, *options: str) -> str:
    """What the demo says; it ends with 0 and leaves nothing behind."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "PREFECT_"))}
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "sluice", "demo", *options]
    environment |= {"TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert list(folder.iterdir()) == [], "the demo left something behind"
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The story that ends badly: half a minute on top of what the servers need to start."""
    return _demo(tmp_path_factory, "--story", "bad")


@pytest.mark.campaign
def test_both_stories_end_as_they_should(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every expectation holds; start, approval, adjustment and phases have the example's dates, in the plan's zone."""
    told = _demo(tmp_path_factory)
    assert "WRONG" not in told
    for line in (*GOOD, *BAD):
        assert line in told
    story = told.partition("  application: ")[2]
    shown = [story.find(date) for date in DATES]
    assert -1 not in shown
    assert shown == sorted(shown)
    assert len(re.findall(r"rollout run", told.partition("Who made each transition:")[2])) >= len(DATES)


def test_the_bad_story_ends_as_it_should(told: str) -> None:
    """Every expectation that the demo states of it held, and none is missing."""
    assert "WRONG" not in told
    for line in BAD:
        assert line in told


def test_each_transition_says_which_process_made_it(told: str) -> None:
    """A rollout's Prefect run makes the steps of the schedule; the guard makes the revert."""
    table = told.partition("Who made each transition:")[2]
    assert re.search(r"start .* rollout run", table)
    assert re.search(r"revert .* (guard|supervisor)", table)


def test_no_process_of_the_demo_is_left(told: str) -> None:
    """The servers it named are gone, with everything that ran on its data folder."""
    folder = re.search(r"data folder +(\S+)", told)
    assert folder is not None
    assert not Path(folder.group(1)).exists()
    assert _running(folder.group(1)) == []


def _running(folder: str) -> list[str]:
    """The processes whose command line or environment names a folder."""
    return [proc.name for proc in Path("/proc").glob("[0-9]*") if _names(proc, folder)]


def _names(process: Path, folder: str) -> bool:
    try:
        return any(folder.encode() in (process / part).read_bytes() for part in ("cmdline", "environ"))
    except OSError:
        return False
