"""Lines over time: points of about as many units, none of a handful."""

from datetime import timedelta
from itertools import count

from rollout.model import Bucket, Counts
from rollout.series import rate_charts
from tests.unit.rollout.story import BEGIN, PLAN

FIVE = timedelta(minutes=5)


def buckets(*treatment: Counts) -> list[Bucket]:
    """A bucket for each, with a hundred healthy units of control."""
    where = {"epoch": 1, "phase": 0, "exposure": 10_000, "settings_epoch": 1}
    return [
        Bucket(start=at, end=at + FIVE, counts={"error_rate": (one, Counts(1, 100))}, **where)
        for one, at in zip(treatment, (BEGIN + i * FIVE for i in count()), strict=False)
    ]


def test_a_few_units_that_are_left_over_make_no_point_of_their_own() -> None:
    """One bad user in the last bucket is no jump to 100 % at the end of the line."""
    (chart,) = rate_charts(PLAN, buckets(*[Counts(1, 10)] * 100, Counts(1, 1)))
    treatment, _ = chart.lines
    assert 30 <= len(treatment.values) <= 41
    assert (10.0, True) == (treatment.values[0], 10 <= (treatment.values[-1] or 0) < 15)
    assert chart.at[-1] == (BEGIN + 101 * FIVE).timestamp()


def test_control_goes_on_where_nobody_is_treated_any_more() -> None:
    """After a revert the treatment's line ends where its units do; nothing is added to its last point."""
    (chart,) = rate_charts(PLAN, buckets(*[Counts(1, 10)] * 100, *[Counts()] * 50))
    treatment, control = chart.lines
    assert treatment.values[-2:] == (10.0, None)
    assert [instant - BEGIN.timestamp() for instant in chart.at[-2:]] == [100 * 300, 150 * 300]
    assert set(control.values) == {1.0}
