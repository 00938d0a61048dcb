"""Every branch of the confidence-threshold tree and of an A/B test, through a real Prefect server and real outcomes.

All rollouts live at once: an application with a made-up model reports for each of them until the last has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from rollout.describe import takes_up
from rollout.exposure import Flag, Variant, variant
from rollout.model import Role, Status, Verb
from sluice.replay import replayed
from state.events import Batch, Events
from state.outcomes import Outcome
from state.rows import JournalEntry
from state.step import command, submit
from tests.flows.stage import RUNNER, SERVER, SUPERVISOR, Stage
from tests.waiting import until

PLANS = Path(__file__).parent / "plans"
VISITORS = 400
"""New users of a feature at each report, so that no bad day of one of them hides the next."""
SECONDS = 400.0
TENTHS = 10

Model = Callable[[Variant, float], tuple[tuple[str, str, int], ...]]
"""Of a variant and its threshold: the event that is counted, the one that marks it, and in how many of ten."""


def _tree(before: int, after: int) -> Model:
    """False positives in tenths below a threshold of 0.8, and from there on; stable has none."""

    def model(served: Variant, threshold: float) -> tuple[tuple[str, str, int], ...]:
        wrong = (before if threshold < 0.8 else after) if served is Variant.CANDIDATE else 0
        return (("flagged", "false_positive", wrong),)

    return model


def _test(accuracy: int, adoption: int) -> Model:
    """The candidate's share of correct and of used answers in tenths; stable's are eight and eight."""

    def model(served: Variant, _threshold: float) -> tuple[tuple[str, str, int], ...]:
        correct, used = (accuracy, adoption) if served is Variant.CANDIDATE else (8, 8)
        return (("labelled", "correct", correct), ("shown", "used", used))

    return model


MODELS: Mapping[str, tuple[str, Model, Verb]] = MappingProxyType(
    {
        "expected": ("tree", _tree(0, 0), Verb.NOTE),
        "raised": ("tree", _tree(3, 3), Verb.TUNE),
        "kept": ("tree", _tree(3, 0), Verb.KEEP),
        "still-high": ("tree", _tree(3, 3), Verb.REVERT),
        "shipped": ("ab-test", _test(10, 8), Verb.ADVANCE),
        "rolled-back": ("ab-test", _test(5, 8), Verb.REVERT),
        "unused": ("ab-test", _test(8, 4), Verb.AWAIT_APPROVAL),
        "inconclusive": ("ab-test", _test(8, 8), Verb.AWAIT_APPROVAL),
    }
)
"""Plan file, model, and the transition that its branch ends in, by rollout."""


@pytest.fixture(scope="module")
def lived(house: Stage) -> Stage:
    """The house after every branch was taken."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    for name, (plan, _, _) in MODELS.items():
        text = (
            (PLANS / f"{plan}.yaml")
            .read_text()
            .replace(f"name: {plan}\nflag: {plan}\n", f"name: {name}\nflag: {name}\n")
        )
        submit(house.store, text, "test", house.clock.now())
    events, reports = Events(house.store, house.clock), 0

    def all_taken() -> bool:
        nonlocal reports
        reports += 1
        waiting = [name for name, (_, _, last) in MODELS.items() if last not in house.verbs(name)]
        for name in waiting:
            flag = house.store.flag(name)
            if flag is not None and flag.exposure:
                events.ingest(Batch(list(_reported(house, name, flag, reports))))
        return not waiting

    until(all_taken, "every branch is taken", seconds=SECONDS, every=4)
    return house


def test_few_false_positives_are_told_to_the_owner(lived: Stage) -> None:
    """Under 5 %: not the model, users expect something else; nothing moves."""
    entry = _last(lived, "expected", Verb.NOTE)

    assert entry.reason.startswith("false_positive_rate < 5%: users expect something else, the model is fine; ")
    assert (Status.RUNNING, 0.7) == (entry.after.status, entry.after.settings["min_confidence"])


def test_many_false_positives_raise_the_threshold(lived: Stage) -> None:
    """Over 10 %: the model is the issue, and everyone exposed sees fewer and surer answers."""
    entry = _last(lived, "raised", Verb.TUNE)

    assert entry.reason.startswith("false_positive_rate > 10%: raise min_confidence 0.7 → 0.8, observe for 15s; ")
    assert (Role.TUNE_WHEN, 0.8) == (entry.finding and entry.finding.role, entry.after.settings["min_confidence"])


def test_a_raise_that_helps_is_kept(lived: Stage) -> None:
    """Under 5 % on the raised threshold: it stays, and the rollout goes on."""
    entry = _last(lived, "kept", Verb.KEEP)
    flag = lived.store.flag("kept")

    assert entry.reason.startswith("false_positive_rate < 5%: keep min_confidence 0.8; ")
    assert ["start", "tune", "keep"] == lived.verbs("kept")
    assert flag is not None
    assert (50_000, 0.8) == (flag.exposure, flag.candidate["min_confidence"])
    lived.await_badge("kept", "SCHEDULED Beta · 50 % · until")


def test_a_raise_that_does_not_help_goes_back_to_the_previous_model(lived: Stage) -> None:
    """Still over 10 %: the raise is undone and nobody has the candidate; the run says why."""
    entry = _last(lived, "still-high", Verb.REVERT)

    assert entry.reason.startswith("false_positive_rate still > 10%: otherwise: revert, back to the previous model ")
    assert (Status.REVERTED, 0, 0.7) == (
        entry.after.status,
        entry.after.exposure,
        entry.after.settings["min_confidence"],
    )
    lived.await_badge("still-high", "FAILED Reverted: false_positive_rate")
    assert lived.badge("still-high").endswith("% > 10 %")


def test_an_established_gain_ships_to_everyone(lived: Stage) -> None:
    """Two points better, established: on to 100 %, with the numbers in the journal."""
    entry = _last(lived, "shipped", Verb.DECIDE)

    assert ["start", "decide", "advance"] == lived.verbs("shipped")
    assert entry.reason.startswith("ship: accuracy >= control + 2pp; ")
    assert entry.finding is not None
    assert entry.finding.low is not None
    assert entry.finding.low > 0
    lived.await_badge("shipped", "SCHEDULED All · 100 %")


def test_an_established_loss_rolls_back(lived: Stage) -> None:
    """Less accurate than control, established and not merely estimated."""
    entry = _last(lived, "rolled-back", Verb.REVERT)

    assert entry.reason.startswith("revert: accuracy < control; ")
    assert (Role.REVERT, 0) == (entry.finding and entry.finding.role, entry.after.exposure)
    lived.await_badge("rolled-back", "FAILED Reverted: accuracy -")
    assert lived.badge("rolled-back").endswith("pp: accuracy < control")


@pytest.mark.parametrize(
    ("name", "told"),
    [("unused", "ask: adoption < control; "), ("inconclusive", "inconclusive: ship accuracy >= control + 2pp not est")],
)
def test_what_the_numbers_do_not_decide_is_asked(lived: Stage, name: str, told: str) -> None:
    """The run waits with a form; the question carries the branch and its numbers."""
    entry = _last(lived, name, Verb.AWAIT_APPROVAL)

    assert entry.reason.startswith(told)
    assert entry.reason == lived.rollout(name).state.reason
    lived.await_badge(name, "PAUSED Waiting for approval: Ab test → All")


@pytest.mark.parametrize("name", MODELS)
def test_every_branch_follows_anew_from_what_was_stored(lived: Stage, name: str) -> None:
    """Each line of the journal is derived identically from its plan, state, evidence and instant."""
    found = replayed(lived.store, name)

    assert [] == [difference for one in found for difference in one.differences]
    assert lived.verbs(name) == [str(one.entry.verb) for one in found]


def test_a_person_takes_up_what_a_tree_reverted(lived: Stage) -> None:
    """With a reason, where it fell, on evidence that starts afresh and in a new run; the journal names the revert."""
    fallen, old = lived.rollout("still-high").state, lived.run("still-high")
    refused = command(lived.store, "still-high", Verb.RESUME, "ana", "", lived.clock.now())
    taken = command(lived.store, "still-high", Verb.RESUME, "ana", "the labels were wrong", lived.clock.now())
    lived.await_badge("still-high", "SCHEDULED Beta · 50 %")
    entry, new = _last(lived, "still-high", Verb.RESUME), lived.run("still-high")

    assert (False, True) == (refused.accepted, taken.accepted)
    assert (fallen.revision, "the labels were wrong") == (takes_up(entry.verb, entry.before), entry.reason)
    assert (entry.revision, 50_000) == (entry.after.promise, entry.after.exposure)
    assert old is not None
    assert new is not None
    assert new["id"] != old["id"]


def _last(house: Stage, name: str, verb: Verb) -> JournalEntry:
    return next(entry for entry in reversed(house.store.journal(name)) if entry.verb is verb)


def _reported(house: Stage, name: str, flag: Flag, report: int) -> Iterator[Outcome]:
    """What new users met just now, served as the flag stands."""
    _, model, _ = MODELS[name]
    at, met = house.clock.now(), dict.fromkeys(Variant, 0)
    for number in range(VISITORS):
        unit = f"u-{report}-{number}"
        served, _ = variant(flag, unit, {})
        met[served] += 1
        threshold = float(str(flag.candidate["min_confidence"]))
        for counted, marks, tenths in model(served, threshold):
            yield Outcome(name, unit, counted, at)
            if met[served] % TENTHS < tenths:
                yield Outcome(name, unit, marks, at)
