"""Who makes a request: the person of a key, or without keys whoever is claimed."""

from __future__ import annotations

from serving.asgi import Scope
from serving.keyring import CALLER
from state.author import Author, claiming, holding
from state.credentials import Key


def author(scope: Scope, claimed: str | None) -> Author:
    """Who makes a request; a key's own person comes first, and another name is kept beside it as claimed."""
    key: Key | None = scope.get(CALLER)
    return claiming(claimed) if key is None else holding(key, claimed)
