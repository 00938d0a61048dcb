from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.exposure import Flag, Reason, UnitMissingError, Variant, bucket, variant
from rollout.lists import Listed
from serving.evaluate import Evaluator, compile_flag, settings_of

NAMES = ("tier", "email", "org", "user")
PATTERN_TEXTS = ["vip", "*@example.com", "?", "*", "", "true", "1", "1.0", "[ab]", "[!a]*", "a*", "*a*", "**a", "*[a]"]
VALUE_TEXTS = [
    "vip",
    "VIP",
    "x@example.com",
    "@example.com",
    "x@example.com.org",
    "a",
    "b",
    "ba",
    "ab",
    "true",
    "1",
    "",
    "a\n",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(VALUE_TEXTS),
    st.text(alphabet="ab[]*?!-\n", max_size=4),
)
JSON_VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)
PATTERNS = st.lists(
    st.sampled_from(PATTERN_TEXTS) | st.text(alphabet="ab[]*?!-\n", max_size=4),
    min_size=1,
    max_size=3,
).map(tuple)
MATCHERS = st.dictionaries(st.sampled_from(NAMES), PATTERNS, max_size=2)
FLAGS = st.builds(
    Flag,
    key=st.just("f"),
    enabled=st.sampled_from([True, True, True, False]),
    active=st.sampled_from([True, True, True, False]),
    exposure=st.sampled_from([0, 1, 10_000, 50_000, 99_999, 100_000]) | st.integers(0, 100_000),
    stable=st.none() | st.just({"model": "old"}),
    candidate=st.just({"model": "new"}),
    first_candidate=st.just({"model": "new"}),
    salt=st.text(alphabet="abc-é", max_size=5),
    unit=st.sampled_from(["user", "org"]),
    allow=st.lists(MATCHERS, max_size=3).map(tuple),
    block=st.lists(MATCHERS, max_size=3).map(tuple),
    forced=st.dictionaries(
        st.sampled_from(VALUE_TEXTS) | st.text(alphabet="ab/é☃", max_size=3), st.sampled_from(Listed)
    ),
)
KEYS = st.none() | st.just("") | st.text(alphabet="ab/é☃", max_size=6)
CONTEXTS = st.dictionaries(st.sampled_from(NAMES), JSON_VALUES, max_size=4)


def outcome(function: Any, *args: Any) -> Any:
    """The result, or the attribute whose absence was complained of."""
    try:
        return function(*args)
    except UnitMissingError as error:
        return error.attribute


@settings(max_examples=600, deadline=None)
@given(FLAGS, KEYS, CONTEXTS)
def test_a_compiled_flag_answers_as_the_reference_does(flag: Flag, key: str | None, attributes: dict[str, Any]) -> None:
    """Variant, reason and the complaint about a missing unit are the same for every flag, unit and context."""
    compiled = compile_flag(flag, lambda chosen, reason: (chosen, reason))
    assert outcome(variant, flag, key, attributes) == outcome(compiled, key, attributes)


def test_the_threshold_cuts_where_the_bucket_does(flag: Flag) -> None:
    """A unit is out at an exposure that equals its bucket and in one thousandth of a percent above."""
    plain = replace(flag, allow=(), block=())
    for unit in (f"u-{number}" for number in range(500)):
        place = bucket(plain.salt, unit)
        at, above = (
            compile_flag(replace(plain, exposure=place + more), lambda chosen, _why: chosen) for more in (0, 1)
        )
        assert (Variant.STABLE, Variant.CANDIDATE) == (at(unit, {}), above(unit, {}))


@pytest.mark.parametrize("first", PATTERN_TEXTS)
def test_every_kind_of_pattern_fits_what_the_reference_fits(flag: Flag, first: str) -> None:
    """Each pattern alone, and beside each other pattern, against every value."""
    for second in PATTERN_TEXTS:
        listed = replace(flag, allow=(), block=({"tier": (first, second)},))
        compiled = compile_flag(listed, lambda chosen, reason: (chosen, reason))
        for value in VALUE_TEXTS:
            assert variant(listed, "u-1", {"tier": value}) == compiled("u-1", {"tier": value}), (first, second, value)


def test_a_list_in_the_context_is_matched_by_its_members(flag: Flag) -> None:
    """`tier: [free, vip]` is a VIP; a dictionary is nobody; neither raises."""
    compiled = compile_flag(flag, lambda chosen, reason: (chosen, reason))
    assert compiled("u-1", {"tier": ["free", "vip"]}) == (Variant.STABLE, Reason.TARGETING_MATCH)
    assert compiled("u-1", {"tier": {"vip": 1}})[1] is Reason.SPLIT


def test_the_evaluator_gives_the_default_for_what_it_does_not_know(flag: Flag) -> None:
    """An unknown flag and a missing unit both leave the caller's own default."""
    evaluator = Evaluator([replace(flag, allow=(), block=())])
    assert evaluator.value("nothing", "u-1", {}, "mine") == "mine"
    assert evaluator.value("case-law-ai.model", None, {}, "mine") == "mine"
    assert evaluator.value("case-law-ai.model", "u-1", {}, "mine") in {"v2.3", "v2.4"}


def test_off_carries_what_is_deployed(flag: Flag) -> None:
    """A killed flag says `enabled: false` beside stable's values, or the first candidate's where stable is off."""
    assert settings_of(flag, Variant.OFF) == {"model": "v2.3", "min_confidence": 1.0, "enabled": False}
    first = settings_of(replace(flag, stable=None), Variant.OFF)
    assert first == {"model": "v2.4", "min_confidence": 0.7, "enabled": False}


def test_a_number_has_one_type_in_every_variant(flag: Flag) -> None:
    """An integer beside a float is served as a float, because a client asks for one type only."""
    mixed = replace(flag, stable={"min_confidence": 1}, candidate={"min_confidence": 0.8})
    assert isinstance(settings_of(mixed, Variant.STABLE)["min_confidence"], float)
    whole = replace(flag, stable={"top_k": 3}, candidate={"top_k": 5})
    assert isinstance(settings_of(whole, Variant.STABLE)["top_k"], int)
