"""`preview` and `simulate` as scripts rely on them: exit codes, JSON shapes, refusals, help at 80 columns."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sluice.chart import WIDTH
from sluice.cli import app
from sluice.picture import png

EXAMPLES = Path(__file__).parents[2] / "plans" / "examples"
CASE_LAW, MINIMAL = str(EXAMPLES / "case-law.yaml"), str(EXAMPLES / "minimal.yaml")
QUICK = """
sluice: 1
name: quick
flag: quick
stable: {model: v1}
candidate: {model: v2}
audience: {size: 200000}
phases: [{name: some, expose: 20%, hold: 3h}, {name: all, expose: 100%, hold: 1h}]
metrics: {error_rate: {source: events, bad: error, of: request}}
stop: {criteria: [error_rate > 2x control]}
"""

Sluice = Callable[..., Result]


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """A plan of four hours."""
    file = tmp_path / "quick.yaml"
    file.write_text(QUICK)
    return str(file)


def sluice(*words: str, code: int = 0) -> Result:
    """Run a command that ends with this exit code."""
    result = CliRunner().invoke(app, list(words))
    assert code == result.exit_code, result.output
    return result


def test_preview_adds_detection_and_keeps_what_it_promised() -> None:
    """One entry a phase and criterion, four sizes of fault each, medians and ninth deciles in days."""
    found = json.loads(sluice("preview", CASE_LAW, "--json").stdout)
    assert {"name", "steps", "warnings", "detection"} <= set(found)
    assert {"at", "local", "what", "phase", "exposure", "settings"} <= set(found["steps"][0])
    assert 4 * 4 == len(found["detection"])
    first = found["detection"][0]
    assert ("alpha", 1, "error_rate > 2x control", 1.5, 2) == tuple(
        first[name] for name in ("phase", "exposure", "criterion", "tolerated", "limit")
    )
    assert [2, 3, 5, 10] == [fault["times"] for fault in first["faults"]]
    assert {"times", "rate", "days", "units"} == set(first["faults"][0])
    assert any("complaints > 3x control" in text and "the phase is only" in text for text in found["warnings"])


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_preview_is_readable_at_80_columns(example: Path) -> None:
    """No line is wider, and every phase that exposes anyone has its table."""
    text = sluice("preview", str(example)).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "How soon a fault would be noticed" in text


def test_preview_draws_svg_and_png(tmp_path: Path) -> None:
    """The same picture as vectors and, twice as wide, in dots; the words are in both."""
    sluice("preview", CASE_LAW, "--plot", str(tmp_path / "plan.svg"))
    sluice("preview", CASE_LAW, "--plot", str(tmp_path / "plan.png"))
    vectors, dots = (tmp_path / "plan.svg").read_text(), (tmp_path / "plan.png").read_bytes()
    assert vectors.startswith("<svg")
    assert (b"\x89PNG\r\n\x1a\n", 2 * WIDTH) == (dots[:8], int.from_bytes(dots[16:20]))
    assert dots != png(re.sub(r"<text.*?</text>", "", vectors))


def test_other_pictures_are_wrong_usage(tmp_path: Path) -> None:
    """Any other ending, or a folder that is not there, exits 2 with the remedy and writes nothing."""
    refused = sluice("preview", CASE_LAW, "--plot", str(tmp_path / "plan.gif"), code=2)
    assert "plan.svg" in refused.stderr.replace("\n", "")
    sluice("preview", CASE_LAW, "--plot", str(tmp_path / "none" / "plan.svg"), code=2)
    assert [] == list(tmp_path.iterdir())


def test_png_without_resvg_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install, and what does without."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    refused = sluice("preview", CASE_LAW, "--plot", str(tmp_path / "plan.png"), code=1)
    assert "pip install 'sluice[plot]'" in refused.stderr
    assert [] == list(tmp_path.iterdir())


def test_png_without_fonts_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture without words is not drawn."""
    monkeypatch.setattr("sluice.picture.FAMILIES", ("No Such Family",))
    refused = sluice("preview", CASE_LAW, "--plot", str(tmp_path / "plan.png"), code=1)
    assert "fonts-dejavu-core" in refused.stderr


def test_simulate_once_gives_the_documented_shape(quick: str) -> None:
    """Outcome, when, where, why, who, and the journal in the shape of `history`."""
    found = _json("simulate", quick, "--fault", "error_rate 5x from 1h", "--seed", "3")
    assert {"outcome", "at", "phase", "cause", "exposed_units", "exposed_to_fault", "journal"} <= set(found)
    assert ("reverted", "some", "criterion") == (found["outcome"], found["phase"], found["cause"])
    assert {"revision", "at", "transition", "cause", "by", "reason", "from", "to", "evidence"} <= set(
        found["journal"][0]
    )
    assert found == _json("simulate", quick, "--fault", "error_rate 5x from 1h", "--seed", "3")


def test_simulate_many_gives_the_documented_shape(quick: str) -> None:
    """Outcomes by name, delays and exposed units as medians and ninth deciles."""
    found = _json("simulate", quick, "--fault", "error_rate 5x", "--runs", "3")
    assert {"runs", "outcomes", "revert_delay_minutes", "exposed_to_fault"} <= set(found)
    assert (3, 3, 0) == (found["runs"], found["outcomes"]["reverted"], found["outcomes"]["completed"])
    assert found["revert_delay_minutes"]["p50"] <= found["revert_delay_minutes"]["p90"]


def test_simulate_tells_rates_with_their_bounds(quick: str) -> None:
    """Healthy runs: false reverts with the exact upper bound; 1 - 0.05^(1/4) of four runs is 52.7 %."""
    text = sluice("simulate", quick, "--runs", "4").stdout
    assert "4 runs: 0 false reverts, 95 % upper bound 52.7 %" in text
    assert "completed 4 of 4, 95 % interval 39.8 % to 100 %" in text
    assert "200,000 users a day; error_rate 2 %; seed 1" in text


def test_simulate_starts_where_it_is_told(quick: str) -> None:
    """`--start` without an offset is wall-clock time in the plan's zone, UTC where it names none."""
    found = _json("simulate", quick, "--start", "2026-06-01 09:00")
    assert ("completed", "2026-06-01T13:00:00Z") == (found["outcome"], found["at"])


def test_traffic_is_the_plans_unless_it_is_given(quick: str) -> None:
    """Units who had the candidate follow --traffic; what is assumed without either is said on stderr."""
    assert 400 > _json("simulate", quick, "--traffic", "2000")["exposed_units"] > 0
    note = sluice("simulate", MINIMAL, "--fault", "error_rate 10x", "--json").stderr
    assert "audience.size is not given" in note


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--fault", "errr_rate 5x"], 1, "did you mean 'error_rate'?"),
        (["--fault", "split 60/50"], 2, "together 100"),
        (["--fault", "split evenly"], 2, "split 60/40"),
        (["--fault", "error_rate bad"], 2, "write METRIC Nx"),
        (["--runs", "0"], 2, "--runs"),
        (["--start", "soon"], 2, "2026-12-01 09:00"),
    ],
)
def test_what_cannot_be_rehearsed_ends_with_its_code(quick: str, words: list[str], code: int, says: str) -> None:
    """1 for what is turned down, 2 for what is written wrongly; the remedy on stderr, nothing on stdout."""
    result = sluice("simulate", quick, *words, "--json", code=code)
    assert says in result.stderr
    assert "" == result.stdout


@pytest.mark.parametrize("command", ["preview", "simulate"])
def test_help_fits_80_columns(command: str) -> None:
    """Help is for narrow terminals too."""
    text = sluice(command, "--help").stdout
    assert max(map(len, text.splitlines())) <= 80


def _json(*words: str) -> Any:
    return json.loads(sluice(*words, "--json").stdout)
