"""What holds for every sequence of buckets, however it was cut into looks."""

from dataclasses import replace
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from gates.judge import Memory, judge
from rollout.counting import MET
from rollout.model import Bucket, Counts, Evidence, Verdict
from tests.unit.gates.rollouts import NAMES, after, bucket, gate, state

GATE = gate(
    "error_rate > 2x control",
    "error_rate > 2x baseline",
    {"when": "error_rate < 0.8x control", "then": "disable"},
    {"when": "error_rate > 5%", "then": "hold"},
    "error_rate > control + 2pp",
    {"when": "error_rate > 10%", "test": "threshold", "for": "2 of 3", "then": "disable"},
    {"when": "error_rate < control - 50%", "then": "hold"},
    proof=True,
)
E_PROCESSES = 4
LENGTH = 8
FEW = settings(max_examples=40)  # each is a whole history


@st.composite
def histories(draw: st.DrawFn) -> list[Bucket]:
    """Buckets through three phases, each change of phase or of settings a new epoch, with gaps and faults."""
    made, phase, epoch, settings_epoch, index = [], 0, 0, 0, 0
    for _ in range(draw(st.integers(1, LENGTH))):
        event = draw(st.sampled_from(["go on", "go on", "go on", "next phase", "back", "settings"]))
        if event != "go on":
            epoch += 1
        phase = {"next phase": min(phase + 1, 2), "back": max(phase - 1, 0)}.get(event, phase)
        settings_epoch = epoch if event == "settings" else settings_epoch
        index += draw(st.integers(1, 3))
        a, c = draw(st.integers(0, 60)), draw(st.integers(0, 300)) if phase < 2 else 0
        x, y = draw(st.integers(0, a)), draw(st.integers(0, c // 10))
        one = bucket(index, (x, a), (y, c), phase=phase, epoch=epoch, settings_epoch=settings_epoch)
        met = draw(st.integers(0, 40)), draw(st.integers(0, 40)) if phase < 2 else 0
        made.append(replace(one, counts={**one.counts, MET: (Counts(0, met[0]), Counts(0, met[1]))}))
    return made


def told(history: list[Bucket], cuts: set[int]) -> tuple[Memory | None, Evidence]:
    """The end of a rollout that was looked at after these buckets and after the last."""
    memory: Memory | None = None
    evidence, batch = Evidence(), list[Bucket]()
    for number, one in enumerate(history):
        batch.append(one)
        if number in cuts or number == len(history) - 1:
            at = state(one.phase, settings_epoch=one.settings_epoch, epoch=one.epoch)
            memory, evidence = judge(GATE, memory, batch, at, one.end, NAMES)
            batch = []
    return memory, evidence


@FEW
@given(histories(), st.sets(st.integers(0, LENGTH)))
def test_how_buckets_are_batched_into_looks_never_matters(history: list[Bucket], cuts: set[int]) -> None:
    """All at one look, or cut anywhere: the same memory and the same evidence to the last bit."""
    assert told(history, set()) == told(history, cuts)


@FEW
@given(histories(), st.sets(st.integers(0, LENGTH)), st.randoms())
def test_a_repeated_or_disordered_bucket_changes_nothing(history: list[Bucket], cuts: set[int], random: Random) -> None:
    """Every bucket handed in again at a later look, or twice and shuffled within one, is counted once."""
    memory, evidence = told(history, cuts)
    last = history[-1]
    at = state(last.phase, settings_epoch=last.settings_epoch, epoch=last.epoch)
    assert judge(GATE, memory, history, at, last.end, NAMES) == (memory, evidence)
    shuffled = history * 2
    random.shuffle(shuffled)
    assert judge(GATE, None, shuffled, at, last.end, NAMES) == (memory, evidence)


@FEW
@given(histories(), histories())
def test_a_breach_of_a_lasting_criterion_is_never_taken_back(first: list[Bucket], then: list[Bucket]) -> None:
    """Whatever comes after, under the same promise, and with whatever settings."""
    memory, evidence = told(first, set())
    shift, epochs = first[-1].end - after(0), first[-1].epoch + 1
    for one in then:
        moved = replace(
            one,
            start=one.start + shift,
            end=one.end + shift,
            epoch=one.epoch + epochs,
            settings_epoch=one.settings_epoch + epochs,
        )
        memory, evidence_after = judge(GATE, memory, [moved], state(one.phase), moved.end, NAMES)
        for rule, old, new in zip(GATE.rules, evidence.findings, evidence_after.findings, strict=True):
            assert not rule.lasting or old.verdict is not Verdict.BREACH or new.verdict is Verdict.BREACH
        evidence = evidence_after


@FEW
@given(histories(), st.integers(0, LENGTH))
def test_when_a_resume_is_noticed_never_matters(history: list[Bucket], noticed: int) -> None:
    """Old buckets consumed before or after the new promise was read leave the same evidence behind."""
    promise = history[-1].epoch + 1
    resumed = state(1, promise=promise, settings_epoch=promise, epoch=promise)
    fresh = bucket(200, (3, 50), (4, 450), epoch=promise, settings_epoch=promise)
    cut = min(noticed, len(history))
    memory: Memory | None = None
    if cut:
        memory, _ = judge(GATE, None, history[:cut], state(history[cut - 1].phase), after(150), NAMES)
    late = judge(GATE, memory, [*history[cut:], fresh], resumed, fresh.end, NAMES)
    assert judge(GATE, None, [*history, fresh], resumed, fresh.end, NAMES) == late


@FEW
@given(histories())
def test_the_mixture_and_the_prior_in_hand_are_all_there_is(history: list[Bucket]) -> None:
    """Without a single unit the evidence stays 1: prior moves from hand to masses, none is made or lost."""
    silent = [
        bucket(i, phase=one.phase, epoch=one.epoch, settings_epoch=one.settings_epoch) for i, one in enumerate(history)
    ]
    _, evidence = told(silent, set())
    assert all(abs(finding.evidence - 1) < 1e-9 for finding in evidence.findings[:E_PROCESSES])


@FEW
@given(histories())
def test_memory_goes_through_json_unchanged_at_every_look(history: list[Bucket]) -> None:
    """A process that stops between two looks loses nothing."""
    memory: Memory | None = None
    kept: Memory | None = None
    for one in history:
        at = state(one.phase, settings_epoch=one.settings_epoch, epoch=one.epoch)
        memory, evidence = judge(GATE, memory, [one], at, one.end + timedelta(seconds=2), NAMES)
        restored = None if kept is None else Memory.from_json(kept.to_json())
        kept, again = judge(GATE, restored, [one], at, one.end + timedelta(seconds=2), NAMES)
        assert (memory, evidence) == (kept, again)
