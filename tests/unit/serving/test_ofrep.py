import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.exposure import Flag
from serving.asgi import MAX_BODY, App
from serving.flags import FlagSet
from serving.ofrep import FLAGS_PATH, Tally, ofrep_app
from tests.unit.serving.client import Response, call

REASONS = {"STATIC", "TARGETING_MATCH", "SPLIT", "UNKNOWN"}
ERRORS = {"PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "GENERAL", "FLAG_NOT_FOUND"}


def ask(app: App, key: str, context: object) -> Response:
    """One evaluation."""
    return call(app, "POST", f"{FLAGS_PATH}/{key}", {"context": context})


@pytest.fixture
def app(flag: Flag) -> App:
    return ofrep_app(FlagSet([flag]))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("case-law-ai", {"model": "v2.4", "min_confidence": 0.8, "enabled": True}),
        ("case-law-ai.enabled", True),
        ("case-law-ai.model", "v2.4"),
        ("case-law-ai.min_confidence", 0.8),
    ],
)
def test_every_part_of_a_flag_is_a_flag(app: App, key: str, value: object) -> None:
    """The object and each typed flag answer with key, value, variant, reason and flat metadata."""
    expected = {
        "key": key,
        "value": value,
        "variant": "candidate",
        "reason": "TARGETING_MATCH",
        "metadata": {
            "rollout": "case-law-v24",
            "phase": "beta",
            "exposure": 10.0,
            "plan": "ab" * 32,
            "revision": 7,
        },
    }
    response = ask(app, key, {"targetingKey": "u-17"})
    assert (200, expected) == (response.status, response.json)


def test_a_float_keeps_its_point(app: App) -> None:
    """1.0 is sent as `1.0`: a client that asks for a float refuses `1`."""
    assert b'"value":1.0,' in ask(app, "case-law-ai.min_confidence", {"targetingKey": "x", "tier": "vip"}).body


def test_metadata_holds_no_nulls(flag: Flag) -> None:
    """A flag outside any rollout leaves out what it does not have."""
    plain = ofrep_app(FlagSet([replace(flag, rollout=None, phase=None, active=False)]))
    metadata = ask(plain, "case-law-ai", {}).json["metadata"]
    assert {"exposure", "plan", "revision"} == set(metadata)


@pytest.mark.parametrize(
    ("changes", "context", "variant", "reason"),
    [
        ({}, {"targetingKey": "x", "tier": "vip"}, "stable", "TARGETING_MATCH"),
        ({}, {"email": "pm@example.com"}, "candidate", "TARGETING_MATCH"),
        ({"enabled": False}, {}, "off", "STATIC"),
        ({"active": False}, {}, "stable", "STATIC"),
        ({"active": False, "stable": None}, {}, "off", "STATIC"),
        ({"exposure": 100_000}, {}, "candidate", "SPLIT"),
        ({"exposure": 0}, {}, "stable", "SPLIT"),
    ],
)
def test_the_targeting_key_is_asked_for_only_where_the_rule_needs_it(
    flag: Flag, changes: dict[str, Any], context: dict[str, str], variant: str, reason: str
) -> None:
    """Lists, a switch that is off, nobody and everybody are answered without a unit."""
    app = ofrep_app(FlagSet([replace(flag, **changes)]))
    body = ask(app, "case-law-ai", context).json
    assert (variant, reason) == (body["variant"], body["reason"])


@pytest.mark.parametrize(
    ("unit", "context", "code"),
    [
        ("user", {}, "TARGETING_KEY_MISSING"),
        ("user", {"targetingKey": ""}, "TARGETING_KEY_MISSING"),
        ("org", {"targetingKey": "u"}, "INVALID_CONTEXT"),
        ("org", {"org": {"id": 1}}, "INVALID_CONTEXT"),
        ("user", {"targetingKey": 7}, "INVALID_CONTEXT"),
        ("user", [], "INVALID_CONTEXT"),
        ("user", 0, "INVALID_CONTEXT"),
        ("user", None, "TARGETING_KEY_MISSING"),
    ],
)
def test_a_context_without_the_unit_is_refused_with_the_reason(
    flag: Flag, unit: str, context: object, code: str
) -> None:
    """A split that lacks its unit is a 400 that carries key, code and details."""
    response = ask(ofrep_app(FlagSet([replace(flag, unit=unit)])), "case-law-ai", context)
    assert (400, "case-law-ai", code) == (response.status, response.json["key"], response.json["errorCode"])
    assert response.json["errorDetails"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"context":{"a":NaN}}'])
def test_a_malformed_body_is_a_parse_error(app: App, body: bytes) -> None:
    """What is not a JSON object is PARSE_ERROR on both endpoints."""
    for path in (FLAGS_PATH, f"{FLAGS_PATH}/case-law-ai"):
        response = call(app, "POST", path, body)
        assert (400, "PARSE_ERROR") == (response.status, response.json["errorCode"])


@pytest.mark.parametrize("key", ["nothing", "../flags", "", "case-law-ai/x", "case-law-ai.nothing", "é", "%00"])
def test_an_unknown_flag_is_not_found(app: App, key: str) -> None:
    """Any key that is not served is FLAG_NOT_FOUND, with key and details, and never the bulk answer."""
    response = ask(app, key, {"targetingKey": "u"})
    assert (404, "FLAG_NOT_FOUND", key) == (response.status, response.json["errorCode"], response.json["key"])
    assert response.json["errorDetails"]


def test_a_flag_named_like_a_part_of_another_is_itself(flag: Flag) -> None:
    """`a.model` as a flag of its own wins over the typed flag of `a`."""
    named = replace(flag, key="case-law-ai.model", active=False)
    app = ofrep_app(FlagSet([named, flag]))
    assert ask(app, "case-law-ai.model", {}).json["value"] == {"model": "v2.3", "min_confidence": 1.0, "enabled": True}


def test_bulk_answers_every_key_and_names_the_stream(app: App) -> None:
    """All parts of all flags come at once, with an event stream relative to the client's own address."""
    body = call(app, "POST", FLAGS_PATH, {"context": {"targetingKey": "u-17"}}).json
    expected = ["case-law-ai", "case-law-ai.enabled", "case-law-ai.min_confidence", "case-law-ai.model"]
    assert expected == [one["key"] for one in body["flags"]]
    assert [{"type": "sse", "endpoint": {"requestUri": "/ofrep/v1/stream"}, "inactivityDelaySec": 120}] == body[
        "eventStreams"
    ]


def test_bulk_reports_a_missing_unit_flag_by_flag(flag: Flag) -> None:
    """One flag that cannot be evaluated leaves the others standing."""
    app = ofrep_app(FlagSet([flag, replace(flag, key="plain", active=False)]))
    flags = {one["key"]: one for one in call(app, "POST", FLAGS_PATH, {"context": {}}).json["flags"]}
    assert flags["case-law-ai.model"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert flags["plain.model"]["value"] == "v2.3"


def test_a_client_that_has_the_answer_gets_304(flag: Flag) -> None:
    """The same context under the same flags is not evaluated again; another context or a changed flag is."""
    flags, tally = FlagSet([flag]), Tally()
    app = ofrep_app(flags, tally=tally)
    body = {"context": {"targetingKey": "u-1"}}
    tag = call(app, "POST", FLAGS_PATH, body).headers["etag"]
    for known in (tag, f'W/{tag}, "other"'):
        again = call(app, "POST", FLAGS_PATH, body, if_none_match=known)
        assert (304, tag, b"") == (again.status, again.headers["etag"], again.body)
        assert "content-length" not in again.headers
    assert call(app, "POST", FLAGS_PATH, {"context": {"targetingKey": "u-2"}}, if_none_match=tag).status == 200
    flags.update([replace(flag, exposure=50_000, version=10)])
    assert call(app, "POST", FLAGS_PATH, body, if_none_match=tag).status == 200
    assert (5, 2) == (tally.bulk, tally.unchanged)


def test_the_version_of_a_flag_set_is_its_contents(flag: Flag) -> None:
    """Two servers with the same flags name the same version, whatever order they learned them in."""
    other = replace(flag, key="other")
    assert FlagSet([flag, other]).snapshot.tag == FlagSet([other, flag]).snapshot.tag
    assert FlagSet([flag]).snapshot.tag != FlagSet([flag, other]).snapshot.tag
    assert FlagSet([flag]).snapshot.tag != FlagSet([replace(flag, enabled=False)]).snapshot.tag


def test_a_body_over_a_mebibyte_is_refused(app: App) -> None:
    """413, still in the shape of the protocol."""
    response = call(app, "POST", f"{FLAGS_PATH}/case-law-ai", b" " * (MAX_BODY + 1))
    assert (413, "GENERAL") == (response.status, response.json["errorCode"])


def test_other_methods_and_addresses_are_refused(app: App) -> None:
    """405 and 404, never the framework's traceback."""
    assert call(app, "GET", FLAGS_PATH).status == 405
    assert call(app, "POST", "/ofrep/v2/evaluate/flags").status == 404
    assert call(app, "POST", "/ofrep/v1/stream").status == 405


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMED = st.dictionaries(
    st.sampled_from(["targetingKey", "email", "tier", "user", "org", "context"]) | st.text(), JSON_VALUES
)


@given(
    st.one_of(st.binary(max_size=200), NAMED, st.builds(lambda c: {"context": c}, NAMED | JSON_VALUES)), st.booleans()
)
def test_no_body_gets_a_server_error(body: object, bulk: bool) -> None:  # noqa: FBT001 - hypothesis draws it
    """Bytes, JSON of any shape, contexts of any type: an answer of the protocol, 200 or 400, always complete."""
    flag = Flag(
        key="f",
        active=True,
        exposure=50_000,
        stable={"a": 1},
        candidate={"a": 2},
        first_candidate={"a": 2},
        salt="s",
        allow=({"email": ("*@example.com",), "tier": ("a", "[b]*")},),
        block=({"org": ("1",)}, {"user": ("x*",)}),
    )
    app = ofrep_app(FlagSet([flag, replace(flag, key="g", unit="org")]))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = call(app, "POST", FLAGS_PATH if bulk else f"{FLAGS_PATH}/g.a", raw)
    results = response.json.get("flags", [response.json])
    assert response.status in {200, 400}
    assert all(one.get("reason") in REASONS or one["errorCode"] in ERRORS for one in results)
