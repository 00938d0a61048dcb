import pytest

from serving.app import routed
from serving.asgi import MAX_BODY, App, Receive, Scope, Send, json_answer, read_body
from serving.guard import Guard
from tests.unit.serving.client import call


def named(name: str) -> App:
    """An application that answers with its name and how much it was sent."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await json_answer(200, {"app": name, "read": len(await read_body(receive))})(send)

    return app


APP = routed(Guard(frozenset({"flags.internal"})), named("ofrep"), named("track"), named("control"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ofrep/v1/evaluate/flags", "ofrep"),
        ("/v1/track", "track"),
        ("/v1/track/", "control"),
        ("/v1/rollouts", "control"),
        ("/", "control"),
    ],
)
def test_a_request_goes_where_it_belongs(path: str, expected: str) -> None:
    """Evaluations and outcomes have paths of their own; everything else is control."""
    assert {"app": expected, "read": 2} == call(APP, "POST", path, {}).json


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8800", "[::1]:8800", "LOCALHOST:1", "flags.internal:80"])
def test_our_own_names_are_answered(host: str) -> None:
    """Loopback in any spelling and the name the server is reached by."""
    assert call(APP, "GET", "/", host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost@evil.example", "é"])
@pytest.mark.parametrize("path", ["/", "/v1/track", "/ofrep/v1/evaluate/flags"])
def test_a_foreign_host_is_refused(path: str, host: str) -> None:
    """DNS rebinding reaches nothing, flags included."""
    assert call(APP, "POST", path, {}, host=host).status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1:9999", "file://127.0.0.1:8800"]
)
def test_a_page_of_another_origin_moves_nothing(origin: str) -> None:
    """Control and outcomes answer pages of this very server only."""
    assert [403, 403] == [call(APP, "POST", path, {}, origin=origin).status for path in ("/v1/rollouts", "/v1/track")]
    assert call(APP, "POST", "/v1/rollouts", {}, origin="http://127.0.0.1:8800").status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
def test_only_json_and_yaml_are_taken(kind: str) -> None:
    """What a plain HTML form can send is 415."""
    assert [415, 415] == [
        call(APP, "POST", path, {}, content_type=kind).status for path in ("/v1/rollouts", "/v1/track")
    ]
    assert call(APP, "POST", "/v1/rollouts", {}, content_type="Application/YAML; charset=utf-8").status == 200


def test_a_body_over_a_mebibyte_is_not_read_on() -> None:
    """Exactly a mebibyte passes, one byte more is 413."""
    assert call(APP, "POST", "/v1/track", b" " * MAX_BODY).json == {"app": "track", "read": MAX_BODY}
    assert call(APP, "POST", "/v1/track", b" " * (MAX_BODY + 1)).status == 413
