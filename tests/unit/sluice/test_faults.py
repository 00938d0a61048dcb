"""The words for what goes wrong in a rehearsal: what they mean, and what is refused with which remedy."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gates.planner import assumed
from plans.load import loads
from plans.schema import Plan
from sluice.errors import CommandError, RefusedError, UsageError
from sluice.simulate.faults import FOREVER, Kind, check, parse, rate, spells

START = datetime(2026, 12, 1, 14, tzinfo=UTC)  # Tuesday 09:00 in New York
TEXT = """
sluice: 1
name: faulty
flag: faulty
stable: {model: v1}
candidate: {model: v2}
schedule: {timezone: America/New_York}
phases: [{name: all, expose: 50%, hold: 7d}]
ends_below_100: true
metrics:
  error_rate: {source: events, bad: error, of: request}
  accuracy: {source: events, good: correct, of: labelled}
stop: {criteria: [error_rate > 2x control, accuracy < 85%]}
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A plan with a bad and a good metric."""
    return loads(TEXT)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("error_rate 5x", (Kind.TIMES, 5.0, False)),
        ("error_rate 1.5x from 36h", (Kind.TIMES, 1.5, False)),
        ("error_rate = 6%", (Kind.SHARE, 0.06, False)),
        ("error_rate=6%", (Kind.SHARE, 0.06, False)),
        ("accuracy = 71.5 % to day 4", (Kind.SHARE, 0.715, False)),
        ("accuracy silent from day 3", (Kind.SILENT, 0.0, False)),
        ("everyone accuracy silent", (Kind.SILENT, 0.0, True)),
        ("accuracy nan", (Kind.NAN, 0.0, True)),
        ("everyone  error_rate 5x from day 2 to day 3", (Kind.TIMES, 5.0, True)),
    ],
)
def test_faults_mean_what_they_say(plan: Plan, text: str, meant: tuple[Any, ...]) -> None:
    """Kind, size, and whether control suffers too; a source that answers NaN answers so for both."""
    found = parse(text, plan)
    assert meant == (found.kind, pytest.approx(found.value), found.everyone)
    assert found.metric in plan.metrics


def test_a_lopsided_split_is_of_no_metric_and_nobodys_fault(plan: Plan) -> None:
    """60 of 100 units really get the candidate, and whatever that does is not for the candidate to answer."""
    found = parse("split 60/40 from day 2", plan)
    assert (Kind.SPLIT, 0.6, True, "") == (found.kind, found.value, found.everyone, found.metric)
    check(found, plan, assumed(plan))


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("error_rate 5x", START, FOREVER),
        ("error_rate 5x from day 1", START, FOREVER),
        ("error_rate 5x from day 9", datetime(2026, 12, 9, 14, tzinfo=UTC), FOREVER),
        ("error_rate 5x from 36h", datetime(2026, 12, 3, 2, tzinfo=UTC), FOREVER),
        ("error_rate 5x from day 3 17:30", datetime(2026, 12, 3, 22, 30, tzinfo=UTC), FOREVER),
        (
            "error_rate 5x from day 3 to day 4",
            datetime(2026, 12, 3, 14, tzinfo=UTC),
            datetime(2026, 12, 5, 14, tzinfo=UTC),
        ),
        ("error_rate 5x to 6h", START, datetime(2026, 12, 1, 20, tzinfo=UTC)),
    ],
)
def test_moments_count_from_the_start_as_those_of_a_plan(
    plan: Plan, text: str, begins: datetime, ends: datetime
) -> None:
    """The first day begins with the start; `to` a day lasts through it, `to` an hour ends there."""
    (found,) = spells([parse(text, plan)], plan, START)
    assert (begins, ends) == (found.begins, found.ends)


@pytest.mark.parametrize(
    ("text", "error", "remedy"),
    [
        ("errr_rate 5x", RefusedError, "did you mean 'error_rate'?"),
        ("tokens 5x", RefusedError, "it has error_rate, accuracy"),
        ("split 60/50", UsageError, "together 100"),
        ("split in half", UsageError, "split 60/40"),
        ("error_rate", UsageError, "write METRIC Nx"),
        ("error_rate very bad", UsageError, "write METRIC Nx"),
        ("error_rate -5x", UsageError, "write METRIC Nx"),
        ("error_rate = 160%", UsageError, "write a share such as 6%"),
        ("error_rate 5x from noon", UsageError, "36h"),
        ("error_rate 5x from day 5 to day 3", UsageError, "put the later moment behind `to`"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_with_a_remedy(
    plan: Plan, text: str, error: type[CommandError], remedy: str
) -> None:
    """What cannot be read is wrong usage; what the plan does not know is refused."""
    with pytest.raises(error) as told:
        spells([parse(text, plan)], plan, START)
    assert remedy in str(told.value)
    assert text in str(told.value)


@pytest.mark.parametrize("text", ["error_rate 60x", "everyone accuracy 11x"])
def test_more_than_everyone_is_refused(plan: Plan, text: str) -> None:
    """60 times 2 % are more units than there are, and so are 11 times the misses of 90 %."""
    with pytest.raises(RefusedError, match="for the worst"):
        check(parse(text, plan), plan, assumed(plan))


@pytest.mark.parametrize(
    ("text", "usual", "shown"),
    [
        ("error_rate 5x", 0.02, 0.1),
        ("error_rate 0.5x", 0.02, 0.01),
        ("accuracy 3x", 0.9, 0.7),
        ("accuracy 0.9x", 0.9, 0.81),
        ("accuracy = 80%", 0.9, 0.8),
        ("accuracy nan", 0.9, None),
    ],
)
def test_rates_under_a_fault(plan: Plan, text: str, usual: float, shown: float | None) -> None:
    """Times as many errors; of a good metric times as many misses, or below 1 the metric itself."""
    found = rate(parse(text, plan), usual, good=text.startswith("accuracy"))
    assert (found is None) if shown is None else found == pytest.approx(shown)
