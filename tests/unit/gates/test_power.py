"""The planner's arithmetic against the published table of delays."""

from math import inf, log

import pytest

from gates.power import detection_days, divergence, rate_information, ratio_information


@pytest.mark.parametrize(("treated", "hours"), [(0.01, 10.6), (0.10, 80 / 60), (0.50, 40 / 60)])
def test_median_of_a_fivefold_fault_is_as_simulated(treated: float, hours: float) -> None:
    """20,000 requests a day, 2 % errors, limit 2x: within 5 % of the simulated medians at 1, 10 and 50 %."""
    information = ratio_information(20_000, 0.02, treated, 1 - treated, 5.0, tolerated=1.5)
    found = detection_days(information, criteria=1, alpha=0.05, phases=1)
    assert found.t50 * 24 == pytest.approx(hours, rel=0.05)
    assert found.t90 == pytest.approx(found.t50 * 2.6 / 1.15)


def test_divergence_by_hand() -> None:
    """kl(1/2 ‖ 1/4) = ½ ln 2 + ½ ln ⅔; equal rates have none, an impossible one has no end."""
    assert divergence(0.5, 0.25) == pytest.approx(0.5 * log(2) + 0.5 * log(2 / 3))
    assert divergence(0.3, 0.3) == 0
    assert divergence(0.3, 0.0) == inf


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5])
def test_what_is_tolerated_is_never_noticed(ratio: float) -> None:
    """At and below the tolerated ratio the time to detection is infinite."""
    information = ratio_information(20_000, 0.02, 0.1, 0.9, ratio, tolerated=1.5)
    assert detection_days(information, criteria=3, alpha=0.05, phases=4) == (inf, inf)


def test_more_criteria_and_phases_take_longer() -> None:
    """Both share one promise and one prior."""
    information = rate_information(2_000, 0.1, 0.25, tolerated=0.15)
    alone = detection_days(information, criteria=1, alpha=0.05, phases=1)
    crowded = detection_days(information, criteria=4, alpha=0.05, phases=4)
    assert crowded.t50 / alone.t50 == pytest.approx(log(4 / 0.05 * 8) / log(1 / 0.05 * 2))
