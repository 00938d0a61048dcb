"""Incidents from Prefect's forms, and the guard that writes down their end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from flows.guard import sweep
from flows.incidents import declared, ended
from flows.operate import FORMS
from state.credentials import Scope
from state.errors import RefusedError, StoreError
from tests.unit.flows.test_identity import ANA, enrolled
from tests.unit.flows.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.submit("one")
    return world


def test_a_form_declares_and_ends_an_incident(world: World) -> None:
    """Under the name that was typed, as claimed."""
    one = declared(world.house, "the database is down", " 2h ", [], "ana", "")
    assert ("ana (as claimed)", timedelta(hours=2)) == (one.by, one.until - one.since)
    assert "bob (as claimed)" == ended(world.house, None, "", "bob", "").ended_by
    assert {"start-incident", "end-incident"} <= {form.name for form in FORMS}


@pytest.mark.parametrize(("length", "flags"), [("two hours", []), ("31d", []), ("9" * 30 + "w", []), ("2h", ["nope"])])
def test_a_form_that_makes_no_sense_declares_nothing(world: World, length: str, flags: list[str]) -> None:
    """Whatever is typed is an answer, never a crash."""
    with pytest.raises(StoreError):
        declared(world.house, "the database is down", length, flags, "ana", "")
    assert () == world.house.store.incidents()


def test_where_there_are_keys_a_form_takes_a_code(world: World) -> None:
    """What mutes criteria, and what lets growth go on, has a person's name to it."""
    right = enrolled(world, Scope.ROLLOUTS_APPROVE)
    with pytest.raises(RefusedError, match="no such approval code"):
        declared(world.house, "the database is down", "2h", [], ANA, "")
    assert ANA == declared(world.house, "the database is down", "2h", [], ANA, right).by
    with pytest.raises(RefusedError, match="no such approval code"):
        ended(world.house, None, "", ANA, right)  # a code counts once


def test_the_guard_writes_down_that_an_incident_is_over(world: World) -> None:
    """At its next sweep, as of the instant that was announced."""
    one = declared(world.house, "the database is down", "2h", [], "ana", "")
    sweep(world.house)
    assert ("",) == tuple(each.ended_by for each in world.house.store.incidents())
    world.pass_time(timedelta(hours=3))
    sweep(world.house)
    (over,) = world.house.store.incidents()
    assert ("sluice", one.until) == (over.ended_by, over.ended)
