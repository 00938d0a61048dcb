import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.asgi import App
from serving.track import Intake, track_app
from state.clock import Clock
from state.database import connect, migrate, sqlite_url
from state.events import Events
from state.step import step, submit
from state.store import Store
from tests.unit.serving.client import call, request
from tests.unit.serving.plans import PLAN

REQUEST = {"flag": "case-law-ai", "targetingKey": "u-1", "event": "request"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with one started rollout."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store = Store(engine, "flag server")
    now = Clock(store).now()
    submit(store, PLAN, "pm@example.com", now)
    step(store, "case-law-v24", now)
    yield store
    engine.dispose()


@pytest.fixture
def app(store: Store) -> App:
    return track_app(Intake(Events(store, Clock(store))), Counter())


def test_one_outcome_and_a_list_of_them_are_taken(app: App) -> None:
    """202 with the documented counts for either form."""
    nothing_odd = {"duplicates": 0, "late": 0, "refused": [], "unknown": []}
    one = call(app, "POST", "/v1/track", REQUEST)
    many = call(app, "POST", "/v1/track", [REQUEST, REQUEST | {"event": "error", "at": "2020-01-01T00:00:00+02:00"}])
    assert (202, {"accepted": 1} | nothing_odd) == (one.status, one.json)
    assert (202, 2) == (many.status, many.json["accepted"] + many.json["late"])
    assert 0 == call(app, "POST", "/v1/track", []).json["accepted"]


def test_a_bad_outcome_is_refused_alone(app: App) -> None:
    """Each refusal has the outcome's own place in the list and says what to put right."""
    bad: list[Any] = [
        7,
        {"flag": "case-law-ai"},
        REQUEST | {"event": ""},
        REQUEST | {"targetingKey": 5},
        REQUEST | {"event": "a\0b"},
        REQUEST | {"at": "2026-12-01T09:00:00"},
        REQUEST | {"at": "9999-12-31T23:59:59-12:00"},
        REQUEST | {"at": 1771622898},
        REQUEST | {"revision": True},
        REQUEST | {"revision": 2**40},
        REQUEST | {"value": "high"},
        REQUEST | {"context": [1]},
        {"flag": "case-law-ai", "event": "request"},
        REQUEST | {"flag": "nothing"},
    ]
    response = call(app, "POST", "/v1/track", [REQUEST, *bad, REQUEST])
    assert (202, 2) == (response.status, response.json["accepted"])
    assert list(range(1, len(bad) + 1)) == [one["index"] for one in response.json["refused"]]
    assert all(one["reason"] for one in response.json["refused"])


def test_an_unknown_event_is_told_with_the_likely_name(app: App) -> None:
    """A misspelt event is counted nowhere and the plan's own name is offered."""
    unknown = call(app, "POST", "/v1/track", REQUEST | {"event": "requests"}).json["unknown"]
    assert [{"event": "requests", "did_you_mean": "request"}] == unknown


def test_a_batch_sent_again_counts_once(app: App) -> None:
    """The same Idempotency-Key is a duplicate, whole."""
    first = call(app, "POST", "/v1/track", [REQUEST], idempotency_key="batch-1").json
    again = call(app, "POST", "/v1/track", [REQUEST], idempotency_key="batch-1").json
    assert (1, 0, 1) == (first["accepted"], again["accepted"], again["duplicates"])
    assert 400 == call(app, "POST", "/v1/track", [REQUEST], idempotency_key=" ").status


@pytest.mark.parametrize("body", [b"", b"{", b'"x"', b"[" * 10_000, json.dumps([REQUEST] * 1_001).encode()])
def test_a_body_without_outcomes_is_refused(app: App, body: bytes) -> None:
    """400 with the reason; other methods are 405."""
    response = call(app, "POST", "/v1/track", body)
    assert (400, {"error"}) == (response.status, set(response.json))
    assert 405 == call(app, "GET", "/v1/track").status


def test_requests_at_once_share_commits_and_keep_their_receipts(store: Store) -> None:
    """Forty requests in flight each get the receipt of their own batch."""
    app = track_app(Intake(Events(store, Clock(store))), Counter())

    async def flood() -> list[int]:
        bodies = [json.dumps([REQUEST] * size).encode() for size in range(1, 41)]
        answers = await asyncio.gather(*(request(app, "POST", "/v1/track", body, {}) for body in bodies))
        return [answer.json["accepted"] for answer in answers]

    assert list(range(1, 41)) == asyncio.run(flood())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OUTCOMES = st.fixed_dictionaries(
    {"flag": st.just("case-law-ai") | JSON_VALUES, "event": st.sampled_from(["request", "error", "x"]) | JSON_VALUES},
    optional={
        "targetingKey": st.text(max_size=3) | JSON_VALUES,
        "at": st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(str) | JSON_VALUES,
        "revision": st.integers(-1, 3) | JSON_VALUES,
        "value": JSON_VALUES,
        "context": st.dictionaries(st.sampled_from(["tier", "user", "org"]), JSON_VALUES) | JSON_VALUES,
    },
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OUTCOMES | JSON_VALUES, max_size=4) | OUTCOMES | st.binary(max_size=40))
def test_no_outcome_gets_a_server_error(app: App, body: object) -> None:
    """Whatever an application reports is taken or refused with a reason."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert call(app, "POST", "/v1/track", raw).status in {202, 400}
