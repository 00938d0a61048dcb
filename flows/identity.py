"""Who clicked in Prefect's UI: a claim where there are no keys, else whoever a one-time code belongs to."""

from __future__ import annotations

from flows.approvals import Codes, claim, who
from flows.house import House
from rollout.model import Verb
from state.author import Author, holding
from state.credentials import LOWERS, Scope, scope_of
from state.errors import RefusedError


def codes(house: House) -> Codes:
    """Whether forms ask for codes now."""
    return Codes.ASKED if house.store.live_keys() else Codes.NONE


def clicked(house: House, verb: Verb, claimed: str, code: str) -> Author:
    """Who asks for a verb.

    What takes exposure back needs no code, and a wrong one does not keep it from counting. Raises RefusedError where a
    code is needed and this is none.
    """
    if verb in LOWERS and not code.strip():
        return Author(who(claimed), None)
    try:
        return named(house, scope_of(verb), claimed, code)
    except RefusedError:
        if verb in LOWERS:
            return Author(who(claimed), None)
        raise


def named(house: House, scope: Scope, claimed: str, code: str) -> Author:
    """Who asks for what needs `scope`: without keys a name is taken at its word; raises RefusedError without a code."""
    if codes(house) is Codes.NONE:
        return Author(who(claimed), claim(claimed))
    key = house.store.redeem(claimed.strip(), code, scope, house.clock.real())
    return holding(key)
