"""The published figures: reproducible, whole, and as promised."""

import re

import pytest

from gates.bounds import lower_bound
from tests.campaigns import obvious
from tests.campaigns.gates import delays
from tests.campaigns.report import BEGIN, END, PAGE, RAMPS, Cell, cell, figures, written
from tests.campaigns.world import PER_DAY, Stretch, World

PROMISED = 0.05
ROW = re.compile(r"^\| (?P<name>[^|]+) \|(?P<cells>.+)\|$", re.MULTILINE)
COUNT = re.compile(r"(\d+) of (\d+) \(≤")


def test_the_page_says_how_to_repeat_it() -> None:
    """Commit, command, number of runs and seed stand above the tables, which are as wide as their heads."""
    assert re.search(r"Commit `[0-9a-f]{12}`, `make campaign-gates RUNS=\d+ SEED=\d+`", _figured())
    tables = [table.strip().splitlines() for table in re.findall(r"(?:^\|.*\n)+", _figured(), re.MULTILINE)]
    assert 4 == len(tables)
    assert [] == [line for table in tables for line in table if line.count("|") != table[0].count("|")]


def test_what_is_tolerated_is_reverted_no_more_often_than_promised() -> None:
    """No cell at or under the tolerated ratio is significantly above 5 %, and at equal rates none above 1 %."""
    rows = {found["name"]: COUNT.findall(found["cells"]) for found in ROW.finditer(_figured())}
    tolerated = [name for name in rows if name.startswith(("1x", "1.5x", "even", "daily", "shared", "both", "90%"))]
    assert len(tolerated) >= 8
    for name in tolerated:
        worst = 0.01 if name.startswith(("1x", "even", "daily", "shared")) else PROMISED
        assert [] == [cell for cell in rows[name] if lower_bound(int(cell[0]), int(cell[1]), 0.999) > worst], name


def test_figures_replace_figures_and_nothing_else() -> None:
    """Writing a page anew keeps every other line of it."""
    page = f"head\n{BEGIN}\nold\n{END}\ntail\n"
    assert f"head\n{BEGIN}\n\nnew\n\n{END}\ntail\n" == written(page, "new\n") == written(written(page, "x"), "new")


def test_a_campaign_gives_the_same_figures_again() -> None:
    """Every cell follows from its seed: a rollout of each kind, drawn and judged twice."""
    world, ramp = World(ratio=5, onset=0.1, season=0.5, shocked=0.05), [Stretch(50_000, PER_DAY)]
    once = cell(world, ramp, 5, 1)
    assert once == cell(world, ramp, 5, 1) != cell(world, ramp, 5, 2)
    assert (5, 0, 5) == (once.runs, once.early, once.reverted)
    assert isinstance(once, Cell)


def test_the_obvious_rules_revert_what_the_gate_leaves_alone() -> None:
    """Twenty healthy days at 50 %: the last hour condemns most of them, the gate none."""
    ramp = [Stretch(50_000, PER_DAY)]
    hasty = obvious.delays(obvious.trailing_hour, World(), ramp, 20, 3)
    assert 12 <= sum(delay < float("inf") for delay in hasty)
    assert [float("inf")] * 20 == delays(World(), ramp, 20, 3)


def _figured() -> str:
    page = PAGE.read_text("utf-8")
    return page[page.index(BEGIN) : page.index(END)]


def test_the_whole_report_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """All four tables, with every rollout cut down to an hour."""
    for name in RAMPS:
        monkeypatch.setitem(RAMPS, name, tuple(Stretch(s.exposure, 6) for s in RAMPS[name]))
    heard: list[str] = []
    lines = list(figures(10, 1, heard.append))
    assert 4 == sum(line.startswith("### ") for line in lines)
    assert len(heard) > 20
