"""From single numbers to buckets: what all sources that are asked number by number share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from math import isfinite
from typing import TypeVar

from gates.sources import Reading, Request, SourceError, UnreachableError, Window
from plans.schema import Metric
from rollout.exposure import Variant
from rollout.model import FULL, Bucket, Cohort, Counts

LARGEST = 2**53
SERVED: Mapping[Cohort, Variant] = {Cohort.TREATMENT: Variant.CANDIDATE, Cohort.CONTROL: Variant.STABLE}

Count = Callable[[str, Variant, Window], Awaitable[int]]
"""How often something happened to those who were served a variant, in a window; the text says what, as in the plan."""

T = TypeVar("T")


async def read(request: Request, count: Count, seconds: float, slack: int = 0) -> Reading:
    """Ask for window after window until all are read, the source is out of reach, or `seconds` are over.

    A metric may count `slack` more than it is a share of, where a source rounds.
    """
    over = asyncio.get_running_loop().time() + seconds
    buckets: list[Bucket] = []
    problems: dict[str, str] = {}
    for window in request.windows:
        try:
            async with asyncio.timeout_at(over):
                answers = await _window(request.metrics, window, count, slack)
        except TimeoutError:
            late = f"did not answer within {seconds:g} s"
            return Reading(buckets=tuple(buckets), problems={} if buckets else dict.fromkeys(request.metrics, late))
        counts = {name: answer for name, answer in answers.items() if not isinstance(answer, SourceError)}
        problems = {name: str(answer) for name, answer in answers.items() if isinstance(answer, SourceError)}
        if counts:
            buckets.append(_bucket(window, counts))
        elif any(isinstance(answer, UnreachableError) for answer in answers.values()):
            break
    return Reading(buckets=tuple(buckets), problems=problems)


def whole(value: object) -> int:
    """A count as an integer; raises SourceError for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SourceError(f"gave {value!r}, which is no number")
    if not isfinite(value):
        raise SourceError(f"gave {value}, which is no count")
    if value < 0:
        raise SourceError(f"gave {value:g}; a count is not negative")
    if value != int(value):
        raise SourceError(f"gave {value:g}; a count is a whole number, so count, and do not divide")
    if value > LARGEST:
        raise SourceError(f"gave {value:g}, which is beyond any count")
    return int(value)


async def _window(
    metrics: Mapping[str, Metric], window: Window, count: Count, slack: int
) -> dict[str, tuple[Counts, Counts] | SourceError]:
    asked = [_metric(metric, window, count, slack) for metric in metrics.values()]
    return dict(zip(metrics, await asyncio.gather(*asked), strict=True))


async def _metric(metric: Metric, window: Window, count: Count, slack: int) -> tuple[Counts, Counts] | SourceError:
    """Counts of both cohorts; a cohort that nobody is in is not asked for."""
    try:
        treatment, control = await _both(
            _cohort(metric, Cohort.TREATMENT, window, count, slack) if window.exposure else _nobody(),
            _cohort(metric, Cohort.CONTROL, window, count, slack) if window.exposure < FULL else _nobody(),
        )
    except SourceError as error:
        return error
    return treatment, control


async def _cohort(metric: Metric, cohort: Cohort, window: Window, count: Count, slack: int) -> Counts:
    marking, served = metric.bad or metric.good or "", SERVED[cohort]
    try:
        marked, total = await _both(count(marking, served, window), count(metric.of, served, window))
    except SourceError as error:
        raise type(error)(f"for {cohort}: {error}") from error
    if marked > total + slack:
        raise SourceError(f"for {cohort}: {marked:,} of `{marking}` are more than the {total:,} of `{metric.of}`")
    marked = min(marked, total)
    return Counts(marked if metric.bad else total - marked, total)


async def _both(one: Awaitable[T], other: Awaitable[T]) -> tuple[T, T]:
    """Two answers asked for at once; where one fails, the other is waited for before that is raised."""
    answers = await asyncio.gather(one, other, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers[0], answers[1]  # type: ignore[return-value]  # neither is an exception


async def _nobody() -> Counts:
    return Counts()


def _bucket(window: Window, counts: Mapping[str, tuple[Counts, Counts]]) -> Bucket:
    return Bucket(
        start=window.start,
        end=window.end,
        epoch=window.epoch,
        phase=window.phase,
        exposure=window.exposure,
        settings_epoch=window.settings_epoch,
        counts=counts,
    )
