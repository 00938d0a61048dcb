"""`evidence` gives a notebook what the gate was given: the same counts, as CSV and as Parquet."""

import csv
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random

import pytest
from pyarrow import parquet  # type: ignore[import-untyped]

from gates.judge import settle
from gates.planner import assumed
from plans.load import loads
from rollout.model import Cohort, Finding
from sluice.simulate.stage import rehearse
from sluice.simulate.traffic import Stream
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.command_line import Sluice, command_line

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEXT = """
sluice: 1
name: searched
flag: search
stable: {model: v1, min_confidence: 0.7}
candidate: {model: v2, min_confidence: 0.7}
audience: {size: 40000}
phases:
  - {name: some, expose: 10%, hold: 4h, adjust: [{at: 1h, set: {min_confidence: 0.8}}]}
  - {name: half, expose: 50%, hold: 4h}
metrics:
  error_rate: {source: events, bad: error, of: request}
  accuracy: {source: events, good: correct, of: labelled}
stop: {criteria: [error_rate > 2x control, accuracy < 80%]}
ends_below_100: true
"""
COLUMNS = ["start", "end", "epoch", "phase", "exposure", "settings_epoch", "metric", "cohort", "bad", "total"]
COLUMNS += ["sum", "squares", "incident"]


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Finding, ...]]:
    """A data folder in which a rollout has run its course, and what its criteria came to."""
    folder = tmp_path_factory.mktemp("data")
    engine = connect(sqlite_url(folder))
    migrate(engine)
    store, plan = Store(engine, "test", settle), loads(TEXT)
    rehearse(store, plan, TEXT, Stream(plan, assumed(plan), (), Random(7)), MONDAY)
    findings = store.rollout(plan.name).evidence.findings
    engine.dispose()
    return folder, findings


@pytest.fixture
def sluice(rehearsed: tuple[Path, object], monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line on that folder; `code` is the exit code that is expected."""
    return command_line(monkeypatch, rehearsed[0])


def test_rows_add_up_to_what_the_gate_counted(sluice: Sluice, rehearsed: tuple[Path, tuple[Finding, ...]]) -> None:
    """Bad and total of either cohort, over all buckets, are those of the criterion's finding."""
    lines = list(csv.DictReader(StringIO(sluice("evidence", "searched").stdout)))
    assert COLUMNS == list(lines[0])
    for finding, metric in zip(rehearsed[1], ("error_rate", "accuracy"), strict=True):
        for cohort, counted in ((Cohort.TREATMENT, finding.treatment), (Cohort.CONTROL, finding.control)):
            mine = [line for line in lines if (metric, cohort) == (line["metric"], line["cohort"])]
            assert counted.total > 0
            assert (counted.bad, counted.total) == tuple(
                sum(int(line[name]) for line in mine) for name in COLUMNS[8:10]
            )


def test_no_row_straddles_a_change(sluice: Sluice) -> None:
    """Exposure, phase and settings are one value an epoch, and each bucket is five minutes at most."""
    lines = list(csv.DictReader(StringIO(sluice("evidence", "searched").stdout)))
    epochs = {line["epoch"]: (line["phase"], line["exposure"], line["settings_epoch"]) for line in lines}
    assert {(line["epoch"], line["phase"], line["exposure"], line["settings_epoch"]) for line in lines} == {
        (epoch, *served) for epoch, served in epochs.items()
    }
    assert [("some", "10.0", "0"), ("some", "10.0", "2"), ("half", "50.0", "2")] == list(epochs.values())
    spans = {datetime.fromisoformat(line["end"]) - datetime.fromisoformat(line["start"]) for line in lines}
    assert timedelta(0) < min(spans)
    assert timedelta(minutes=5) >= max(spans)


def test_parquet_holds_the_same_rows(sluice: Sluice, tmp_path: Path) -> None:
    """Read back, it is the CSV, with instants as instants and counts as numbers."""
    file, other = tmp_path / "evidence.parquet", tmp_path / "evidence.csv"
    sluice("evidence", "searched", "--format", "parquet", "--out", str(file))
    sluice("evidence", "searched", "--out", str(other))
    table = parquet.read_table(file)
    assert COLUMNS == table.column_names
    assert "timestamp[us, tz=UTC]" == str(table.schema.field("start").type)
    lines = list(csv.DictReader(StringIO(other.read_text())))
    assert [(line["start"], int(line["bad"]), float(line["exposure"])) for line in lines] == [
        (row["start"].isoformat().replace("+00:00", "Z"), row["bad"], row["exposure"]) for row in table.to_pylist()
    ]


def test_parquet_without_pyarrow_names_the_remedy(
    sluice: Sluice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install, and what does without; nothing is written."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = sluice("evidence", "searched", "--format", "parquet", "--out", str(tmp_path / "x.parquet"), code=1)
    assert "pip install 'sluice[notebook]'" in result.stderr
    assert [] == list(tmp_path.iterdir())


def test_what_cannot_be_written_is_wrong_usage(sluice: Sluice, tmp_path: Path) -> None:
    """Parquet needs a file, and a file needs a folder."""
    assert "--out" in sluice("evidence", "searched", "--format", "parquet", code=2).stderr
    assert "cannot be written" in sluice("evidence", "searched", "--out", str(tmp_path / "no" / "x"), code=2).stderr


def test_a_rehearsed_rollout_replays_identically(sluice: Sluice) -> None:
    """Adjustments, advances on fresh evidence and completion come out again too."""
    assert "derived anew: identical" in sluice("replay", "searched").stdout
