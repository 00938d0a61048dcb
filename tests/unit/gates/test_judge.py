"""Verdicts: what makes each of them, what outranks what, and how they read."""

from datetime import timedelta

import pytest

from gates.bounds import lower_bound, upper_bound
from gates.judge import Gate, Memory, freeze, judge
from gates.rules import frozen_tests
from gates.sequential import Ratios, evidence, rate_step
from rollout.model import Bucket, Counts, Finding, RolloutState, Verdict
from tests.unit.gates.rollouts import NAMES, after, bucket, gate, only, state

RATIO = "error_rate > 2x control"
HEALTHY = ((1, 50), (9, 450))
FAULTY = ((10, 50), (9, 450))


def look(plan_gate: Gate, buckets: list[Bucket], at: RolloutState | None = None, late: float = 0) -> Finding:
    """The one finding right after the last bucket, or `late` buckets afterwards."""
    now = after(late + (max(b.start for b in buckets) - after(0)) / timedelta(minutes=5) + 1 if buckets else late)
    return only(judge(plan_gate, None, buckets, at or state(), now, NAMES)[1].findings)


def test_breach_reads_numbers_first_then_the_rule() -> None:
    """Counts and rates of both cohorts, ratio, evidence against its threshold, verdict, rule."""
    findings = judge(
        gate(RATIO, "accuracy < 85%", "adoption < 0.8x control"),
        None,
        [bucket(0, (31, 512), (44, 4_608))],
        state(),
        after(1),
    )[1].findings
    finding = findings[0]
    assert finding.verdict is Verdict.BREACH
    assert finding.reason.startswith(
        "error_rate treatment 31/512 (6.1 %) vs control 44/4,608 (1.0 %) = 6.3x; evidence "
    )
    assert finding.reason.endswith(' > 60; breach of "> 2x control"')
    assert finding.seen == pytest.approx(31 / 512 / (44 / 4_608))
    assert (finding.tolerated, finding.limit) == (1.5, 2.0)
    assert (finding.treatment, finding.control) == (Counts(31, 512), Counts(44, 4_608))
    assert finding.evidence >= finding.threshold == pytest.approx(60)


def test_control_without_a_bad_event_is_judged_by_counts_and_never_divided() -> None:
    """0 of 4,500 in control: a breach without a ratio."""
    finding = look(gate(RATIO), [bucket(0, (12, 500), (0, 4_500))])
    assert finding.verdict is Verdict.BREACH
    assert finding.seen is None
    assert "vs control 0/4,500 (0.0 %); evidence" in finding.reason


@pytest.mark.parametrize(("tolerate", "verdict"), [(1.1, Verdict.BREACH), (2.0, Verdict.INSUFFICIENT)])
def test_what_a_plan_tolerates_decides_between_equal_counts(tolerate: float, verdict: Verdict) -> None:
    """A steady 1.9x under a limit of 2x: past 1.1x it is established, and up to the limit itself nothing is."""
    rule = gate({"when": RATIO, "tolerate": tolerate})
    finding = look(rule, [bucket(i, (19, 500), (90, 4_500)) for i in range(40)])
    assert (verdict, tolerate, 2.0) == (finding.verdict, finding.tolerated, finding.limit)
    assert finding.seen == pytest.approx(1.9)


def test_nobody_bad_anywhere_is_neither_a_breach_nor_divided() -> None:
    """0 of 500 against 0 of 4,500 is no ratio, and says nothing against the candidate."""
    finding = look(gate(RATIO), [bucket(i, (0, 500), (0, 4_500)) for i in range(40)])
    assert (finding.verdict, finding.seen) == (Verdict.INSUFFICIENT, None)
    assert finding.evidence <= 1.0


def test_a_healthy_rollout_is_insufficient() -> None:
    """Equal rates give neither a breach nor, unasked, a pass."""
    finding = look(gate(RATIO), [bucket(i, *HEALTHY) for i in range(100)])
    assert finding.verdict is Verdict.INSUFFICIENT
    assert finding.evidence < 1


def test_a_phase_that_demands_proof_gets_it_from_a_healthy_rollout() -> None:
    """The reverse process at the limit: 1x is proved to be below 2x, and not from fewer units than `min_samples`."""
    healthy = [bucket(i, *HEALTHY) for i in range(60)]
    assert look(gate({"when": RATIO}, proof=True), healthy).verdict is Verdict.PASS
    assert look(gate({"when": RATIO, "min_samples": 3_001}, proof=True), healthy).verdict is Verdict.INSUFFICIENT
    assert "pass of" in look(gate({"when": RATIO}, proof=True), healthy).reason


def test_min_samples_counts_treatment_since_the_phase_began_and_never_delays_a_breach() -> None:
    """Samples start at 0 in each phase; a breach with 50 of 1,000 samples is a breach."""
    buckets = [bucket(0, (1, 40), (9, 450), phase=0), bucket(1, *FAULTY), bucket(2, *FAULTY)]
    finding = look(gate({"when": RATIO, "min_samples": 1_000}), buckets)
    assert finding.samples == 100
    assert finding.verdict is Verdict.BREACH


def test_a_breach_stays_when_the_numbers_recover() -> None:
    """After 300 healthy buckets the evidence is gone and the breach is not."""
    finding = look(gate(RATIO), [bucket(0, *FAULTY), bucket(1, *FAULTY), *(bucket(i, *HEALTHY) for i in range(2, 302))])
    assert finding.verdict is Verdict.BREACH


@pytest.mark.parametrize(("late", "verdict"), [(11, Verdict.INSUFFICIENT), (12, Verdict.NO_DATA)])
def test_silence_of_treatment_is_no_data_after_an_hour(late: float, verdict: Verdict) -> None:
    """The default of `no_data_after` is an hour, counted from the end of the last bucket that had an `of` event."""
    assert look(gate(RATIO), [bucket(0, *HEALTHY)], late=late).verdict is verdict


def test_silence_of_control_alone_is_no_data() -> None:
    """A ratio needs both cohorts; a share needs treatment only."""
    buckets = [bucket(0, *HEALTHY), *(bucket(i, (1, 50)) for i in range(1, 20))]
    finding = look(gate(RATIO), buckets)
    assert finding.verdict is Verdict.NO_DATA
    assert finding.reason == (
        'error_rate: no `request` event from control for 95 min, limit 60 min; no_data for "> 2x control"'
    )
    assert look(gate("error_rate > 5%"), buckets).verdict is Verdict.INSUFFICIENT


def test_a_phase_without_any_event_is_no_data_at_once() -> None:
    """What an earlier phase heard does not count, however recent."""
    buckets = [bucket(0, (1, 50), (9, 450), phase=0)]
    finding = look(gate(RATIO), buckets, state(phase=1))
    assert finding.verdict is Verdict.NO_DATA
    assert "no `request` event from treatment since the phase began" in finding.reason


def test_buckets_without_bad_events_are_data() -> None:
    """0 of 50 is health, not silence."""
    assert look(gate(RATIO), [bucket(0, (0, 50), (0, 450))]).verdict is Verdict.INSUFFICIENT


def test_silence_is_no_news_while_the_flag_is_killed_or_the_rollout_has_not_started() -> None:
    """Nobody is served, so nobody can be heard."""
    assert look(gate(RATIO), [], state(killed=True)).verdict is Verdict.INSUFFICIENT
    assert look(gate(RATIO), [], state(phase=-1)).verdict is Verdict.INSUFFICIENT


def test_at_no_exposure_only_control_is_listened_to() -> None:
    """A first phase at 0 % learns base rates: treatment has nobody in it, control must be heard."""
    learning = state(phase=0, exposure=0)
    assert look(gate(RATIO), [bucket(0, (0, 0), (9, 450), phase=0)], learning).verdict is Verdict.INSUFFICIENT
    assert look(gate(RATIO), [], learning).verdict is Verdict.NO_DATA


def test_a_name_never_seen_is_unproven_until_it_is_seen_once() -> None:
    """A misspelt event looks like perfect health: any one event of that name, ever, lifts the doubt."""
    clean = [bucket(0, (0, 50), (0, 450))]
    rule = gate(RATIO)
    memory, evidence_ = judge(rule, None, clean, state(), after(1))
    assert only(evidence_.findings).verdict is Verdict.UNPROVEN
    assert "no `error` event has ever been seen" in only(evidence_.findings).reason
    assert only(judge(rule, memory, [], state(), after(1), NAMES)[1].findings).verdict is Verdict.INSUFFICIENT
    memory, _ = judge(rule, memory, [bucket(1, (0, 50), (1, 450))], state(), after(2))
    assert only(judge(rule, memory, [bucket(2, (0, 50), (0, 450))], state(), after(3))[1].findings).verdict is (
        Verdict.INSUFFICIENT
    )


def test_a_good_event_is_proven_by_a_unit_that_stayed_good() -> None:
    """`accuracy` names `correct`: fifty bad of fifty have never shown one."""
    rule = gate("accuracy < 85%")
    bad = judge(rule, None, [bucket(0, (1, 1), metric="accuracy")], state(), after(1))[1]
    good = judge(rule, None, [bucket(0, (0, 1), metric="accuracy")], state(), after(1))[1]
    assert [only(e.findings).verdict for e in (bad, good)] == [Verdict.UNPROVEN, Verdict.INSUFFICIENT]


def test_accuracy_reads_as_its_good_units() -> None:
    """Counts of bad units inside, the share that was right in words."""
    finding = look(gate("accuracy < 85%"), [bucket(0, (150, 500), metric="accuracy")])
    assert finding.verdict is Verdict.BREACH
    assert finding.reason.startswith("accuracy treatment 350/500 (70.0 %); evidence ")
    assert (finding.seen, finding.tolerated, finding.limit) == (0.7, 0.85, 0.85)


def test_adoption_below_control_is_judged_with_the_arms_swapped() -> None:
    """`< 0.8x control` breaches at half of control's adoption and not at control's own."""
    rule = gate("adoption < 0.8x control")
    fallen = look(rule, [bucket(i, (420, 500), (3_060, 4_500), metric="adoption") for i in range(3)])
    level = look(rule, [bucket(i, (340, 500), (3_060, 4_500), metric="adoption") for i in range(3)])
    assert (fallen.verdict, level.verdict) == (Verdict.BREACH, Verdict.INSUFFICIENT)
    assert "treatment 240/1,500 (16.0 %) vs control 4,320/13,500 (32.0 %) = 0.5x" in fallen.reason
    assert fallen.tolerated == pytest.approx(2 / 2.25)
    assert fallen.limit == 0.8


def test_a_fixed_baseline_needs_no_control() -> None:
    """`2x baseline` of 2 % breaches at 10 % from treatment alone and tolerates √2 times it."""
    fixed = {"source": "events", "bad": "error", "of": "request", "baseline": 0.02}
    finding = look(gate("error_rate > 2x baseline", error_rate=fixed), [bucket(0, (50, 500))])
    assert finding.verdict is Verdict.BREACH
    assert "vs baseline 2.0 % = 5.0x" in finding.reason
    assert finding.tolerated == pytest.approx(2**0.5)


def test_a_baseline_without_a_number_is_control_now_and_its_past_from_the_second_phase_on() -> None:
    """The first phase has no earlier one; afterwards a shared fault is one, for control's past is what counts."""
    rule = gate("error_rate > 2x baseline")
    first = [bucket(i, (1, 50), (90, 4_500), phase=0) for i in range(5)]
    everybody_bad = [bucket(i, (25, 50), (2_250, 4_500), phase=1, epoch=1) for i in range(5, 10)]
    assert "vs control 450/22,500" in look(rule, first, state(phase=0)).reason
    finding = look(rule, first + everybody_bad)
    assert finding.verdict is Verdict.BREACH
    assert "vs control frozen at 2.2 % (95 % bound of" in finding.reason


def test_full_exposure_goes_on_against_the_frozen_rate_with_the_same_masses() -> None:
    """At 100 % the bucket is weighed by the rate gate on control's upper bound, and silence of control is no matter."""
    rule = gate(RATIO)
    before = [bucket(i, *HEALTHY) for i in range(10)]
    memory, _ = judge(rule, None, before, state(), after(10))
    memory, found = judge(rule, memory, [bucket(10, (10, 500), phase=2, epoch=1)], state(phase=2), after(11))
    assert memory.records[0].known.frozen == (lower_bound(90, 4_500, 0.95), upper_bound(90, 4_500, 0.95))
    assert only(found.findings).verdict is Verdict.INSUFFICIENT
    assert "vs control frozen at 2.4 % (95 % bound of 90/4,500 (2.0 %)) = " in only(found.findings).reason
    memory, found = judge(rule, memory, [bucket(11, (60, 500), phase=2, epoch=1)], state(phase=2), after(12))
    assert only(found.findings).verdict is Verdict.BREACH


def test_frozen_masses_are_those_of_the_ratio_gate_carried_on() -> None:
    """One bucket at 100 % by hand: each mass, with its prior, times the rate gate's factor."""
    rule = gate(RATIO)
    memory, _ = judge(rule, None, [bucket(i, *HEALTHY) for i in range(10)], state(), after(10))
    tests = rule.rules[0].tests
    assert isinstance(tests, Ratios)
    frozen = freeze(memory, rule).records[0].known.frozen
    assert frozen is not None
    drip, entry = 0.5 / rule.onset.buckets, 0.5 / 3
    by_hand = rate_step(
        memory.records[0].trial.masses, drip + entry, 10, 500, frozen_tests(tests, rule.rules[0].side, *frozen).breach
    )
    onward, _ = judge(rule, memory, [bucket(10, (10, 500), phase=2, epoch=1)], state(phase=2), after(11))
    assert onward.records[0].trial.masses == pytest.approx(by_hand)
    left = onward.lasting.total
    assert onward.records[0].trial.found == pytest.approx(evidence(by_hand, tests.breach.weights, left))


def test_a_control_without_bad_events_freezes_above_zero() -> None:
    """0 of 4,500 is frozen at its upper bound, so one bad unit at 100 % is no breach."""
    rule = gate(RATIO)
    buckets = [*(bucket(i, (0, 50), (0, 450)) for i in range(10)), bucket(10, (1, 500), phase=2, epoch=1)]
    finding = look(rule, buckets, state(phase=2))
    assert finding.verdict is Verdict.INSUFFICIENT
    assert "frozen at 0.067 %" in finding.reason


def test_full_exposure_without_any_control_before_is_no_data() -> None:
    """Nothing to compare with is never health; a baseline in the metric takes control's place."""
    assert look(gate(RATIO), [bucket(0, (1, 500), phase=2)], state(phase=2)).verdict is Verdict.NO_DATA
    fixed = {"source": "events", "bad": "error", "of": "request", "baseline": 0.02}
    finding = look(gate(RATIO, error_rate=fixed), [bucket(0, (100, 500), phase=2)], state(phase=2))
    assert finding.verdict is Verdict.BREACH
    assert "vs baseline 2.0 % in place of control = 10.0x" in finding.reason


def test_a_new_promise_starts_all_evidence_afresh_and_keeps_controls_past() -> None:
    """After a resume the old breach is gone, the samples are 0, and control's rate is still known."""
    rule = gate(RATIO)
    memory, _ = judge(rule, None, [bucket(i, *FAULTY) for i in range(5)], state(), after(5))
    memory, found = judge(rule, memory, [], state(promise=7, settings_epoch=7, epoch=7), after(6))
    assert only(found.findings).verdict is Verdict.NO_DATA
    assert (only(found.findings).treatment, only(found.findings).samples, found.promise) == (Counts(), 0, 7)
    assert memory.records[0].known.past_total == 5 * 450


def test_new_settings_start_hold_and_notify_afresh_and_nothing_else() -> None:
    """The same breach under revert stays, under hold and notify it is cleared with the settings that caused it."""
    rules = gate(RATIO, {"when": RATIO, "then": "hold"}, {"when": RATIO, "then": "notify"})
    memory, found = judge(rules, None, [bucket(i, *FAULTY) for i in range(5)], state(), after(5))
    assert [f.verdict for f in found.findings] == [Verdict.BREACH] * 3
    healthy = [bucket(i, *HEALTHY, epoch=3, settings_epoch=3) for i in range(5, 10)]
    _, found = judge(rules, memory, healthy, state(epoch=3, settings_epoch=3), after(10))
    assert [f.verdict for f in found.findings] == [Verdict.BREACH, Verdict.INSUFFICIENT, Verdict.INSUFFICIENT]
    assert [f.treatment.total for f in found.findings] == [500, 250, 250]


def test_memory_survives_json_exactly() -> None:
    """Floats, frozen bounds and absences come back as they were."""
    rules = gate(RATIO, "accuracy < 85%", {"when": "adoption < 0.8x control", "then": "hold"})
    memory, _ = judge(rules, None, [bucket(i, *HEALTHY) for i in range(7)], state(), after(7))
    for value in (memory, freeze(memory, rules)):
        assert Memory.from_json(value.to_json()) == value


def test_memory_of_another_format_is_refused() -> None:
    """A newer version's memory is not guessed at."""
    with pytest.raises(ValueError, match="format 99"):
        Memory.from_json("[99,null,0,0,-1,0,[0.5,0.5,[]],[0.5,0.5,[]],[],[0,0,1.0]]")


def test_the_cursor_names_the_last_bucket_exactly() -> None:
    """Start and epoch, to the microsecond."""
    memory, _ = judge(gate(RATIO), None, [bucket(3, *HEALTHY, epoch=2)], state(), after(4))
    assert memory.after == (after(3), 2)


def test_counts_are_shown_whatever_number_of_points_a_limit_is_tested_by() -> None:
    """A limit of 40 % leaves room for four of the six rates above it."""
    finding = look(gate("error_rate > 40%"), [bucket(0, (20, 100), (10, 900))])
    assert (finding.treatment, finding.control) == (Counts(20, 100), Counts(10, 900))
    assert finding.seen == 0.2
