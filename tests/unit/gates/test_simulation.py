"""The promise kept and the faults found, over whole simulated rollouts: short versions of `tests.campaigns.gates`."""

from math import inf

import pytest

from rollout.model import FULL
from tests.campaigns.gates import FORTNIGHT, delays, t90_minutes, tolerance
from tests.campaigns.world import PER_DAY, Stretch, World

ALPHA = 0.05
SHORT = 24


def test_a_thousand_rollouts_at_the_tolerated_ratio_keep_the_promise() -> None:
    """1.5x control, with seasons and shared outages, up a ramp of 1, 10 and 50 %: at most 5 % are reverted."""
    ramp = [Stretch(exposure, SHORT) for exposure in (1_000, 10_000, 50_000)]
    found = delays(World(ratio=1.5, season=0.3, shocked=0.02), ramp, 1_000, 1)
    assert sum(delay < inf for delay in found) <= 1_000 * ALPHA + tolerance(1_000, ALPHA)


def test_healthy_rollouts_through_full_exposure_are_left_alone() -> None:
    """Equal rates with daily seasons, to the end of 100 %: far below one in a hundred is reverted."""
    ramp = [Stretch(exposure, SHORT) for exposure in (1_000, 10_000, 50_000, FULL)]
    found = delays(World(season=0.3), ramp, 200, 2)
    assert sum(delay < inf for delay in found) <= 200 * 0.001 + tolerance(200, 0.001)


@pytest.mark.parametrize("exposure", [10_000, 50_000])
def test_nine_in_ten_fivefold_faults_are_found_by_the_planners_t90(exposure: int) -> None:
    """300 faults from launch; the share found in time is at least 90 %, less four standard deviations."""
    found = delays(World(ratio=5), [Stretch(exposure, FORTNIGHT)], 300, 3)
    assert sum(delay <= t90_minutes(exposure) for delay in found) >= 300 * 0.9 - tolerance(300, 0.9)


@pytest.mark.parametrize(
    ("exposure", "onset", "minutes", "runs"),
    [(1_000, 0, 10.6 * 60, 100), (10_000, 0, 80, 300), (50_000, 0, 40, 300), (10_000, 7, 3.2 * 60, 30)],
)
def test_median_delays_are_those_of_the_published_table(exposure: int, onset: int, minutes: float, runs: int) -> None:
    """A fivefold fault, from launch or from day 7: half of the runs lie on each side, within four deviations.

    One bucket of five minutes is allowed for the rounding of the table.
    """
    ramp = [Stretch(exposure, FORTNIGHT)]
    found = [delay - onset * PER_DAY * 5 for delay in delays(World(ratio=5, onset=onset), ramp, runs, 4)]
    assert sum(delay <= minutes + 5 for delay in found) >= runs / 2 - tolerance(runs, 0.5)
    assert sum(delay <= minutes - 10 for delay in found) <= runs / 2 + tolerance(runs, 0.5)


def test_accuracy_is_judged_at_full_exposure_and_by_few_labels() -> None:
    """With 400 labels a day an accuracy of 70 % under a limit of 85 % is found within a day, one of 86 % never."""
    ramp = [Stretch(FULL, PER_DAY)]
    poor = delays(World(metric="accuracy", daily=400, base=0.15, ratio=2), ramp, 50, 5, "accuracy < 85%")
    fair = delays(World(metric="accuracy", daily=400, base=0.14), ramp, 50, 6, "accuracy < 85%")
    assert sum(delay < inf for delay in poor) >= 45
    assert sum(delay < inf for delay in fair) <= 50 * ALPHA + tolerance(50, ALPHA)
