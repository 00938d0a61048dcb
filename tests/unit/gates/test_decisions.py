"""Differences, and what a plan's trees and decisions ask for: when each is established."""

from typing import Any

import pytest

from gates.judge import Gate, Memory, compile, judge  # noqa: A004 - the gate's own word
from plans.schema import Plan
from rollout.model import Bucket, Evidence, Finding, Role, RolloutState, Verdict
from tests.campaigns.gates import rollout_plan
from tests.unit.gates.rollouts import NAMES, RAMP, after, bucket, gate, only, state

TUNE = {
    "metric": "error_rate",
    "when": "> 10%",
    "raise": {"min_confidence": 0.1, "up_to": 0.9},
    "observe": "1d",
    "keep_if": "< 5%",
    "note_if": "< 5%",
}
DECIDE = {"ship": "accuracy >= control + 2pp", "revert": "accuracy < control", "ask": "adoption < control"}


def deciding(**decide: str) -> Gate:
    """The gate of a plan whose second phase decides."""
    plan = rollout_plan(RAMP, "error_rate > 2x control").model_dump(by_alias=True, mode="json", exclude_defaults=True)
    plan["phases"][1]["decide"] = DECIDE | decide
    return compile(Plan.model_validate(plan))


def tuning(**tune: str) -> Gate:
    """The gate of a plan with a confidence-threshold tree."""
    plan = rollout_plan(RAMP, "accuracy < 85%").model_dump(by_alias=True, mode="json", exclude_defaults=True)
    plan["tune"] = [TUNE | tune]
    return compile(Plan.model_validate(plan))


def branches(rules: Gate, buckets: list[Bucket], at: RolloutState | None = None) -> dict[Role, Finding]:
    """The findings by role after these buckets."""
    _, evidence = judge(rules, None, buckets, at or state(), buckets[-1].end, NAMES)
    return {finding.role: finding for finding in evidence.findings}


def answers(right: int, control: int, looks: int = 20, **options: Any) -> list[Bucket]:
    """Buckets of 500 answers a cohort, so many of them right."""
    return [bucket(i, (500 - right, 500), (500 - control, 500), metric="accuracy", **options) for i in range(looks)]


def verdicts(found: dict[Role, Finding]) -> tuple[Verdict, Verdict]:
    return found[Role.SHIP].verdict, found[Role.REVERT].verdict


def test_a_clear_gain_ships() -> None:
    """90 % against 85 % in 10,000 answers each: 5 points more, of which the interval excludes none at all."""
    found = branches(deciding(), answers(450, 425))
    assert verdicts(found) == (Verdict.BREACH, Verdict.INSUFFICIENT)
    ship = found[Role.SHIP]
    assert ship.low is not None
    assert ship.high is not None
    assert 0 < ship.low < 0.05 < ship.high
    assert ship.seen == pytest.approx(0.05)
    assert ship.reason.startswith(
        "accuracy treatment 9,000/10,000 (90.0 %) vs control 8,500/10,000 (85.0 %) = +5.00 pp, between +"
    )
    assert ship.reason.endswith('established: ">= control + 2pp"')


def test_a_clear_loss_reverts() -> None:
    """The upper end lies below nothing."""
    found = branches(deciding(), answers(400, 425))
    assert verdicts(found) == (Verdict.INSUFFICIENT, Verdict.BREACH)
    high = found[Role.REVERT].high
    assert high is not None
    assert high < 0


def test_an_equal_candidate_is_inconclusive() -> None:
    """Neither more nor less: nothing is established, where mere estimates would revert half of all equal ones."""
    assert verdicts(branches(deciding(), answers(424, 425))) == (Verdict.INSUFFICIENT, Verdict.INSUFFICIENT)


def test_a_gain_short_of_the_margin_does_not_ship() -> None:
    """One point more, established beyond doubt by 500,000 answers, is not the two that were asked for."""
    found = branches(deciding(), answers(430, 425, looks=1_000))
    low = found[Role.SHIP].low
    assert low is not None
    assert low > 0
    assert found[Role.SHIP].verdict is Verdict.INSUFFICIENT


def test_a_margin_below_control_ships_what_is_hardly_worse() -> None:
    """`>= control - 2pp`: the interval excludes a loss of two points, an equal candidate is good enough."""
    found = branches(deciding(ship="accuracy >= control - 2pp"), answers(425, 425, looks=100))
    assert found[Role.SHIP].verdict is Verdict.BREACH
    assert branches(deciding(), answers(425, 425, looks=100))[Role.SHIP].verdict is Verdict.INSUFFICIENT


def test_a_decision_is_that_of_the_moment() -> None:
    """What was established and is no longer true of all answers together is not established."""
    rules = deciding()
    memory, evidence = judge(rules, None, answers(450, 425), state(), after(20), NAMES)
    assert {f.role: f for f in evidence.findings}[Role.SHIP].verdict is Verdict.BREACH
    later = [bucket(i, (100, 500), (75, 500), metric="accuracy") for i in range(20, 60)]
    _, evidence = judge(rules, memory, later, state(), after(60), NAMES)
    assert {f.role: f for f in evidence.findings}[Role.SHIP].verdict is Verdict.INSUFFICIENT


def test_a_decision_counts_its_own_phase_alone() -> None:
    """What came before it is another exposure, and other answers."""
    before = answers(300, 425, phase=0)
    during = [bucket(i, (50, 500), (75, 500), metric="accuracy", epoch=1) for i in range(20, 40)]
    found = branches(deciding(), before + during)
    assert verdicts(found) == (Verdict.BREACH, Verdict.INSUFFICIENT)
    assert found[Role.SHIP].treatment.total == 10_000
    elsewhere = branches(deciding(), before, state(phase=0))
    assert "asked in another phase" in elsewhere[Role.SHIP].reason
    assert elsewhere[Role.REVERT].verdict is Verdict.INSUFFICIENT


def test_a_decision_outlives_a_change_of_settings() -> None:
    """It compares two models over its whole phase, and carries part of the promise."""
    moved = answers(450, 425) + [
        bucket(i, (50, 500), (75, 500), metric="accuracy", epoch=2, settings_epoch=2) for i in range(20, 22)
    ]
    assert branches(deciding(), moved, state(settings_epoch=2))[Role.SHIP].treatment.total == 11_000


def test_less_use_is_asked_about() -> None:
    """Adoption below control's is established by the same intervals, or by the ratio gate where a ratio is given."""
    used = [bucket(i, (350, 500), (300, 500), metric="adoption") for i in range(20)]
    for condition in ("adoption < control", "adoption < 0.9x control"):
        assert branches(deciding(ask=condition), used)[Role.ASK].verdict is Verdict.BREACH
    level = [bucket(i, (300, 500), (300, 500), metric="adoption") for i in range(20)]
    for condition in ("adoption < control", "adoption < 0.9x control"):
        assert branches(deciding(ask=condition), level)[Role.ASK].verdict is Verdict.INSUFFICIENT


def test_a_hundred_units_of_each_come_first() -> None:
    """Fewer give neither an interval nor a decision, however clear they look."""
    found = branches(deciding(), [bucket(0, (0, 99), (500, 500), metric="accuracy")])
    assert (found[Role.SHIP].verdict, found[Role.SHIP].low) == (Verdict.INSUFFICIENT, None)


def false_positives(bad: int, looks: int = 10, **options: Any) -> list[Bucket]:
    """Buckets of 200 units at risk, so many of them bad."""
    return [bucket(i, (bad, 200), (10, 1_800), **options) for i in range(looks)]


def test_a_tree_acts_on_what_is_established() -> None:
    """20 % is more than 10 %; 12 % is not that yet, nor below 5 %."""
    assert branches(tuning(), false_positives(40))[Role.TUNE_WHEN].verdict is Verdict.BREACH
    found = branches(tuning(), false_positives(24, looks=3))
    assert {Verdict.INSUFFICIENT} == {found[role].verdict for role in (Role.TUNE_WHEN, Role.TUNE_KEEP, Role.TUNE_NOTE)}


def test_a_tree_keeps_what_is_proved() -> None:
    """2 % is below 5 %, by the process and at the level of every pass."""
    found = branches(tuning(), false_positives(4))
    assert found[Role.TUNE_KEEP].verdict is found[Role.TUNE_NOTE].verdict is Verdict.BREACH
    assert found[Role.TUNE_KEEP].threshold == 10
    assert found[Role.TUNE_KEEP].reason.endswith('established: "< 5%"')
    assert found[Role.TUNE_WHEN].verdict is Verdict.INSUFFICIENT


@pytest.mark.parametrize(
    ("keep_if", "good", "bad"),
    [("< 1.2x control", 1, 4), ("< control + 1pp", 1, 5)],
)
def test_what_is_kept_may_be_relative_to_control(keep_if: str, good: int, bad: int) -> None:
    """Control has 0.56 % false positives: as many of treatment are proved, four times as many are not."""
    for count, verdict in ((good, Verdict.BREACH), (bad, Verdict.INSUFFICIENT)):
        found = branches(tuning(keep_if=keep_if), false_positives(count, looks=600))
        assert found[Role.TUNE_KEEP].verdict is verdict


def test_a_good_metric_is_proved_above_its_limit() -> None:
    """`> 80%` of an accuracy of 90 %."""
    rules = tuning(metric="accuracy", when="< 70%", keep_if="> 80%", note_if="> 1x control")
    found = branches(rules, answers(450, 425))
    assert found[Role.TUNE_KEEP].verdict is Verdict.BREACH
    found = branches(rules, answers(400, 425))
    assert found[Role.TUNE_KEEP].verdict is Verdict.INSUFFICIENT
    assert branches(rules, answers(300, 425))[Role.TUNE_WHEN].verdict is Verdict.BREACH


def test_a_tree_counts_afresh_from_every_change_of_settings() -> None:
    """What the old threshold did says nothing about the new one."""
    moved = false_positives(40) + [bucket(i, (4, 200), (10, 1_800), epoch=2, settings_epoch=2) for i in range(10, 20)]
    found = branches(tuning(), moved, state(settings_epoch=2))
    assert found[Role.TUNE_WHEN].verdict is Verdict.INSUFFICIENT
    assert found[Role.TUNE_KEEP].verdict is Verdict.BREACH
    assert found[Role.TUNE_KEEP].treatment.total == 2_000


def test_what_is_not_below_its_limit_is_hardly_ever_proved_to_be() -> None:
    """At the limit itself 5 % are bad, and the proof stays small over 2,000 buckets."""
    found = branches(tuning(), false_positives(10, looks=2_000))
    assert found[Role.TUNE_KEEP].evidence < 1


def difference(treatment: int, control: int, looks: int = 20, criterion: str = "error_rate > control + 2pp") -> Finding:
    """The finding of a criterion on a difference, of 500 units a bucket and cohort."""
    buckets = [bucket(i, (treatment, 500), (control, 500)) for i in range(looks)]
    return only(judge(gate(criterion), None, buckets, state(), after(looks), NAMES)[1].findings)


def test_a_difference_tolerates_half_of_its_limit() -> None:
    """Two points are the limit, one is tolerated: 3 is a breach, 1 is none in 200,000 units, and 2 is one in them."""
    assert difference(25, 10).verdict is Verdict.BREACH
    assert difference(15, 10, looks=400).verdict is Verdict.INSUFFICIENT
    assert difference(20, 10, looks=400).verdict is Verdict.BREACH
    finding = difference(25, 10)
    assert (finding.tolerated, finding.limit, finding.seen) == pytest.approx((0.01, 0.02, 0.03))
    assert finding.low is not None
    assert finding.low > 0.01
    assert "= +3.00 pp, between +" in finding.reason


def test_a_difference_below_control_is_the_mirror_image() -> None:
    """`< control - 5%` of an accuracy is five points less."""
    for right, verdict in ((385, Verdict.BREACH), (425, Verdict.INSUFFICIENT)):
        found = judge(gate("accuracy < control - 5%"), None, answers(right, 425), state(), after(20), NAMES)[1]
        assert only(found.findings).verdict is verdict


def test_at_full_exposure_a_difference_is_from_the_frozen_rate() -> None:
    """Control's upper bound, and what treatment did since the beginning."""
    rules = gate("error_rate > control + 2pp")
    before = [bucket(i, (2, 100), (18, 900)) for i in range(20)]
    full = [bucket(i, (80, 1_000), phase=2, epoch=1) for i in range(20, 25)]
    finding = only(judge(rules, None, before + full, state(phase=2), after(25), NAMES)[1].findings)
    assert finding.verdict is Verdict.BREACH
    assert "vs control frozen at 2.2 % (95 % bound of 360/18,000 (2.0 %)) = +" in finding.reason


def test_a_phase_that_demands_proof_has_it_of_a_difference() -> None:
    """The interval's other end lies short of the limit."""
    rules = gate("error_rate > control + 2pp", proof=True)
    buckets = [bucket(i, (10, 500), (10, 500)) for i in range(20)]
    finding = only(judge(rules, None, buckets, state(), after(20), NAMES)[1].findings)
    assert finding.verdict is Verdict.PASS
    assert "pass of" in finding.reason


def test_memory_of_all_roles_survives_json_and_batching() -> None:
    """One at a time through JSON, or all at once."""
    for rules in (deciding(), tuning()):
        history = answers(450, 425, looks=6)
        whole = judge(rules, None, history, state(), after(6), NAMES)
        memory: Memory | None = None
        evidence = Evidence()
        for one in history:
            memory, evidence = judge(rules, memory, [one], state(), after(6), NAMES)
            memory = Memory.from_json(memory.to_json())
        assert whole == (memory, evidence)
