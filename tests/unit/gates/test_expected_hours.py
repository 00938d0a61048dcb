"""`expect_data`: a quiet night is not missing data, and a quiet morning is."""

from datetime import UTC, datetime, timedelta

import pytest

from gates.judge import compile, judge  # noqa: A004 - the gate's own word
from plans.expressions import Duration, Window
from plans.schema import Plan
from rollout.model import Bucket, Counts, Evidence, Finding, Verdict
from rollout.obstacles import starved
from tests.campaigns.gates import rollout_plan
from tests.unit.gates.rollouts import NAMES, RAMP, only, state

HEALTHY = (Counts(1, 50), Counts(9, 450))


def office(hours: str = "Mon-Fri 08:00-20:00") -> Plan:
    """A plan that expects data in office hours of New York, and has patience for two of them."""
    plan = rollout_plan(RAMP, "error_rate > 2x control")
    stop = {"expect_data": Window.parse(hours), "no_data_after": Duration.parse("2h")}
    return plan.model_copy(
        update={
            "schedule": plan.schedule.model_copy(update={"timezone": "America/New_York"}),
            "stop": plan.stop.model_copy(update=stop),
        }
    )


def found(plan: Plan, heard: datetime, now: datetime) -> Finding:
    """The finding at `now`, where the last bucket ended at `heard`."""
    entered = heard - timedelta(days=1)
    last = Bucket(
        start=heard - timedelta(minutes=5),
        end=heard,
        epoch=0,
        phase=1,
        exposure=RAMP[1].exposure,
        settings_epoch=0,
        counts={"error_rate": HEALTHY},
    )
    return only(judge(compile(plan), None, [last], state(entered=entered), now, NAMES)[1].findings)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (datetime(2026, 12, 5, 0, 30, tzinfo=UTC), Verdict.INSUFFICIENT),  # Friday 19:30
        (datetime(2026, 12, 5, 12, tzinfo=UTC), Verdict.INSUFFICIENT),  # Saturday
        (datetime(2026, 12, 7, 13, 55, tzinfo=UTC), Verdict.INSUFFICIENT),  # Monday 08:55
        (datetime(2026, 12, 7, 14, 0, tzinfo=UTC), Verdict.NO_DATA),  # Monday 09:00: two hours of office
        (datetime(2026, 12, 8, 4, 0, tzinfo=UTC), Verdict.NO_DATA),  # and it stays so at night
    ],
)
def test_silence_outside_the_expected_hours_is_not_missing_data(now: datetime, verdict: Verdict) -> None:
    """Silent since Friday 19:00: nights and the weekend do not count, working hours do."""
    friday = datetime(2026, 12, 5, 0, 0, tzinfo=UTC)
    assert found(office(), friday, now).verdict is verdict


def test_the_reason_says_which_hours_were_counted() -> None:
    """Two hours of the expected ones, not the sixty-two that passed."""
    finding = found(office(), datetime(2026, 12, 5, 0, 0, tzinfo=UTC), datetime(2026, 12, 7, 14, 0, tzinfo=UTC))
    assert "for 2 h of Mon-Fri 08:00-20:00, limit 2 h" in finding.reason


def test_without_expected_hours_every_silence_counts() -> None:
    """The same Friday night is missing data where the plan says nothing of hours."""
    plan = office()
    always = plan.model_copy(update={"stop": plan.stop.model_copy(update={"expect_data": None})})
    friday = datetime(2026, 12, 5, 0, 0, tzinfo=UTC)
    assert found(always, friday, friday + timedelta(hours=2)).verdict is Verdict.NO_DATA


def test_a_phase_that_begins_at_night_is_not_told_of_before_the_morning() -> None:
    """Nobody was heard since the phase began: told after two hours in which somebody should have been."""
    plan, evening = office(), datetime(2026, 12, 2, 2, 0, tzinfo=UTC)  # Tuesday 21:00
    entered = state(entered=evening)

    def told(now: datetime) -> tuple[Finding, ...]:
        findings = judge(compile(plan), None, [], entered, now, NAMES)[1].findings
        return starved(plan, entered, Evidence(now, findings))

    assert told(datetime(2026, 12, 2, 14, 55, tzinfo=UTC)) == ()  # Wednesday 09:55
    assert len(told(datetime(2026, 12, 2, 15, 0, tzinfo=UTC))) == 1
