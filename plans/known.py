"""What only the operator knows of, and whether a plan keeps to it: metric sources and channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from plans.listeners import LOG
from plans.parts import Parts
from plans.problems import Fault, Severity, suggestion
from plans.schema import Metric

PAIR = 2


@dataclass(frozen=True, slots=True)
class Known:
    """What only the operator knows: the names of metric sources and of channels.

    `misfits` tells by source why it cannot be asked a query, None where it can; `faulty` by channel what is wrong with
    its settings. `offline` is for checking plans where
    nothing is configured: unknown names are warnings then.
    """

    sources: frozenset[str] = frozenset({"events"})
    channels: frozenset[str] = frozenset({LOG})
    offline: bool = False
    misfits: Mapping[str, Callable[[str], str | None]] = field(default_factory=dict)
    faulty: Mapping[str, str] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """How bad a name is that the operator has not configured."""
        return Severity.WARNING if self.offline else Severity.ERROR


def configured(parts: Parts, known: Known) -> Iterator[Fault]:
    """Every source and channel is one that the operator has configured, and is asked what it can be asked."""
    for name, metric in parts.metrics.items():
        if metric.source not in known.sources:
            yield Fault(("metrics", name, "source"), _unknown("source", metric.source, known.sources), known.severity)
        elif misfit := known.misfits.get(metric.source):
            yield from _queries(name, metric, misfit)
    yield from _channels(parts, known)


def _channels(parts: Parts, known: Known) -> Iterator[Fault]:
    """Every channel is there, heard of once; the log hears of everything."""
    listed = [
        (("notify", index), name)
        for index, one in enumerate(parts.notify)
        for name in ((one,) if isinstance(one, str) else one)
    ]
    for place, channel in listed:
        if problem := known.faulty.get(channel):
            yield Fault(place, f"the channel {channel!r} cannot be used: {problem}", known.severity)
        elif channel not in known.channels:
            yield Fault(place, _unknown("channel", channel, known.channels), known.severity)
    for index, one in enumerate(parts.notify):
        if not isinstance(one, str) and LOG in one:
            yield Fault(("notify", index), f"the {LOG} hears of everything; write `{LOG}` alone")
    for channel, times in Counter(name for _, name in listed).items():
        if times >= PAIR:
            yield Fault(("notify",), f"{channel!r} is listed {times} times; once is enough")


def _queries(name: str, metric: Metric, misfit: Callable[[str], str | None]) -> Iterator[Fault]:
    """What the source of a metric cannot be asked."""
    for word in ("bad", "good", "value", "of"):
        query = getattr(metric, word)
        if query is not None and (message := misfit(query)):
            yield Fault(("metrics", name, word), message)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"no {what} {name!r} is configured; {suggestion(name, known)} (the operator adds others to sluice.toml)"
