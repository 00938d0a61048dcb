"""`history` in every form and `report`: what happened, for people who were not there."""

import csv
import io
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rollout.model import Verb, Verdict
from state import step
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.command_line import Sluice, command_line
from tests.contract.state.story import DAY, asking, judged

NAME = "search-v2"
HOUR = timedelta(hours=1)
HOSTILE = "=cmd() <script>alert(1)</script> | **bold** [x](http://evil.example)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rollout that asked, was answered with markup for a reason, met an incident, and was reverted."""
    folder = tmp_path_factory.mktemp("report")
    engine = connect(sqlite_url(folder))
    migrate(engine)
    store = Store(engine, "test")
    now = asking(store)
    assert step.command(store, NAME, Verb.HOLD, "mallory <b>", HOSTILE, now).accepted
    store.start_incident("ana", "the <b>database</b> is down", (), HOUR, now)
    rollout = store.rollout(NAME)
    step.step(store, NAME, now + DAY, judged(rollout, rollout.plan, now + DAY, Verdict.BREACH))
    store.start_incident("ana", "not ours: it had ended by then", (), HOUR, now + 2 * DAY)
    engine.dispose()
    return folder


@pytest.fixture
def sluice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command line on that folder."""
    return command_line(monkeypatch, folder)


def test_history_as_csv_is_a_row_a_transition_with_numbers(sluice: Sluice) -> None:
    """Counts by cohort where a criterion decided, and no cell that a spreadsheet would run."""
    rows = list(csv.DictReader(io.StringIO(sluice("history", NAME, "--format", "csv").stdout)))
    assert ["start", "await_approval", "hold", "revert"] == [row["transition"] for row in rows]
    assert ("1", "0") == (rows[-1]["from_exposure"], rows[-1]["to_exposure"])
    assert ("3", "100", "1", "900") == tuple(
        rows[-1][name] for name in ("treatment_bad", "treatment_of", "control_bad", "control_of")
    )
    assert "'" + HOSTILE == rows[2]["reason"]
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@"))]


def test_history_as_markdown_can_be_pasted(sluice: Sluice) -> None:
    """A table of one line a transition, the numbers that decided, the head; what people wrote is text."""
    text = sluice("history", NAME, "--format", "md").stdout
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert 2 + 4 == len(table)
    assert {7} == {len(re.findall(r"(?<!\\)\|", line)) for line in table}
    assert "<script>" not in text
    assert "](http" not in text
    assert "treatment 3 of 100 = 3.00%, control 1 of 900 = 0.11%" in text.replace("\\", "")
    assert re.search(r"^Journal head \d+:[0-9a-f]{32}\.$", text, re.MULTILINE)


def test_history_as_json_is_what_it_was(sluice: Sluice) -> None:
    """`--format json` and `--json` are the same; the table is the default."""
    assert json.loads(sluice("history", NAME, "--json").stdout) == json.loads(
        sluice("history", NAME, "--format", "json").stdout
    )
    assert "rev" == sluice("history", NAME).stdout.split()[0]


def test_a_report_is_one_page_that_needs_nothing_else(sluice: Sluice, tmp_path: Path) -> None:
    """Plan, journal, people, evidence and plots; no script, no address, and what people wrote is text."""
    file = tmp_path / "page.html"
    sluice("report", NAME, "--out", str(file))
    page = file.read_text(encoding="utf-8")
    found = _Page()
    found.feed(page)
    assert {"planned", "happened", "people", "plots", "evidence", "plan"} <= found.ids
    assert {"script", "link", "iframe", "img", "b", "form"}.isdisjoint(found.tags)
    assert [] == [value for value in found.addresses if not value.startswith("data:")]
    assert "url(" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "svg" in found.tags
    assert re.search(r"audit verify --head \d+:[0-9a-f]{32}", page)


def test_a_report_tells_of_incidents(sluice: Sluice, tmp_path: Path) -> None:
    """Those that lasted while the rollout lived and were about its flag, with what was said of them as text."""
    file = tmp_path / "page.html"
    sluice("report", NAME, "--out", str(file))
    page = file.read_text(encoding="utf-8")
    assert "<strong>all flags</strong> the &lt;b&gt;database&lt;/b&gt; is down<small>declared by ana;" in page
    assert "not ours" not in page


def test_a_report_that_cannot_be_written_is_wrong_usage(sluice: Sluice, tmp_path: Path) -> None:
    """With the remedy; an unknown rollout is refused by its nearest name."""
    assert "name another with --out" in sluice("report", NAME, "--out", str(tmp_path), code=2).stderr
    assert "search-v2" in sluice("report", "search-v3", "--out", str(tmp_path / "x.html"), code=1).stderr


class _Page(HTMLParser):
    """Tags, ids and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids |= {value for name, value in attrs if name == "id" and value}
        self.addresses += [value for name, value in attrs if name in {"src", "href", "srcset"} and value]
