"""Asking the operator's sources: all of a pass at once, each in its own time, none able to hold up the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gates.sources import Reading, Request, Source, SourceError
from gates.sources.windows import Span, earlier, windows
from plans.schema import Metric, Plan
from plans.timeline import bucket_seconds
from rollout.counting import EVENTS
from rollout.model import NOT_STARTED
from state.transitions import Epoch

AT_ONCE = 8
SECONDS = 60.0
"""What one pass gives all of its sources together."""

logger = logging.getLogger(__name__)

Cursor = tuple[datetime, int] | None


class Question(NamedTuple):
    """What one source is asked for one rollout; `asker` is the rollout's place in the pass."""

    asker: int
    source: str
    request: Request


def by_source(plan: Plan) -> Mapping[str, Mapping[str, Metric]]:
    """The metrics that are not of the application's own events, by source and name."""
    found: dict[str, dict[str, Metric]] = {}
    for name, metric in plan.metrics.items():
        if metric.source != EVENTS:
            found.setdefault(metric.source, {})[name] = metric
    return found


def closed(sources: Mapping[str, Source], names: Sequence[str], now: datetime) -> datetime:
    """Up to when all of these sources have complete counts: the buckets of one rollout close together."""
    delays = (sources[name].delay for name in names if name in sources)
    return now - max(delays, default=timedelta(0))


def request_of(
    name: str, plan: Plan, metrics: Mapping[str, Metric], epochs: Sequence[Epoch], after: Cursor, until: datetime
) -> Request:
    """The question for one rollout: every closed bucket behind the cursor in which there were cohorts.

    Before the first of them has closed it is asked how control's counts scattered until then; once, because what the
    gate was told of it is in its memory from there on.
    """
    width = timedelta(seconds=bucket_seconds(plan))
    spans = [_span(epoch) for epoch in epochs if epoch.counted]
    found = windows(spans, width, after, until)
    if not found and after is None and spans:
        found = earlier(spans[0].start, width, until)
    return Request(rollout=name, metrics=metrics, windows=found)


def ask(sources: Mapping[str, Source], questions: Sequence[Question], seconds: float = SECONDS) -> list[Reading]:
    """The answers, in order; a source that fails is a problem of those who asked it."""
    return asyncio.run(_all(sources, questions, seconds))


async def _all(sources: Mapping[str, Source], questions: Sequence[Question], seconds: float) -> list[Reading]:
    """Whoever waits longest comes first, so that nobody behind a slow source is left out every time."""
    over = asyncio.get_running_loop().time() + seconds
    turns = {question.source: asyncio.Semaphore(AT_ONCE) for question in questions}
    order = sorted(range(len(questions)), key=lambda place: _oldest(questions[place].request))
    asked = [
        _one(sources.get(questions[place].source), questions[place], turns[questions[place].source], over)
        for place in order
    ]
    answers = dict(zip(order, await asyncio.gather(*asked), strict=True))
    return [answers[place] for place in range(len(questions))]


async def _one(source: Source | None, question: Question, turn: asyncio.Semaphore, over: float) -> Reading:
    if source is None:
        return _problem(question, "is not configured any more")
    if not question.request.windows:
        return Reading()
    try:
        async with asyncio.timeout_at(over), turn:
            reading = await source.counts(question.request)
    except SourceError as error:
        return _problem(question, str(error))
    except TimeoutError:
        return _problem(question, "did not answer in the time of a pass")
    except Exception as error:  # a source with a fault must not leave other rollouts unwatched
        logger.exception("source %s failed for %s", question.source, question.request.rollout)
        return _problem(question, f"failed: {type(error).__name__}")
    if question.request.windows[-1].phase == NOT_STARTED:
        return Reading(buckets=reading.buckets)  # what is not known of the past is no problem of the present
    told = {metric: f"{question.source}: {words}" for metric, words in reading.problems.items()}
    return Reading(buckets=reading.buckets, problems=told)


def _problem(question: Question, words: str) -> Reading:
    return Reading(problems=dict.fromkeys(question.request.metrics, f"{question.source}: {words}"))


def _oldest(request: Request) -> float:
    return request.windows[0].start.timestamp() if request.windows else 0.0


def _span(epoch: Epoch) -> Span:
    return Span(
        start=epoch.at,
        end=epoch.until,
        epoch=epoch.epoch,
        phase=epoch.state.phase,
        exposure=epoch.flag.exposure,
        settings_epoch=epoch.state.settings_epoch,
    )
