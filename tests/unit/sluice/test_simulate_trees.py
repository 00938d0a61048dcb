"""Trees and A/B tests are rehearsed like everything else, and their journals can be replayed."""

from pathlib import Path
from random import Random

import pytest

from gates.judge import settle
from gates.planner import assumed
from plans.load import load
from rollout.model import Verb
from sluice.replay import replayed, replayed_json
from sluice.simulate.faults import parse
from sluice.simulate.runs import prepared
from sluice.simulate.stage import rehearse
from sluice.simulate.traffic import Stream
from state.database import connect, migrate
from state.store import Store
from tests.unit.sluice.test_simulate import MONDAY

EXAMPLES = Path(__file__).parents[3] / "plans" / "examples"


@pytest.mark.parametrize(
    ("example", "fault", "verbs"),
    [
        ("tune", "false_positive_rate = 15% to 12h", {Verb.TUNE, Verb.KEEP, Verb.COMPLETE}),
        ("tune", "false_positive_rate = 20%", {Verb.TUNE, Verb.REVERT}),
        ("ab-test", "accuracy = 95%", {Verb.DECIDE, Verb.COMPLETE}),
        ("ab-test", "accuracy = 80%", {Verb.REVERT}),
        ("ab-test", None, {Verb.AWAIT_APPROVAL, Verb.APPROVE}),
    ],
)
def test_every_branch_is_rehearsed_and_replays_identically(
    tmp_path: Path, example: str, fault: str | None, verbs: set[Verb]
) -> None:
    """The journal goes the way that the numbers ask for, and each of its decisions comes out again."""
    plan = load(EXAMPLES / f"{example}.yaml")
    faults = [parse(fault, plan)] if fault else []
    case = prepared(plan, "", assumed(plan, 4_000), faults, MONDAY, 1)
    engine = connect(f"sqlite:///{tmp_path / 'sluice.db'}")
    migrate(engine)
    store = Store(engine, "test", settle)
    rehearse(store, case.plan, "", Stream(case.plan, case.traffic, case.spells, Random(1)), MONDAY)
    found = replayed(store, plan.name)
    engine.dispose()
    assert verbs <= {one.entry.verb for one in found}, [one.entry.verb for one in found]
    assert [] == [replayed_json(one) for one in found if not one.identical]
