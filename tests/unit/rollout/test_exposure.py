"""Cohorts, lists and layers."""

from __future__ import annotations

from dataclasses import replace

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.exposure import Flag, Reason, UnitMissingError, Variant, bucket, cohort, served, variant
from rollout.model import FULL, Cohort
from tests.unit.rollout.story import PLAN, states

FLAG = Flag(
    key="f",
    active=True,
    exposure=10_000,
    stable={"model": "v1"},
    candidate={"model": "v2"},
    first_candidate={"model": "v2"},
    salt="s",
)
UNITS = [f"u-{n}" for n in range(20_000)]


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_bucket_is_flagds_integer_fraction(salt: str, unit: str) -> None:
    """The contract's formula, and always below 100,000."""
    assert bucket(salt, unit) == (mmh3.hash(f"{salt}/{unit}", signed=False) * 100_000) >> 32 < FULL


def test_known_buckets_never_change() -> None:
    """Published values: a change here would move every user of every rollout."""
    assert [bucket("case-law-v24", unit) for unit in ("u-1", "u-17", "ünïcode")] == KNOWN


KNOWN = [20_898, 22_981, 32_839]


@given(st.lists(st.integers(0, FULL), min_size=2, max_size=8).map(sorted))
def test_whoever_was_in_stays_in_when_exposure_rises(exposures: list[int]) -> None:
    """Monotone under every sequence of raises."""
    inside: set[str] = set()
    for exposure in exposures:
        now = {u for u in UNITS[:500] if variant(replace(FLAG, exposure=exposure), u, {})[0] is Variant.CANDIDATE}
        assert inside <= now
        inside = now


@pytest.mark.parametrize("exposure", [1, 500, 1_000, 10_000, 50_000])
def test_the_share_exposed_is_the_share_declared(exposure: int) -> None:
    """Within four standard deviations of a binomial, down to a thousandth of a percent."""
    p, n = exposure / FULL, len(UNITS)
    inside = sum(bucket("s", unit) < exposure for unit in UNITS)
    assert abs(inside - n * p) <= 4 * (n * p * (1 - p)) ** 0.5


def test_lists_decide_before_the_split_and_block_wins() -> None:
    """VIPs keep stable although they are on the allow list too."""
    flag = replace(FLAG, exposure=0, allow=({"email": ("*@x.com",)},), block=({"tier": ("vip",)},))
    assert variant(flag, "u", {"email": "a@x.com"}) == (Variant.CANDIDATE, Reason.TARGETING_MATCH)
    assert variant(flag, "u", {"email": "a@x.com", "tier": "vip"}) == (Variant.STABLE, Reason.TARGETING_MATCH)
    assert variant(flag, "u", {}) == (Variant.STABLE, Reason.SPLIT)
    assert cohort(flag, "u", {"tier": "vip"}, 50_000) is None


@pytest.mark.parametrize("value", [[], ["a@x.com"], {}, None, 1, 1.5, True, [[1]], {"a": [1]}])
def test_context_values_may_be_anything_json_allows(value: object) -> None:
    """No context makes evaluation fail."""
    flag = replace(FLAG, allow=({"email": ("*@x.com",)},))
    assert variant(flag, "u", {"email": value})[0] in set(Variant)  # type: ignore[dict-item]


def test_a_killed_flag_is_off_for_everyone_on_any_list() -> None:
    """The kill switch outranks the allow list."""
    flag = replace(FLAG, enabled=False, allow=({"user": ("u",)},))
    assert variant(flag, "u", {}) == (Variant.OFF, Reason.STATIC)


def test_a_first_launch_is_off_outside_the_exposure() -> None:
    """Where stable is off, typed flags carry the candidate's first values."""
    flag = replace(FLAG, stable=None, exposure=0)
    assert variant(flag, "u", {}) == (Variant.OFF, Reason.SPLIT)
    assert flag.off_settings == {"model": "v2"}


def test_a_missing_unit_matters_only_to_a_split() -> None:
    """At 0 and 100 % nobody needs a targeting key."""
    with pytest.raises(UnitMissingError):
        variant(FLAG, None, {})
    assert variant(replace(FLAG, exposure=FULL), None, {})[0] is Variant.CANDIDATE
    assert cohort(FLAG, None, {}, 50_000) is None


def test_an_organisation_can_be_the_unit() -> None:
    """All users of one organisation share its variant."""
    flag = replace(FLAG, unit="org", exposure=50_000)
    assert len({variant(flag, user, {"org": "acme"}) for user in UNITS[:50]}) == 1


@pytest.mark.parametrize(
    ("where", "unit_is", "enabled"),
    [
        ("scheduled", Variant.STABLE, True),
        ("ga", Variant.CANDIDATE, True),
        ("killed", Variant.OFF, False),
        ("reverted", Variant.STABLE, True),
        ("disabled", Variant.OFF, False),
        ("completed", Variant.STABLE, True),
    ],
)
def test_what_every_state_serves(where: str, unit_is: Variant, enabled: bool) -> None:  # noqa: FBT001
    """The four layers follow from the state alone; a completed candidate is the stable one."""
    flag = served(PLAN, states()[where], "digest")
    assert (variant(flag, "u-1", {})[0], flag.enabled) == (unit_is, enabled)
    if where == "completed":
        assert flag.stable == {"model": "v2", "min_confidence": 0.8}


def test_the_cohort_follows_the_exposure_of_its_moment() -> None:
    """The same unit is control at 1 % and treatment at 100 %."""
    assert cohort(FLAG, "u-1", {}, 0) is Cohort.CONTROL
    assert cohort(FLAG, "u-1", {}, FULL) is Cohort.TREATMENT
