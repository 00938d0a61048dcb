"""The flag that these tests ask for."""

import pytest

from rollout.exposure import Flag


@pytest.fixture
def flag() -> Flag:
    """The worked example in its beta phase: 10 % of users, VIPs blocked, the team allowed."""
    return Flag(
        key="case-law-ai",
        active=True,
        exposure=10_000,
        stable={"model": "v2.3", "min_confidence": 1.0},
        candidate={"model": "v2.4", "min_confidence": 0.8},
        first_candidate={"model": "v2.4", "min_confidence": 0.7},
        salt="case-law-v24",
        allow=({"email": ("*@example.com",)}, {"user": ("u-17", "u-42")}),
        block=({"tier": ("vip",)},),
        rollout="case-law-v24",
        phase="beta",
        plan="ab" * 32,
        revision=7,
        version=9,
    )
