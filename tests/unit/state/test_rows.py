"""What the store writes of a value is read as that value again, and what an older row lacks has its default."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from plans.schema import Then
from rollout.model import Evidence, Finding, Role, Verdict
from state.rows import STATE_COLUMNS, evidence, evidence_json, state, state_columns, state_from_json, state_json
from tests.unit.rollout.trees import BEGIN, DAY, raised, started, taken

AT = datetime(2026, 12, 1, 14, tzinfo=UTC)
SHIP = Finding(
    criterion="accuracy >= control + 2pp",
    then=Then.NOTIFY,
    verdict=Verdict.BREACH,
    reason="accuracy 3.1pp above control",
    role=Role.SHIP,
    place=1,
    low=0.008,
    high=0.054,
)


def test_a_finding_keeps_its_role_its_place_and_its_interval() -> None:
    """What a decision rests on is read back to the last digit."""
    known = Evidence(AT, (SHIP,), promise=2, settings_epoch=3)

    assert evidence(evidence_json(known)) == known


def test_a_finding_without_a_role_is_a_stopping_criterion() -> None:
    """Evidence that was stored before there were trees and decisions still says what it said."""
    stored = orjson.loads(evidence_json(Evidence(AT, (SHIP,))))
    for key in ("role", "place", "low", "high"):
        del stored["findings"][0][key]

    (found,) = evidence(orjson.dumps(stored).decode()).findings

    assert (Role.STOP, 0, None, None) == (found.role, found.place, found.low, found.high)


def test_a_state_under_observation_is_read_back_whole() -> None:
    """What a tree has to remember survives the columns of the rollout and the lines of its journal."""
    observing = raised()
    noted = taken(started(), BEGIN + DAY, tune_note=Verdict.BREACH).after

    for known in (observing, noted):
        columns = state_columns(known)
        assert known == state([columns[name] for name in STATE_COLUMNS], killed=False)
        assert known == state_from_json(state_json(known))
