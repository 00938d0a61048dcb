"""What a product manager writes: the plan, its grammar, its loading and its calendar."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """`plans.load(path)` without importing a YAML reader for those who only want the types."""
    if name == "load":
        return import_module("plans.load")
    raise AttributeError(f"module 'plans' has no attribute {name!r}")
