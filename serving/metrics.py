"""Prometheus text: what is served, how much was asked, and how old the guard's last sweep is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.flags import FlagSet
from serving.ofrep import Tally
from serving.stream import Streams
from state.deliveries import Backlog

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Serving(Collector):
    """The flag server's own counts, read when Prometheus asks."""

    def __init__(self, flags: FlagSet, tally: Tally, streams: Streams) -> None:
        self._flags = flags
        self._tally = tally
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """Every metric of this process."""
        yield self._evaluations()
        yield self._outcomes()
        yield GaugeMetricFamily("sluice_streams_open", "Event streams that are open.", self._streams.open)
        yield from self._served()

    def _evaluations(self) -> Metric:
        family = CounterMetricFamily("sluice_evaluations", "Evaluation requests by kind.", labels=["kind"])
        family.add_metric(["single"], self._tally.single)
        family.add_metric(["bulk"], self._tally.bulk)
        family.add_metric(["unchanged"], self._tally.unchanged)
        family.add_metric(["failed"], self._tally.failed)
        return family

    def _outcomes(self) -> Metric:
        family = CounterMetricFamily("sluice_outcomes", "Outcomes reported by applications.", labels=["result"])
        for result, count in self._tally.outcomes.items():
            family.add_metric([result], count)
        return family

    def _served(self) -> Iterator[Metric]:
        exposure = GaugeMetricFamily("sluice_exposure_percent", "Exposure in force.", labels=["flag", "rollout"])
        enabled = GaugeMetricFamily("sluice_flag_enabled", "1 where the flag is on.", labels=["flag"])
        for key, flag in self._flags.flags.items():
            served = flag.exposure / 1000 if flag.enabled and flag.active else 0.0
            exposure.add_metric([key, flag.rollout or ""], served)
            enabled.add_metric([key], float(flag.enabled))
        yield exposure
        yield enabled


def text(serving: Serving, guard_age: float | None, backlog: Sequence[Backlog] = ()) -> bytes:
    """The page that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(serving)
    registry.register(_Notices(backlog))
    if guard_age is not None:
        registry.register(_Age(guard_age))
    return generate_latest(registry)


class _Notices(Collector):
    def __init__(self, backlog: Sequence[Backlog]) -> None:
        self._backlog = backlog

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("sluice_notices_waiting", "Notices on their way to a channel.", labels=["channel"])
        given_up = CounterMetricFamily("sluice_notices_given_up", "Notices that nobody got.", labels=["channel"])
        for one in self._backlog:
            waiting.add_metric([one.channel], one.waiting)
            given_up.add_metric([one.channel], one.given_up)
        yield waiting
        yield given_up


class _Age(Collector):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("sluice_guard_age_seconds", "Real seconds since the guard last swept.", self._seconds)
