"""A sweep that asks real sources: what they tell moves their own rollouts, what they fail to tell moves nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest

from flows.advance import advance
from flows.ask import Question, ask
from flows.collect import Counted, Wanted, from_events, from_sources
from flows.guard import sweep
from flows.house import House
from flows.pace import Pace
from gates.judge import Memory, compile, judge  # noqa: A004 - the gate's own word for it
from gates.sources import Reading, Request, Source, Window
from gates.sources.config import configured
from gates.sources.opening import open_sources
from gates.sources.windows import BEFORE, Span, windows
from plans.known import Known
from plans.schema import Metric
from rollout.model import Bucket, Counts, Finding, Status, Verdict
from rollout.series import rate_charts
from sluice.evidence import judged
from state.clock import Clock
from state.database import connect, migrate
from state.events import Events
from state.readings import all_buckets, readings_of
from state.step import submit
from state.store import Look, Store
from tests.contract.sources.web_server import Handler, WebServer, sends, web_server

START = datetime(2026, 12, 1, 9, tzinfo=UTC)
METRIC = Metric(source="one", bad="/bad", of="/all")
SPAN = Span(start=START, end=None, epoch=1, phase=0, exposure=10_000, settings_epoch=0)
PLAN = """\
sluice: 1
name: {name}
flag: {name}
stable: {{model: v1}}
candidate: {{model: v2}}
phases:
  - {{name: alpha, expose: 10%, hold: 1h}}
  - {{name: ga, expose: 100%, hold: 1h}}
metrics:
  error_rate: {{source: {name}, bad: /bad, of: /all}}
stop:
  check_every: 5m
  criteria: [error_rate > 2x control]
"""


@dataclass
class World:
    """A house with the hands of its clock."""

    store: Store
    at: datetime
    house: House

    def finding(self, name: str) -> Finding:
        """What was found last."""
        (found,) = self.store.rollout(name).evidence.findings
        return found

    def status(self, name: str) -> tuple[Status, int]:
        """Where a rollout stands."""
        state = self.store.rollout(name).state
        return state.status, state.phase


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.behaviour = behave
        yield server


@pytest.fixture
def world(web: WebServer, tmp_path: Path) -> World:
    """Four rollouts, each with a source of its own; that of the last is not configured."""
    tables = {
        name: {"kind": "http", "url": f"{web.url}/{name}", "addresses": ["127.0.0.1"]}
        for name in ("healthy", "faulty", "broken")
    }
    store = Store(connect("sqlite://"), "test")
    migrate(store.engine)
    made = World(store, START, None)  # type: ignore[arg-type]  # the house needs the clock of the world
    clock = Clock(store, lambda: made.at)
    collect = from_sources(from_events(Events(store, clock)), store, open_sources(configured({"sources": tables})))
    made.house = House(store=store, clock=clock, collect=collect, process="test", folder=tmp_path, pace=Pace())
    known = configured({"sources": tables | {"gone": tables["broken"]}}).known()
    for name in ("healthy", "faulty", "broken", "gone"):
        submit(store, PLAN.format(name=name), "test", START, known=known)
        advance(store, clock, name, from_events(Events(store, clock)))
    return made


def behave(handler: Handler) -> None:
    """Half of the faulty candidate's answers are bad; one service has broken down."""
    url = urlsplit(handler.path)
    candidate = parse_qs(url.query)["variant"] == ["candidate"]
    if url.path == "/broken":
        handler.send(b"", 500)
    else:
        bad = 50 if candidate and url.path == "/faulty" else 2
        sends({"bad": bad, "all": 100})(handler)


def test_each_source_moves_its_own_rollout_and_no_other(world: World) -> None:
    """The faulty candidate is reverted at the first sweep; a broken source costs its rollout data, and words say so."""
    world.at += timedelta(minutes=31)
    swept = sweep(world.house)
    assert () == swept.broken
    assert (Status.REVERTED, 0) == world.status("faulty")
    assert (Status.RUNNING, 0) == world.status("healthy") == world.status("broken") == world.status("gone")
    assert (Counts(12, 600), Counts(12, 600)) == (world.finding("healthy").treatment, world.finding("healthy").control)
    assert "broken: for treatment: answered 500" in world.finding("broken").reason
    assert "gone: is not configured any more" in world.finding("gone").reason


def test_what_was_told_is_kept_as_it_was_judged(world: World) -> None:
    """Judged once more, the kept buckets come to the findings of the look and of the step, number for number."""
    world.at += timedelta(minutes=31)
    sweep(world.house)
    for name in ("healthy", "faulty"):
        rollout, kept = world.store.rollout(name), judged(world.store, name)
        before = world.store.journal(name)[-1].before if rollout.state.status is Status.REVERTED else rollout.state
        _, evidence = judge(compile(rollout.plan), None, kept, before, world.at)
        assert rollout.evidence.findings == evidence.findings
    assert () == judged(world.store, "broken")
    healthy = world.store.rollout("healthy")
    (chart,) = rate_charts(healthy.plan, all_buckets(world.store, healthy.id))
    assert [("treatment", 2.0), ("control", 2.0)] == [(line.label, line.values[-1]) for line in chart.lines]
    assert START.timestamp() < chart.at[0]


def test_what_a_source_told_an_overtaken_look_is_not_kept(world: World) -> None:
    """Nothing is kept that was not judged: the buckets are asked for again, and kept with the look that counts them."""
    world.at += timedelta(minutes=31)
    row = world.store.rollout("healthy")
    counts = {"error_rate": (Counts(), Counts())}
    told = Bucket(
        start=START,
        end=START + timedelta(minutes=5),
        epoch=1,
        phase=0,
        exposure=10_000,
        settings_epoch=0,
        counts=counts,
    )
    stale = Look(
        id=row.id,
        name=row.name,
        evidence_version=row.evidence_version - 1,
        evidence=row.evidence,
        memory=None,
        told=(told,),
    )
    assert ("healthy",) == world.store.look((stale,))
    assert () == readings_of(world.store, row.id)
    sweep(world.house)
    kept = [bucket for bucket in readings_of(world.store, row.id) if bucket.phase == 0]
    assert [Counts(2, 100)] * 6 == [bucket.counts["error_rate"][0] for bucket in kept]


def test_a_rollout_whose_source_is_broken_does_not_grow(world: World) -> None:
    """Once the hold is over the healthy one grows; the others wait for data, and go on when their source is back."""
    for _ in range(3):
        world.at += timedelta(minutes=30)
        sweep(world.house)
        for name in ("healthy", "broken", "gone"):
            advance(world.house.store, world.house.clock, name, world.house.collect)
    assert (Status.RUNNING, 1) == world.status("healthy")
    assert (Status.RUNNING, 0) == world.status("broken") == world.status("gone")
    assert Verdict.NO_DATA is world.finding("broken").verdict


def test_a_rollout_goes_on_when_its_source_is_back(world: World, web: WebServer) -> None:
    """What was missed is asked for again, so that an outage of the source leaves no hole."""
    world.at += timedelta(minutes=31)
    sweep(world.house)
    web.behaviour = sends({"bad": 2, "all": 100})
    world.at += timedelta(minutes=5)
    sweep(world.house)
    assert Counts(14, 700) == world.finding("broken").treatment
    assert "500" not in world.finding("broken").reason


def test_buckets_of_two_sources_become_one_once_both_are_closed(world: World) -> None:
    """A rollout with events and another source gets both in one bucket; the newest events wait for the other."""
    rollout = world.store.rollout("healthy")
    own = [_bucket(rollout.state.epoch, minute) for minute in (0, 5)]
    tables = {"healthy": {"kind": "http", "url": "http://127.0.0.1:1", "delay": 300}}

    def events(wanted: Sequence[Wanted], _now: datetime) -> Sequence[Counted]:
        return [Counted(tuple(own), frozenset({"request"})) for _ in wanted]

    collect = from_sources(events, world.store, open_sources(configured({"sources": tables})))
    wanted = Wanted(rollout.id, rollout.name, rollout.state.flag, None, True, lambda: rollout.plan)
    (counted,) = collect((wanted,), START + timedelta(minutes=10))
    assert (own[0],) == counted.buckets
    assert "127.0.0.1 is 127.0.0.1, which is not public" in counted.problems["error_rate"]
    assert frozenset({"request"}) == counted.seen
    (counted,) = world.house.collect((wanted,), START + timedelta(minutes=6))
    (bucket,) = counted.buckets
    assert ["error_rate"] == list(bucket.counts)
    joined = from_sources(events, world.store, {"healthy": _Telling()})((wanted,), START + timedelta(minutes=10))
    assert [{"mine", "error_rate"}, {"mine", "error_rate"}] == [set(bucket.counts) for bucket in joined[0].buckets]


def test_what_a_source_counted_before_the_start_tells_how_its_counts_scatter(world: World) -> None:
    """Asked for once, at the start: each event counted four times weakens the evidence by as much, from then on."""
    source = _Bursts()
    house = _with(world, "bursts", source)
    scatter = _power(world)
    assert scatter == pytest.approx(1 / 4, rel=0.4)

    world.at += timedelta(minutes=2)
    advance(world.store, house.clock, "bursts", house.collect)
    world.at += timedelta(minutes=14)
    sweep(house)
    assert scatter == _power(world)
    assert [BEFORE, 3] == source.asked
    assert f"({BEFORE} buckets before the start)" in world.finding("bursts").reason
    assert Counts(12, 1_200) == world.finding("bursts").control


def test_a_source_that_knows_nothing_of_the_past_tells_no_problem_of_the_present(world: World) -> None:
    """No series, no rows, no answer for then: the dispersion stays unknown, and the words say nothing else."""
    _with(world, "new", _New())
    assert "no such series" not in world.finding("new").reason
    assert _power(world, "new") is None


def test_a_source_with_a_fault_or_without_an_answer_holds_up_nobody() -> None:
    """An exception that nobody foresaw and an answer that never comes are problems of those who asked."""
    request = Request(
        rollout="search",
        metrics={"error_rate": METRIC},
        windows=windows([SPAN], timedelta(minutes=5), None, START + timedelta(minutes=5)),
    )
    sources: dict[str, Source] = {"faulty": _Faulty(), "silent": _Silent(), "telling": _Telling()}
    readings = ask(sources, [Question(0, name, request) for name in sources], seconds=0.2)
    assert {"error_rate": "faulty: failed: ZeroDivisionError"} == readings[0].problems
    assert {"error_rate": "silent: did not answer in the time of a pass"} == readings[1].problems
    assert 1 == len(readings[2].buckets)


def _with(world: World, name: str, source: Source) -> House:
    """A house that has one source more, and a rollout of that name, started, that counts in it."""
    house = replace(world.house, collect=from_sources(world.house.collect, world.store, {name: source}))
    submit(world.store, PLAN.format(name=name), "test", START, known=Known(frozenset({name})))
    advance(world.store, house.clock, name, house.collect)
    return house


def _power(world: World, name: str = "bursts") -> float | None:
    """To which power the evidence of a rollout's criterion is taken."""
    memory = Memory.from_json(world.store.rollout(name).memory or "")
    return memory.records[0].known.power


class _Bursts:
    """A hundred units a bucket with a bad one now and then, each of which is counted four times."""

    delay = timedelta(0)

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.random = Random(1)

    async def counts(self, request: Request) -> Reading:
        """Nobody has the candidate before the start."""
        self.asked += [len(request.windows)] if request.windows else []
        return Reading(buckets=tuple(self._bucket(request, window) for window in request.windows))

    def _bucket(self, request: Request, window: Window) -> Bucket:
        begun = window.exposure > 0
        bad = 1 if begun else sum(self.random.random() < 0.05 for _ in range(100))
        both = (Counts(4, 400) if begun else Counts(), Counts(4 * bad, 400))
        return _filled(window, dict.fromkeys(request.metrics, both))


class _New:
    """A source that was set up today."""

    delay = timedelta(0)

    async def counts(self, request: Request) -> Reading:
        """Nothing, and why."""
        return Reading(problems=dict.fromkeys(request.metrics, "for control: has no such series"))


def _filled(window: Window, counts: Mapping[str, tuple[Counts, Counts]]) -> Bucket:
    return Bucket(
        start=window.start,
        end=window.end,
        epoch=window.epoch,
        phase=window.phase,
        exposure=window.exposure,
        settings_epoch=window.settings_epoch,
        counts=counts,
    )


class _Telling:
    """Two bad of ten, always."""

    delay = timedelta(0)

    async def counts(self, request: Request) -> Reading:
        """A bucket for each window."""
        counts = dict.fromkeys(request.metrics, (Counts(2, 10), Counts(2, 10)))
        return Reading(buckets=tuple(_filled(window, counts) for window in request.windows))


class _Faulty(_Telling):
    """A source with a programming error."""

    async def counts(self, request: Request) -> Reading:
        """Divide by nothing."""
        raise ZeroDivisionError(request.rollout)


class _Silent(_Telling):
    """A source that never answers."""

    async def counts(self, request: Request) -> Reading:
        """Wait for ever."""
        answer: asyncio.Future[Reading] = asyncio.Future()
        return await answer if request.windows else Reading()


def _bucket(epoch: int, minute: int) -> Bucket:
    start = START + timedelta(minutes=minute)
    return Bucket(
        start=start,
        end=start + timedelta(minutes=5),
        epoch=epoch,
        phase=0,
        exposure=10_000,
        settings_epoch=0,
        counts={"mine": (Counts(1, 10), Counts(1, 90))},
    )
