"""What the operator may configure, and in which words the rest is refused; what plans may then ask."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.sources import SourceError
from gates.sources.addresses import permitted
from gates.sources.config import ConfigError, Sources, configured
from gates.sources.http import pointed
from gates.sources.opening import from_folder, open_sources, secret_of, usable
from gates.sources.windows import BEFORE, MOST, Span, earlier, windows
from plans.load import check
from rollout.model import NOT_STARTED
from tests.markdown import ROOT, blocks

QUERY = "select count(*) from told where variant = :variant and at >= :since and at < :until"
PROM: dict[str, Any] = {"kind": "prometheus", "url": "https://prom.internal"}
WAREHOUSE: dict[str, Any] = {"kind": "sql", "url": "postgresql+psycopg://reader@db/x", "queries": {"errors": QUERY}}
SECRET = {"host": "prom.internal", "variable": "PROM_TOKEN"}
BEGIN = datetime(2026, 3, 2, 9, 2, tzinfo=UTC)
FIVE = timedelta(minutes=5)
PLAN = """\
sluice: 1
name: search-v2
flag: search-ai
stable: {model: v1}
candidate: {model: v2}
phases: [{name: beta, expose: 10%, hold: 3d}, {name: all, expose: 100%, hold: 7d}]
metrics:
  errors:
    source: SOURCE
    bad: BAD
    of: OF
stop: {criteria: [errors > 2x control]}
"""


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"kind": "graphite", "url": "http://x"}, 'sources.one: kind is missing or unknown; write kind = "prometheus"'),
        ({"url": "http://x"}, "sources.one: kind is missing or unknown"),
        (PROM | {"adresses": []}, "sources.one.adresses: unknown key"),
        (PROM | {"url": "prom:9090"}, "sources.one.url: is no address; write http://host:port"),
        (PROM | {"url": "file:///etc/passwd"}, "sources.one.url: is no address"),
        (PROM | {"url": "https://me:hidden@prom"}, "put a password or token into [secrets.NAME]"),
        (PROM | {"url": "https://prom/?token=hidden"}, "sources.one.url: holds more than a place"),
        (PROM | {"timeout": 0}, "sources.one.timeout: Input should be greater than 0"),
        (PROM | {"addresses": ["here"]}, "sources.one.addresses.0: value is not a valid IPv4 or IPv6 network"),
        (PROM | {"secret": "prom"}, "sources.one.secret: no secret 'prom' is there; add [secrets.prom]"),
        (PROM | {"secret": "other"}, "'other' is for elsewhere, not for prom.internal"),
        ({"kind": "http", "url": "https://x", "complete": "until"}, "'until' is no JSON pointer"),
        (
            WAREHOUSE | {"url": "postgresql+psycopg://reader:hidden@db/x"},
            "holds a password; put it into [secrets.NAME]",
        ),
        (WAREHOUSE | {"url": "nosuch://db/x"}, "sources.one.url: is no database; write postgresql+psycopg://"),
        (WAREHOUSE | {"url": "oracle://db/x"}, "sources.one.url: has no driver here: No module named"),
        (WAREHOUSE | {"url": "sqlite://"}, "names no file"),
        (WAREHOUSE | {"queries": {}}, "sources.one.queries"),
        (WAREHOUSE | {"queries": {"e": "drop table x"}}, "e is no query; begin with SELECT or WITH"),
        (WAREHOUSE | {"queries": {"e": QUERY + "; drop table told"}}, "e holds more than one statement"),
        (WAREHOUSE | {"queries": {"e": "select 1"}}, "e has no :since; select by all of :variant, :since and :until"),
        (WAREHOUSE | {"queries": {"e": QUERY + " and user = :user"}}, "e has :user, which is not bound"),
    ],
)
def test_wrong_settings_are_refused_with_their_place_and_no_secret(table: dict[str, Any], told: str) -> None:
    """Every refusal names the key and the remedy, and repeats nothing that may be a password."""
    other = {"other": {"host": "elsewhere", "file": "/run/secrets/other"}}
    with pytest.raises(ConfigError) as refused:
        configured({"sources": {"one": table}, "secrets": other})
    assert told in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_the_settings_in_the_documentation_are_settings() -> None:
    """The example of docs/operating.md configures what it says."""
    example = next(block for block in blocks("toml", ROOT / "docs" / "operating.md") if "[sources." in block.text)
    found = configured(tomllib.loads(example.text))
    assert {"prom", "warehouse", "support"} == set(open_sources(found))


def test_the_built_in_name_is_taken() -> None:
    """`events` stays what it is."""
    with pytest.raises(ConfigError, match="is built in; choose another name"):
        configured({"sources": {"events": PROM}})


def test_a_file_without_sources_configures_none(tmp_path: Path) -> None:
    """No file, or one with other settings only: `events` is all that plans know."""
    assert Sources() == from_folder(tmp_path)
    (tmp_path / "sluice.toml").write_text("port = 8801\n", encoding="utf-8")
    assert frozenset({"events"}) == from_folder(tmp_path).known().sources


def test_a_wrong_file_is_named_in_every_line(tmp_path: Path) -> None:
    """All problems at once, each behind the path of the file."""
    text = '[sources.a]\nkind = "http"\nurl = "x"\n[sources.b]\nkind = "sql"\nurl = "x"\nqueries = {}\n'
    (tmp_path / "sluice.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        from_folder(tmp_path)
    lines = str(refused.value).splitlines()
    assert 3 == len(lines)
    assert all(line.startswith(f"{tmp_path}/sluice.toml: sources.") for line in lines)


def test_a_wrong_file_stops_nothing_that_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where flags are served and rollouts watched, it is told and left aside."""
    (tmp_path / "sluice.toml").write_text("[sources.a]\nkind = 5\n", encoding="utf-8")
    assert Sources() == usable(tmp_path)
    assert "sources.a" in caplog.text


def test_every_kind_can_be_opened_without_asking_anything() -> None:
    """Opening connects nowhere."""
    tables = {"a": PROM | {"secret": "prom"}, "b": {"kind": "http", "url": "http://x/counts"}, "c": WAREHOUSE}
    opened = open_sources(configured({"sources": tables, "secrets": {"prom": SECRET}}), {})
    assert {"a", "b", "c"} == set(opened)
    assert timedelta(seconds=60) == opened["a"].delay


def test_a_secret_is_read_when_it_is_needed(tmp_path: Path) -> None:
    """From the environment or a file, as it is then; where there is none, that is the source's problem."""
    known = configured({"secrets": {"a": SECRET, "b": {"host": "x", "file": str(tmp_path / "token")}}}).secrets
    assert "s3cret" == secret_of(known["a"], {"PROM_TOKEN": "s3cret"})
    with pytest.raises(SourceError, match="the variable PROM_TOKEN is empty"):
        secret_of(known["a"], {})
    with pytest.raises(SourceError, match="cannot be read"):
        secret_of(known["b"], {})
    (tmp_path / "token").write_text("fresh\n", encoding="utf-8")
    assert "fresh" == secret_of(known["b"], {})


@pytest.mark.parametrize(
    ("source", "bad", "told"),
    [
        ("prom", 'x{v="$variant"}[$window]', ""),
        ("prom", "x[$window]", "has no $variant, so both cohorts would be counted as one"),
        ("prom", 'x{v="$variant"}[5m]', "has no $window, so buckets would overlap"),
        ("prom", 'x{v="$varient"}[$window]', "$varient is not filled in; did you mean $variant?"),
        ("db", "error", "no query 'error' is configured; did you mean 'errors'?"),
        ("web", "errors", "'errors' is no JSON pointer"),
        ("graphite", "x", "no source 'graphite' is configured"),
    ],
)
def test_a_plan_is_told_what_its_source_cannot_be_asked(source: str, bad: str, told: str) -> None:
    """Misspelt names and queries that would count both cohorts alike are found before the plan is submitted."""
    tables = {"prom": PROM, "db": WAREHOUSE, "web": {"kind": "http", "url": "http://x"}}
    of = {"prom": 'y{v="$variant"}[$window]', "db": "errors", "web": "/all"}.get(source, "y")
    text = PLAN.replace("SOURCE", source).replace("BAD", f"'{bad}'").replace("OF", f"'{of}'")
    plan, problems = check(text, "p.yaml", configured({"sources": tables}).known())
    assert (told == "") is (plan is not None)
    assert told in "".join(map(str, problems))
    assert all(problem.place.startswith("metrics.errors.") for problem in problems)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("224.0.0.1", False),
        ("8.8.8.8", True),
        ("10.9.0.7", True),
        ("::ffff:10.9.0.7", True),
    ],
)
def test_only_public_and_listed_addresses_are_reached(address: str, allowed: bool) -> None:  # noqa: FBT001
    """Loopback, private and link-local addresses are out of reach, in whichever notation."""
    listed = configured({"sources": {"one": PROM | {"addresses": ["10.9.0.0/24"]}}}).sources["one"].addresses
    assert allowed is permitted(address, listed)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_pointers_find_what_the_standard_says(pointer: str, value: Any) -> None:
    """The examples of RFC 6901, section 5."""
    document = {
        "foo": ["bar", "baz"],
        "": 0,
        "a/b": 1,
        "c%d": 2,
        "e^f": 3,
        "g|h": 4,
        "i\\j": 5,
        'k"l': 6,
        " ": 7,
        "m~n": 8,
    }
    assert value == pointed(document, pointer)


@pytest.mark.parametrize("pointer", ["/foo/2", "/foo/01", "/foo/-", "/foo/-1", "/bar", "/foo/0/x"])
def test_pointers_to_nothing_are_problems(pointer: str) -> None:
    """No index beyond the end, no leading zero, no way into a number."""
    with pytest.raises(SourceError, match="has nothing at"):
        pointed({"foo": ["bar", "baz"]}, pointer)


@given(cuts=st.lists(st.integers(1, 3_000), max_size=4), until=st.integers(0, 5_000), consumed=st.integers(0, 20))
def test_windows_follow_each_other_without_gap_or_overlap(cuts: list[int], until: int, consumed: int) -> None:
    """Each lies in one span and one cell of the grid; asked on from any of them, the rest comes and nothing else."""
    instants = [BEGIN + timedelta(seconds=second) for second in sorted({0, *cuts})]
    spans = [
        Span(start=start, end=end, epoch=epoch, phase=0, exposure=1, settings_epoch=0)
        for epoch, (start, end) in enumerate(zip(instants, [*instants[1:], None], strict=True))
    ]
    now = BEGIN + timedelta(seconds=until)
    found = windows(spans, FIVE, None, now)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(timedelta(minutes=1) <= window.length <= FIVE and window.end <= now for window in found)
    assert all(cell(window.start) == cell(window.end - timedelta(microseconds=1)) for window in found)
    if found:
        last = found[min(consumed, len(found) - 1)]
        behind = tuple(window for window in found if (window.start, window.epoch) > (last.start, last.epoch))
        assert behind == windows(spans, FIVE, (last.start, last.epoch), now)


def cell(at: datetime) -> int:
    """The number of a cell of the grid."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // FIVE


def test_windows_before_a_rollout_are_whole_and_end_with_it() -> None:
    """As many cells of the grid as are needed, nobody exposed; the last is left out while it may still change."""
    begun = BEGIN + timedelta(minutes=7)
    found = earlier(begun, FIVE, begun)
    assert BEFORE == len(found)
    assert found[-1].end == BEGIN + FIVE - (BEGIN - datetime(1970, 1, 1, tzinfo=UTC)) % FIVE
    assert all(one.end == other.start for one, other in pairwise(found))
    assert {(-1, NOT_STARTED, 0)} == {(window.epoch, window.phase, window.exposure) for window in found}
    assert found[:-1] == earlier(begun, FIVE, found[-1].end - timedelta(seconds=1))


def test_a_long_silence_is_caught_up_with_from_its_newest_end() -> None:
    """After an outage of days the newest half day is asked for, so that the present is always reached."""
    span = Span(start=BEGIN, end=None, epoch=1, phase=0, exposure=1, settings_epoch=0)
    found = windows([span], FIVE, None, BEGIN + timedelta(days=9))
    assert MOST == len(found)
    assert found[-1].end > BEGIN + timedelta(days=9) - FIVE
