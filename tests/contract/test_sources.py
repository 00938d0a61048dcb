"""What every source must do, asked of each of them; and what those on the network must not fall for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from gates.sources import Reading, Request, Source
from gates.sources.sql import Sql, Times
from gates.sources.windows import Span
from plans.schema import Metric
from rollout.model import FULL, Counts
from tests.contract.sources import told, web_server
from tests.contract.sources.history import BEGIN, END, HISTORY, expected, openmetrics, request
from tests.contract.sources.told import Told, metrics, open_one
from tests.contract.sources.web_server import WebServer, sends
from tests.servers import free_port, new_database, postgres, prometheus

FOREIGN = ["prometheus", "http", "sqlite", "postgresql"]
ALL = ["events", *FOREIGN]
SOON, LONG = 0.5, 30.0
ATTACKS = [
    "select 1; commit; begin read write; drop table told; commit",
    "select 1; drop table told; commit",
    "commit",
    "drop table told",
    "with gone as (delete from told returning 1) select count(*) from gone",
    "do $$ begin set transaction read write; execute 'drop table told'; end $$",
    "select count(*) from (select set_config('transaction_read_only', 'off', false)) s",
    "pragma query_only = off",
    "attach database 'other.db' as other",
    "select load_extension('x')",
]


@pytest.fixture(scope="module")
def prometheus_url() -> Iterator[str]:
    with prometheus(openmetrics()) as url:
        yield url


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    with postgres() as server:
        yield new_database(server, "metrics")


@pytest.fixture(scope="module")
def on_postgresql(postgresql_url: str) -> Told:
    return told.postgresql(postgresql_url)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server.web_server() as server:
        server.behaviour = web_server.history
        yield server


@pytest.fixture(params=ALL)
def every(request: pytest.FixtureRequest, tmp_path: Path) -> Told:
    """Each source in turn."""
    return _told(request, tmp_path)


@pytest.fixture(params=FOREIGN)
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Told:
    """Each source that the operator configures, in turn."""
    return _told(request, tmp_path)


def test_every_source_tells_the_same_history(every: Told) -> None:
    """Closed buckets in order, cut where exposure grew, bad and all of both cohorts: the same from whoever is asked."""
    assert Reading(buckets=expected(every.metrics)) == ask(every.source, request(every.metrics))


def test_every_source_goes_on_behind_the_last_bucket(every: Told) -> None:
    """What was consumed is not told again; what comes behind it is, in the next epoch too."""
    buckets = expected(every.metrics)
    last = buckets[2]
    reading = ask(every.source, request(every.metrics, (last.start, last.epoch)))
    assert Reading(buckets=buckets[3:]) == reading


def test_a_cohort_that_nobody_is_in_is_not_asked_for(foreign: Told) -> None:
    """At 0 % there is no treatment and at 100 % no control, so that their silence is nobody's fault."""
    for exposure, candidate, stable in ((0, Counts(), HISTORY[0].stable), (FULL, HISTORY[0].candidate, Counts())):
        span = Span(start=BEGIN, end=None, epoch=1, phase=0, exposure=exposure, settings_epoch=0)
        reading = ask(foreign.source, request(foreign.metrics, spans=(span,)))
        assert (candidate, stable) == reading.buckets[0].counts["errors"]


def test_a_query_that_cannot_be_asked_leaves_the_other_metrics_alone(foreign: Told) -> None:
    """One metric's mistake is that metric's missing data, in words."""
    wrong = Metric(source="one", bad="sum(nonsense", of=foreign.metrics["errors"].of)
    reading = ask(foreign.source, request({"errors": foreign.metrics["errors"], "wrong": wrong}))
    assert expected({"errors": foreign.metrics["errors"]}) == reading.buckets
    assert ["wrong"] == list(reading.problems)


@pytest.mark.parametrize("kind", ["prometheus", "http", "sql"])
def test_a_source_that_is_not_there_is_a_problem_in_words(kind: str) -> None:
    """Nobody listens: no bucket, and every metric says so."""
    address = f"127.0.0.1:{free_port()}"
    settings: dict[str, Any] = {"kind": kind, "url": f"http://{address}"}
    if kind == "sql":
        settings |= {"url": f"postgresql+psycopg://sluice@{address}/metrics", "queries": told.QUERIES}
    reading = ask(open_one(settings), request(metrics("one", "{}" if kind == "sql" else "/{}")))
    assert () == reading.buckets
    assert {"errors", "accuracy"} == set(reading.problems)
    assert "did not answer" in reading.problems["errors"] or "refused" in reading.problems["errors"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('sum(increase(ai_misspelt_total{variant="$variant"}[$window]))', "has no such series"),
        ("vector(0) / vector(0)", "gave NaN"),
        ("vector(1) / vector(0)", "gave +Inf"),
        ("increase(ai_request_total[$window])", "gave 2 series, not one number; wrap the query in sum(…)"),
        ("-sum(ai_request_total)", "a count is not negative"),
        ("sum(increase(ai_request_total[$window])", "refused the query (400)"),
        ("ai_request_total[5m]", "gave a matrix, not one number"),
        ('"5"', "gave a string, not one number"),
        ('sum(ai_request_total{variant="$varient"})', "has $varient, which is not filled in"),
        ("sum(ai_request_total) + 1e300", "gave 1e+300, which is beyond any count"),
    ],
)
def test_what_prometheus_tells_that_is_no_count(prometheus_url: str, query: str, words: str) -> None:
    """Empty, NaN, infinite, several series, negative, misspelt: no count, and the reason in words."""
    reading = ask(
        told.prometheus(prometheus_url).source, request({"errors": Metric(source="one", bad=query, of=query)})
    )
    assert () == reading.buckets
    assert words in reading.problems["errors"]


def test_prometheus_rounds_what_it_extrapolates(prometheus_url: str) -> None:
    """A fraction is the nearest whole number, and one more bad than all is as many."""
    metric = Metric(source="one", bad="vector(10.6)", of="vector(10.4)")
    reading = ask(told.prometheus(prometheus_url).source, request({"errors": metric}))
    assert {(Counts(10, 10), Counts(10, 10))} == {bucket.counts["errors"] for bucket in reading.buckets}


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (web_server.drips, "did not answer within 0.5 s"),
        (web_server.never_ends, "sent more than 1024 KiB"),
        (sends(web_server.BOMB, Content_Encoding="gzip"), "sent gzip, which was not asked for"),
        (sends(b"", 302, Location="http://127.0.0.1:1/secret"), "redirects to http://127.0.0.1:1/secret"),
        (sends(b"", 503), "answered 503"),
        (sends(b"{}", 401), "401"),
        (sends(b"<html>"), "did not send JSON"),
        (sends(b'{"counts": {"request": NaN}}'), "did not send JSON"),
        (sends(b"[" * 100_000), "did not send JSON"),
        (sends(b"\xff\xfe"), "did not send JSON"),
        (sends(b""), "did not send JSON"),
    ],
)
@pytest.mark.parametrize("kind", ["prometheus", "http"])
def test_a_hostile_server_is_a_problem_in_words(web: WebServer, kind: str, behaviour: Any, words: str) -> None:
    """Bounded in time, size and shape: whatever it does, the answer is a sentence."""
    web.behaviour = behaviour
    timeout = SOON if behaviour is web_server.drips else LONG
    found = told.prometheus(web.url, timeout=timeout) if kind == "prometheus" else told.http(web.url, timeout=timeout)
    reading = ask(found.source, request(found.metrics))
    assert () == reading.buckets
    assert words in reading.problems["errors"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "has nothing at /counts/error: no 'counts'"),
        ({"counts": {"request": 5}}, "has nothing at /counts/error"),
        ({"counts": {"request": 5, "error": None}}, "gave None, which is no number"),
        ({"counts": {"request": 5, "error": "3"}}, "gave '3', which is no number"),
        ({"counts": {"request": 5, "error": True}}, "gave True, which is no number"),
        ({"counts": {"request": 5, "error": -1}}, "a count is not negative"),
        ({"counts": {"request": 5, "error": 0.5}}, "a count is a whole number"),
        ({"counts": {"request": 5, "error": 6}}, "6 of `/counts/error` are more than the 5 of `/counts/request`"),
        (b'{"counts": {"request": 5, "error": 1e999}}', "JSON"),
        ({"counts": {"request": 5, "error": "\x1b[31m" * 500}}, " …"),
    ],
)
def test_what_a_web_service_tells_that_is_no_count(web: WebServer, body: Any, words: str) -> None:
    """Another shape than a whole number that is not negative is refused with its place."""
    web.behaviour = sends(body)
    found = told.http(web.url)
    reading = ask(found.source, request({"errors": found.metrics["errors"]}))
    assert () == reading.buckets
    assert words in reading.problems["errors"]
    assert reading.problems["errors"].isprintable()


def test_a_web_service_that_lags_is_stale(web: WebServer) -> None:
    """Where it says up to when it is complete, a bucket that ends later is not believed."""
    web.behaviour = sends({"counts": {"request": 5, "error": 1}, "complete": "2026-03-02T09:00:00Z"})
    found = told.http(web.url, complete="/complete")
    reading = ask(found.source, request({"errors": found.metrics["errors"]}))
    assert () == reading.buckets
    assert "is stale: complete until 2026-03-02T09:00:00Z only" in reading.problems["errors"]
    web.behaviour = web_server.history
    assert expected(found.metrics) == ask(found.source, request(found.metrics)).buckets


def test_a_prometheus_that_answers_for_another_instant_is_stale(web: WebServer) -> None:
    """A cache in between that tells an older value is not believed."""
    old = {"resultType": "vector", "result": [{"metric": {}, "value": [BEGIN.timestamp(), "3"]}]}
    web.behaviour = sends({"status": "success", "data": old})
    found = told.prometheus(web.url)
    assert "gave a stale value" in ask(found.source, request(found.metrics)).problems["errors"]


def test_a_name_is_asked_under_its_name_and_other_addresses_not_at_all(web: WebServer) -> None:
    """Addresses that are not public are reached where the operator lists them, with the Host of the settings."""
    named = web.url.replace("127.0.0.1", "localhost")
    refused = ask(told.http(named, addresses=["10.0.0.0/8"]).source, request(metrics("one", "/counts/{}")))
    assert 'which is not public; add addresses = ["' in refused.problems["errors"]
    assert [] == web.seen
    found = told.http(named)
    assert expected(found.metrics) == ask(found.source, request(found.metrics)).buckets
    assert {named.removeprefix("http://")} == {headers["Host"] for _, headers in web.seen}


def test_proxies_and_credentials_of_the_environment_are_not_used(
    web: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither HTTP_PROXY nor a .netrc changes where a question goes and what it carries."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hidden\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    found = told.http(web.url)
    assert expected(found.metrics) == ask(found.source, request(found.metrics)).buckets
    assert not any("Authorization" in headers for _, headers in web.seen)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_statement_cannot_write_to_postgresql(postgresql_url: str, on_postgresql: Told, attack: str) -> None:
    """Were such a query ever configured, it would be refused, and the table would be as before."""
    source = _sql(postgresql_url, attack)
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as connection:
        before = connection.execute("SELECT count(*) FROM told").fetchone()
        _attack(source)
        connection.rollback()
        assert before == connection.execute("SELECT count(*) FROM told").fetchone()
    assert expected(on_postgresql.metrics) == ask(on_postgresql.source, request(on_postgresql.metrics)).buckets


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_statement_cannot_write_to_sqlite(tmp_path: Path, attack: str) -> None:
    """As on PostgreSQL; a file that does not exist is not made either."""
    found = told.sqlite(tmp_path)
    _attack(_sql(f"sqlite:///{tmp_path}/told.db", attack))
    assert expected(found.metrics) == ask(found.source, request(found.metrics)).buckets
    _attack(_sql(f"sqlite:///{tmp_path}/missing.db", "select 1"))
    assert {"told.db"} == {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select pg_sleep(60)", "did not answer within 0.5 s"),
        ("select 1 where false", "gave 0 rows, not one number"),
        ("select generate_series(1, 3)", "gave several rows, not one number"),
        ("select 1, 2", "gave 2 columns, not one number"),
        ("select null", "gave NULL; use count(*)"),
        ("select 'NaN'::float8", "gave nan, which is no count"),
        ("select 'Infinity'::numeric", "gave inf, which is no count"),
        ("select 0.5", "a count is a whole number"),
        ("select 'many'", "gave 'many', which is no number"),
        ("select nothing", "refused `q`"),
    ],
)
def test_what_a_database_tells_that_is_no_count(postgresql_url: str, query: str, words: str) -> None:
    """Too slow, too many, too few, NULL, NaN: no count, and the reason in words."""
    assert words in _problem(_sql(postgresql_url, query))


def test_a_statement_that_never_ends_is_ended_on_sqlite(tmp_path: Path) -> None:
    """The file's own engine stops it, so that no thread is left behind."""
    with closing(sqlite3.connect(tmp_path / "told.db")) as connection:
        connection.execute("CREATE TABLE told (at REAL)")
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    assert "did not answer within 0.5 s" in _problem(_sql(f"sqlite:///{tmp_path}/told.db", endless))


def ask(source: Source, asked: Request) -> Reading:
    """Ask once."""
    return asyncio.run(source.counts(asked))


def _told(request: pytest.FixtureRequest, folder: Path) -> Told:
    match request.param:
        case "events":
            return told.events(folder)
        case "prometheus":
            return told.prometheus(request.getfixturevalue("prometheus_url"))
        case "http":
            return told.http(request.getfixturevalue("web").url)
        case "sqlite":
            return told.sqlite(folder)
        case _:
            found: Told = request.getfixturevalue("on_postgresql")
            return found


def _sql(url: str, query: str) -> Sql:
    """A database with a query that no settings would accept."""
    times = Times.EPOCH if url.startswith("sqlite") else Times.TIMESTAMP
    delay, seconds = timedelta(0), (SOON, 10 * SOON)
    return Sql(make_url(url), {"q": query}, (ip_network("127.0.0.1"),), delay, seconds, times)


def _attack(source: Sql) -> None:
    assert _problem(source)


def _problem(source: Source) -> str:
    span = Span(start=END - timedelta(minutes=5), end=None, epoch=1, phase=0, exposure=10_000, settings_epoch=0)
    reading = ask(source, request({"m": Metric(source="one", bad="q", of="q")}, spans=(span,)))
    assert () == reading.buckets
    return reading.problems["m"]
