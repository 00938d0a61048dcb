"""The gate's promise from end to end: users come back, outcomes are ingested, the guard sweeps and reverts.

Every rollout here is submitted, started, swept and reverted by the product, on a database file; only time, users and
their luck are made up. `tests.campaigns.gates` asks the same of the gate alone, over far more and longer rollouts.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil, comb, inf
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from tests.campaigns.events import Crowd, Stage, stage
from tests.campaigns.gates import FORTNIGHT, rollout_plan, t90_minutes, tolerance
from tests.campaigns.world import LAUNCH, Stretch

ALPHA = 0.05
TOLERATED = 1.5
MINUTES = 5  # a bucket; the published delays are rounded to it
BEFORE_MIDNIGHT = datetime(2026, 12, 1, 23, 45, tzinfo=UTC)  # so that a new day of units at risk begins half way

STRAIGHT, RAMP = [Stretch(50_000, FORTNIGHT)], [Stretch(10_000, 2), Stretch(50_000, FORTNIGHT)]
HEALTHY = (STRAIGHT, RAMP, STRAIGHT, STRAIGHT)
TOGETHER = 250  # rollouts in one store
REGULARS = Crowd(users=100, daily=14_400, base=0.05, ratio=TOLERATED)
UNLUCKY_FEW = Crowd(users=50, daily=28_800, base=0.1, ratio=TOLERATED, unequal=2, burst=2)

Say = Callable[[str], None]


class Fault(NamedTuple):
    """A cell of the published table: `exposure` in thousandths of a percent, median delay in minutes; and its runs."""

    exposure: int
    median: float
    users: int
    runs: int


FAULTS = (Fault(1_000, 10.6 * 60, 20_000, 12), Fault(10_000, 80, 2_000, 40), Fault(50_000, 40, 2_000, 40))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Print where it is seen whether the test passes or not."""

    def printed(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")  # noqa: T201 - counts and seeds are to be read

    return printed


@pytest.fixture(scope="module", params=FAULTS, ids=[f"{fault.exposure / 1000:g}%" for fault in FAULTS])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fault, list[float]]:
    """Delays of rollouts with five times the errors from launch on, watched for as long as nine in ten should need."""
    fault: Fault = request.param
    crowd = Crowd(users=fault.users, ratio=5)
    with stage(tmp_path_factory.mktemp("faults"), LAUNCH) as scene:
        _launch(scene, [Stretch(fault.exposure, FORTNIGHT)], crowd, fault.runs, seed=fault.exposure)
        scene.run(ceil(t90_minutes(fault.exposure) / MINUTES))
        return fault, scene.delays()


def test_a_thousand_healthy_rollouts_keep_the_promise(tmp_path_factory: pytest.TempPathFactory, say: Say) -> None:
    """Of 1,000 at the tolerated ratio, the worst that still counts as healthy, at most the promised 5 % are reverted.

    Four standard deviations of such a count are allowed on top.
    """
    delays: list[float] = []
    for seed, ramp in enumerate(HEALTHY):
        with stage(tmp_path_factory.mktemp("healthy"), BEFORE_MIDNIGHT) as scene:
            _launch(scene, ramp, REGULARS, TOGETHER, seed)
            scene.run(5)
            delays += scene.delays()
    say(f"{_reverted(delays)} of {len(delays)} healthy rollouts reverted, {ALPHA:.0%} promised; seeds 0 to 3")
    assert 1_000 == len(delays)
    assert _reverted(delays) <= len(delays) * ALPHA + tolerance(len(delays), ALPHA)


def test_nine_in_ten_faults_are_found_in_the_planners_time(found: tuple[Fault, list[float]], say: Say) -> None:
    """At least 90 % of fivefold errors, less four standard deviations, are reverted by the planner's T90."""
    fault, delays = found
    in_time = sum(delay <= t90_minutes(fault.exposure) for delay in delays)
    say(f"{in_time} of {len(delays)} faults found within {t90_minutes(fault.exposure):.0f} min; seed {fault.exposure}")
    assert in_time >= len(delays) * 0.9 - tolerance(len(delays), 0.9)


def test_median_delays_are_those_of_the_published_table(found: tuple[Fault, list[float]], say: Say) -> None:
    """The published median lies in the interval that holds the true one in 999 samples of 1,000, give or take 5 min."""
    fault, delays = found
    low, high = _around_the_median(delays, 0.001)
    say(f"median {median(delays):g} min, between {low:g} and {high:g}; published {fault.median:g}")
    assert low - MINUTES <= fault.median <= high + MINUTES


def test_bursts_of_a_few_unlucky_users_count_once(tmp_path: Path, say: Say) -> None:
    """Failures sent twice, mostly by the same users, revert at most 5 %, and a user counts as bad once a day."""
    with stage(tmp_path, LAUNCH) as scene:
        _launch(scene, [Stretch(50_000, FORTNIGHT)], UNLUCKY_FEW, 60, seed=7)
        scene.run(12)
        delays = scene.delays()
        for name, application in scene.applications.items():
            counted = scene.finding(name)
            assert len(application.failed) == counted.treatment.bad + counted.control.bad
    say(f"{_reverted(delays)} of {len(delays)} rollouts with bursts reverted, {ALPHA:.0%} promised; seed 7")
    assert _reverted(delays) <= len(delays) * ALPHA + tolerance(len(delays), ALPHA)


def _launch(scene: Stage, ramp: list[Stretch], crowd: Crowd, number: int, seed: int) -> None:
    scene.launch(rollout_plan(ramp, "error_rate > 2x control"), crowd, number, seed)


def _reverted(delays: list[float]) -> int:
    return sum(delay < inf for delay in delays)


def _around_the_median(sample: list[float], miss: float) -> tuple[float, float]:
    """The narrowest pair of order statistics between which the median lies but for a chance of `miss`.

    The number of values below the true median is binomial(n, ½).
    """
    ordered, n = sorted(sample), len(sample)
    rank, below = 0, 1 / 2**n
    while 2 * below <= miss:
        rank += 1
        below += comb(n, rank) / 2**n
    return ordered[rank - 1], ordered[n - rank]
