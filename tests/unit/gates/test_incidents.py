"""Buckets inside an incident count beside a live control, and for nothing that an outage of everybody would move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.judge import Gate, Memory, judge
from rollout.incidents import Incident, utc
from rollout.model import FULL, Bucket, Counts, RolloutState, Verdict
from tests.unit.gates.rollouts import NAMES, after, bucket, gate, only, state

FIXED, LIVE = "error_rate > 10%", "error_rate > 2x control"
OUTAGE, HEALTHY = ((60, 100), (540, 900)), ((1, 100), (9, 900))
FAULT = ((30, 100), (9, 900))
KINDS: dict[str, str | dict[str, Any]] = {
    "share": FIXED,
    "below": "accuracy < 85%",
    "looks": {"when": FIXED, "test": "threshold", "for": "2 of 3", "min_samples": 100},
    "own baseline": "error_rate > 2x baseline",
}


def incident(first: int, last: int) -> Incident:
    """One that began with a bucket and was over before another."""
    return Incident(number=7, since=after(first), until=after(last), by="ops@x", reason="the database is down")


def judged(
    plan_gate: Gate, buckets: list[Bucket], incidents: tuple[Incident, ...] = (), at: RolloutState | None = None
) -> tuple[Memory, Verdict, str]:
    """The memory after the buckets, with the one verdict and its reason right after them."""
    now = max(one.end for one in buckets)
    memory, found = judge(plan_gate, None, buckets, at or state(), now, NAMES, incidents=incidents)
    finding = only(found.findings)
    return memory, finding.verdict, finding.reason


@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_inside_an_incident_breaches_no_fixed_limit(kind: str) -> None:
    """Hours of failures in both cohorts; without the incident each of them is a breach."""
    metrics: dict[str, dict[str, Any]] = {
        "error_rate": {"source": "events", "bad": "error", "of": "request", "baseline": 0.02}
    }
    plan_gate = gate(KINDS[kind], proof=False, **(metrics if kind == "own baseline" else {}))
    metric = "accuracy" if kind == "below" else "error_rate"
    outage = [bucket(index, *OUTAGE, metric=metric) for index in range(24)]
    assert Verdict.BREACH is judged(plan_gate, outage)[1]
    assert Verdict.INSUFFICIENT is judged(plan_gate, outage, (incident(0, 24),))[1]


def test_a_fault_of_the_candidate_alone_is_found_inside_an_incident() -> None:
    """A ratio to a live control is judged as ever."""
    faulty = [bucket(index, *FAULT) for index in range(12)]
    assert Verdict.BREACH is judged(gate(LIVE), faulty, (incident(0, 12),))[1]
    outage = [bucket(index, *OUTAGE) for index in range(24)]
    assert Verdict.INSUFFICIENT is judged(gate(LIVE), outage, (incident(0, 24),))[1]


def test_a_frozen_rate_is_mute_in_an_incident_and_speaks_again_after_it() -> None:
    """At 100 % there is no control any more; the fault that lasts is found from the first bucket afterwards on."""
    full = state(phase=2, exposure=FULL)
    before = [bucket(index, *HEALTHY) for index in range(50)]
    outage = [bucket(index, (60, 1_000), phase=2, epoch=2) for index in range(50, 80)]
    assert Verdict.BREACH is judged(gate(LIVE), before + outage, at=full)[1]
    assert Verdict.INSUFFICIENT is judged(gate(LIVE), before + outage, (incident(50, 80),), full)[1]
    assert Verdict.BREACH is judged(gate(LIVE), before + outage, (incident(50, 60),), full)[1]


def test_control_inside_an_incident_is_not_what_a_rate_is_frozen_from() -> None:
    """Else an outage would excuse a candidate at 100 % for ever after."""
    both = [bucket(index, *(OUTAGE if 10 <= index < 20 else HEALTHY)) for index in range(50)]
    healthy = [one for index, one in enumerate(both) if not 10 <= index < 20]
    turned = bucket(50, (10, 1_000), phase=2, epoch=2)
    full = state(phase=2, exposure=FULL)
    (muted,) = judged(gate(LIVE), [*both, turned], (incident(10, 20),), full)[0].records
    (clean,) = judged(gate(LIVE), [*healthy, turned], at=full)[0].records
    assert clean.known.frozen == muted.known.frozen
    assert clean.known.past_total == muted.known.past_total == 40 * 900


def test_a_bucket_belongs_to_an_incident_that_it_begins_in() -> None:
    """The one in which somebody declares it still counts: what happened in it may be why."""
    outage = [bucket(index, *OUTAGE) for index in range(10)]
    late = replace(incident(0, 10), since=after(0.5))
    assert [10, 9] == [judged(gate(FIXED), outage, (one,))[0].records[0].trial.muted for one in (incident(0, 10), late)]


def test_what_was_spent_in_an_incident_was_spent() -> None:
    """A cap on a day's sum is a budget, not a baseline."""
    metrics: dict[str, dict[str, Any]] = {"cost": {"source": "events", "value": "cost", "of": "request", "unit": "usd"}}
    plan_gate = gate("total(cost) > 500 usd per day", proof=False, **metrics)
    (key,) = {rule.key for rule in plan_gate.rules}
    spent = replace(bucket(0), counts={key: (Counts(0, 9, 600.0), Counts())})
    found = judge(plan_gate, None, [spent], state(), after(1), frozenset({"cost"}), incidents=(incident(0, 1),))[1]
    assert Verdict.BREACH is only(found.findings).verdict


def test_units_of_a_muted_comparison_are_no_samples_and_its_data_is_not_missing() -> None:
    """Nobody leaves a phase on what was not judged, and a source that answered is not silent."""
    outage = [bucket(index, *OUTAGE) for index in range(24)]
    (record,) = judged(gate(FIXED), outage, (incident(0, 24),))[0].records
    assert (0, 0, after(24).timestamp()) == (
        record.known.samples,
        record.trial.treatment_total,
        record.known.treatment_heard,
    )
    (beside,) = judged(gate(LIVE), outage, (incident(0, 24),))[0].records
    assert 24 * 100 == beside.known.samples == beside.trial.treatment_total


def test_a_finding_says_that_it_is_muted_and_what_was_left_out() -> None:
    """While the incident lasts and ever after; a breach from before it stays one and says nothing."""
    outage, lasting = [bucket(index, *OUTAGE) for index in range(1, 4)], incident(1, 10)
    within = judged(gate(FIXED), outage, (lasting,), state(incident=lasting))[2]
    span = f"muted from {utc(after(1))} until {utc(after(10))} by incident 7 (the database is down)"
    assert within.endswith(f"; {span}; 3 buckets inside incidents left out")
    assert judged(gate(FIXED), outage, (lasting,))[2].endswith("; 3 buckets inside incidents left out")
    assert "incident" not in judged(gate(LIVE), outage, (lasting,), state(incident=lasting))[2]
    breached = [bucket(0, (90, 100), (9, 900))]
    _, verdict, reason = judged(gate(FIXED), breached, (lasting,), state(incident=lasting))
    assert (Verdict.BREACH, False) == (verdict, "muted" in reason)


def test_the_memory_keeps_what_was_left_out() -> None:
    """Through JSON, and from a memory that knew of no incidents."""
    memory = judged(gate(FIXED), [bucket(0, *OUTAGE)], (incident(0, 1),))[0]
    assert 1 == Memory.from_json(memory.to_json()).records[0].trial.muted


counted = st.tuples(st.integers(0, 40), st.integers(40, 80))
histories = st.lists(st.tuples(counted, counted, st.booleans()), min_size=1, max_size=20)


@settings(max_examples=30)
@given(histories)
def test_the_evidence_is_that_of_a_world_in_which_the_span_did_not_happen(
    history: list[tuple[tuple[int, int], tuple[int, int], bool]],
) -> None:
    """Against a fixed limit, whatever was counted and whenever: a bucket left out is a bucket in which nobody came."""
    buckets = [bucket(index, one, other) for index, (one, other, _) in enumerate(history)]
    empty = [bucket(index) if out else buckets[index] for index, (_, _, out) in enumerate(history)]
    spans = tuple(incident(index, index + 1) for index, (_, _, out) in enumerate(history) if out)
    for text in (FIXED, "accuracy < 85%", "error_rate > 2%"):
        (muted,) = judged(gate(text), buckets, spans)[0].records
        (without,) = judged(gate(text), empty)[0].records
        assert without.trial == muted.trial._replace(muted=0)
        assert len(spans) == muted.trial.muted
    (beside,) = judged(gate(LIVE), buckets, spans)[0].records
    assert judged(gate(LIVE), buckets)[0].records[0].trial == beside.trial
