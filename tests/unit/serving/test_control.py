import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollout.model import Verb
from serving.asgi import App
from serving.desk import Desk
from serving.house import furnished
from state.clock import Clock
from state.database import connect, migrate, sqlite_url
from state.step import step
from state.store import Store
from tests.unit.serving.client import Response, call
from tests.unit.serving.plans import PLAN

YAML = "application/yaml"
NAME = "/v1/rollouts/case-law-v24"
WHO = {"by": "pm@example.com", "reason": "because"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store = Store(engine, "flag server")
    yield Desk(store=store, clock=Clock(store), prefect="http://127.0.0.1:9/api")
    engine.dispose()


@pytest.fixture
def app(desk: Desk) -> App:
    return furnished(desk).app


def submit(app: App, text: str = PLAN) -> Response:
    """Hand a plan in."""
    return call(app, "POST", "/v1/rollouts", text.encode(), content_type=YAML)


def ask(app: App, verb: str, **words: Any) -> Response:
    """Give a command."""
    return call(app, "POST", f"{NAME}/commands", {"command": verb, **WHO, **words})


def test_a_plan_handed_in_twice_is_one_rollout(app: App) -> None:
    """201 the first time, 200 with the same digest the second."""
    first, second = submit(app), submit(app)
    assert (201, True, 200, False) == (first.status, first.json["created"], second.status, second.json["created"])
    assert first.json["digest"] == second.json["digest"]
    assert {"name", "digest", "created", "prefect_run", "url", "effect"} == set(first.json)


def test_a_rollout_is_read_in_the_documented_shape(app: App) -> None:
    """The list holds what the single address gives."""
    submit(app)
    one = call(app, "GET", NAME).json
    assert [one["name"]] == [found["name"] for found in call(app, "GET", "/v1/rollouts").json]
    documented = (
        "name flag status phase exposure settings revision since next blocked_by environment criteria prefect_url"
    )
    assert set(documented.split()) <= set(one)


def test_a_bad_plan_gets_every_problem_with_its_place(app: App) -> None:
    """422 with the problems of the file, and nothing stored."""
    response = submit(app, PLAN.replace("hold: 1d", "hold: soon").replace("bad: error", "bda: error"))
    assert 422 == response.status
    assert len(response.json["problems"]) >= 3
    assert {"line", "place", "message", "severity"} == set(response.json["problems"][0])
    assert [] == call(app, "GET", "/v1/rollouts").json


def test_a_check_stores_nothing(app: App) -> None:
    """`check` answers with the effect and leaves no rollout."""
    response = call(app, "POST", "/v1/rollouts", PLAN.encode(), content_type=YAML, query="check=true")
    assert (200, False) == (response.status, response.json["created"])
    assert [] == call(app, "GET", "/v1/rollouts").json


def test_another_plan_under_a_taken_name_is_refused(app: App) -> None:
    """409 saying what holds the name."""
    submit(app)
    response = submit(app, PLAN.replace("1%", "2%"))
    assert 409 == response.status
    assert "case-law-v24" in response.json["error"]


def test_an_unknown_rollout_is_not_found(app: App) -> None:
    """404 on every address below it, with the nearest name."""
    submit(app)
    paths = ("/v1/rollouts/case-law-v25", "/v1/rollouts/case-law-v25/journal", "/v1/rollouts/%00", "/v1/rollouts/é\0")
    assert [404] * 4 == [call(app, "GET", path).status for path in paths]
    assert "case-law-v24" in call(app, "GET", paths[0]).json["error"]
    assert 404 == call(app, "POST", "/v1/flags/nothing/kill", WHO).status


def test_a_command_answers_with_its_effect(app: App) -> None:
    """A hold is accepted, journaled with its author, and shown."""
    submit(app)
    response = ask(app, "hold")
    assert (200, True) == (response.status, response.json["accepted"])
    assert {"name", "accepted", "revision", "effect"} == set(response.json)
    last = call(app, "GET", f"{NAME}/journal").json[-1]
    assert ("hold", "person", "pm@example.com") == (last["transition"], last["cause"], last["by"])
    assert {"revision", "at", "transition", "cause", "by", "reason", "from", "to", "evidence"} <= set(last)
    assert "held" == call(app, "GET", NAME).json["status"]


def test_a_checked_command_changes_nothing(app: App) -> None:
    """The effect is told, the revision stays."""
    submit(app)
    before = call(app, "GET", NAME).json["revision"]
    assert ask(app, "abort", check=True).json["effect"].startswith("would")
    assert before == call(app, "GET", NAME).json["revision"]


def test_a_stale_command_is_refused(app: App) -> None:
    """A command that saw another revision is 409 and says which one is true."""
    submit(app)
    response = ask(app, "hold", revision=99)
    assert 409 == response.status
    assert "99" in response.json["error"]


def test_settings_reach_the_candidate(app: App) -> None:
    """`set` carries its settings, and refuses the wrong kind."""
    submit(app)
    assert ask(app, "set", settings={"min_confidence": 0.8}).json["accepted"]
    assert 0.8 == call(app, "GET", NAME).json["settings"]["min_confidence"]
    assert 409 == ask(app, "set", settings={"min_confidence": "high"}).status


def test_kill_and_restore_turn_the_switch(app: App) -> None:
    """Both answer with the flag's new version and what that does."""
    submit(app)
    killed = call(app, "POST", "/v1/flags/case-law-ai/kill", WHO).json
    restored = call(app, "POST", "/v1/flags/case-law-ai/restore", WHO).json
    assert (False, True) == (killed["enabled"], restored["enabled"])
    assert killed["version"] < restored["version"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"command": "hold"}, "by"),
        ({"command": "hold", "by": ""}, "by"),
        ({"command": "hold", "by": "a\0b"}, "by"),
        ({"command": "hold", "by": "\u202egnp"}, "by"),
        ({"command": "dance", "by": "x"}, "command"),
        ({"command": "hold", "by": "x", "revision": -1}, "revision"),
        ({"command": "hold", "by": "x", "revision": 10**30}, "revision"),
        ({"command": "hold", "by": "x", "surprise": 1}, "surprise"),
        ([], ""),
    ],
)
def test_a_misshapen_command_is_told_where(app: App, body: object, place: str) -> None:
    """400 naming the place; the store never sees it."""
    response = call(app, "POST", f"{NAME}/commands", json.dumps(body).encode())
    assert (400, place) == (response.status, response.json["place"])


@pytest.mark.parametrize("body", [b"", b"{", b'{"by":"\\ud800"}', b"[" * 100_000, b'{"a":NaN}', b"\xff"])
def test_a_body_that_is_not_json_is_refused(app: App, body: bytes) -> None:
    """400, however deep or broken."""
    assert 400 == call(app, "POST", "/v1/flags/x/kill", body).status


def test_the_clock_takes_reports_only_where_it_is_accelerated(app: App, desk: Desk) -> None:
    """409 on a real clock; on an accelerated one the report is what it may run to."""
    body = {"reported_until": "2026-12-01T12:00:00Z"}
    assert "real" == call(app, "GET", "/v1/clock").json["kind"]
    assert 409 == call(app, "POST", "/v1/clock", body).status
    desk.clock.accelerate(desk.clock.real(), 1000.0)
    assert "accelerated" == call(app, "POST", "/v1/clock", body).json["kind"]
    assert "2026-12-01T12:00:00+00:00" == str(desk.store.ticks().reported_until).replace(" ", "T")
    assert 400 == call(app, "POST", "/v1/clock", {"reported_until": "9999-12-31T23:59:59-12:00"}).status
    assert 400 == call(app, "POST", "/v1/clock", {"reported_until": "2026-12-01T12:00:00"}).status


def test_health_names_what_is_missing(app: App) -> None:
    """With nothing but the store there, 503 says so part by part."""
    response = call(app, "GET", "/healthz")
    assert (503, False, "ok") == (response.status, response.json["ok"], response.json["database"])
    assert ["prefect", "runner", "deployments", "guard"] == response.json["missing"]


def test_metrics_are_prometheus_text(app: App) -> None:
    """The page lists evaluations by kind and every flag's exposure."""
    text = call(app, "GET", "/metrics").body.decode()
    assert 'sluice_evaluations_total{kind="single"} 0.0' in text


def test_metrics_and_status_tell_of_notices_that_nobody_got(app: App) -> None:
    """What waits by channel, what was given up; a rollout of which everybody was told says nothing."""
    submit(app)
    ask(app, "hold", reason="looks odd")
    assert 'sluice_notices_waiting{channel="prefect"}' in call(app, "GET", "/metrics").body.decode()
    assert call(app, "GET", NAME).json["untold"] == []


def test_the_page_escapes_what_people_wrote(app: App) -> None:
    """A reason with markup in it stays text."""
    submit(app)
    ask(app, "hold", reason="<script>alert(1)</script>")
    page = call(app, "GET", "/")
    assert "<script>" not in page.body.decode()
    assert "&lt;script&gt;" in page.body.decode()
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_api_describes_itself(app: App) -> None:
    """OpenAPI lists every documented address."""
    paths = call(app, "GET", "/openapi.json").json["paths"]
    assert {
        "/v1/rollouts",
        "/v1/rollouts/{name}",
        "/v1/rollouts/{name}/journal",
        "/v1/rollouts/{name}/commands",
        "/v1/flags/{key}/kill",
        "/v1/flags/{key}/restore",
        "/healthz",
        "/metrics",
        "/v1/clock",
    } <= set(paths)
    assert 200 == call(app, "GET", "/docs").status


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
VERBS = [str(verb) for verb in Verb]
COMMANDS = st.fixed_dictionaries(
    {"command": st.sampled_from(VERBS), "by": st.just("x") | st.text(max_size=3)},
    optional={
        "reason": st.text(max_size=5),
        "revision": JSON_VALUES,
        "question": JSON_VALUES,
        "phase": st.sampled_from(["alpha", "ga", "", "x"]) | JSON_VALUES,
        "duration": st.sampled_from(["1d", "99999999999d", "-1d", ""]) | JSON_VALUES,
        "settings": st.dictionaries(st.sampled_from(["model", "min_confidence", "x"]), JSON_VALUES) | JSON_VALUES,
        "check": st.booleans() | JSON_VALUES,
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMANDS, min_size=1, max_size=4), st.binary(max_size=60) | st.text(max_size=60))
def test_nothing_a_client_sends_is_a_server_error(
    desk: Desk, commands: list[dict[str, Any]], noise: bytes | str
) -> None:
    """Commands of any shape and plans of any text: 2xx or 4xx with an `error`, and the rollout stays readable."""
    app = furnished(desk).app
    submit(app)
    answers = [call(app, "POST", f"{NAME}/commands", json.dumps(body).encode()) for body in commands]
    text = noise if isinstance(noise, bytes) else noise.encode(errors="surrogatepass")
    answers += [call(app, "POST", "/v1/rollouts", text, content_type=YAML), call(app, "GET", NAME)]
    assert all(one.status < 500 for one in answers)
    assert all("error" in one.json for one in answers if one.status >= 400)
    assert 200 == answers[-1].status


def test_who_tells_the_past_the_present_and_the_forecast(app: App) -> None:
    """A user outside the exposure learns when the plan lets them in; a time without a zone is refused."""
    submit(app)
    asked = {"unit": "u-9", "context": {"tier": "free"}}
    told = call(app, "POST", "/v1/flags/case-law-ai/who", asked).json
    assert {"variant", "bucket", "exposure", "why", "since", "joins"} == set(told)
    assert "stable" == told["variant"]
    assert told["joins"] is not None
    later = call(app, "POST", "/v1/flags/case-law-ai/who", {**asked, "at": "2030-01-01T00:00:00Z"}).json
    assert later["joins"] is None
    assert call(app, "POST", "/v1/flags/case-law-ai/who", {**asked, "at": "2030-01-01T00:00:00"}).status == 400
    assert call(app, "POST", "/v1/flags/nobodys/who", asked).status == 404


def test_a_unit_is_put_on_a_list_and_who_says_by_whom(app: App) -> None:
    """Allowed, blocked, taken off: what it gets and why, in the words of the person; refusals say the remedy."""
    submit(app)
    ask(app, "hold")
    flag = "/v1/flags/case-law-ai"
    done = call(app, "POST", f"{flag}/block", {"unit": "u-42", **WHO})
    assert (200, "case-law-ai", "u-42", True) == (
        done.status,
        done.json["flag"],
        done.json["unit"],
        done.json["accepted"],
    )
    assert "u-42 keeps stable" in done.json["effect"]
    assert 409 == call(app, "POST", f"{flag}/block", {"unit": "u-42", **WHO}).status
    assert 409 == call(app, "POST", f"{flag}/allow", {"unit": "u-42", "by": "pm"}).status
    assert 400 == call(app, "POST", f"{flag}/allow", {"unit": "", **WHO}).status
    assert 404 == call(app, "POST", "/v1/flags/nothing/allow", {"unit": "u-42", **WHO}).status
    assert 200 == call(app, "POST", f"{flag}/unlist", {"unit": "u-42", **WHO}).status
    assert ["block", "unlist"] == [entry["transition"] for entry in call(app, "GET", f"{NAME}/journal").json][-2:]


def test_who_names_the_person_that_put_a_unit_on_a_list(app: App, desk: Desk) -> None:
    """For as long as it is on it, and for the past too."""
    submit(app)
    step(desk.store, "case-law-v24", desk.clock.now())
    flag = "/v1/flags/case-law-ai"
    call(app, "POST", f"{flag}/allow", {"unit": "u-42", **WHO})
    told = call(app, "POST", f"{flag}/who", {"unit": "u-42"}).json
    assert ("candidate", "on the allow list, put there by pm@example.com: because") == (told["variant"], told["why"])
    call(app, "POST", f"{flag}/unlist", {"unit": "u-42", **WHO})
    assert "bucket" in call(app, "POST", f"{flag}/who", {"unit": "u-42"}).json["why"]
    assert "pm@example.com" in call(app, "POST", f"{flag}/who", {"unit": "u-42", "at": told["since"]}).json["why"]


def test_a_plan_is_amended_at_once_or_once_approved(app: App) -> None:
    """The difference comes with the answer; what is looser waits for its digest; refusals say why."""
    submit(app)
    tighter = PLAN.replace("2x control", "1.5x control")
    query = "reason=because&by=pm"
    checked = amend(app, tighter, f"{query}&check=true").json
    assert ("stricter", 0) == (checked["changes"][0]["effect"], call(app, "GET", NAME).json["revision"])
    done = amend(app, tighter, query).json
    assert {"name", "accepted", "revision", "effect", "digest", "changes", "waits"} == set(done)
    assert tighter == call(app, "GET", f"{NAME}/plan").body.decode()
    looser = amend(app, PLAN, query).json
    assert (False, True) == (done["waits"], looser["waits"])
    status = call(app, "GET", NAME).json
    assert (done["digest"], looser["digest"]) == (status["digest"], status["proposal"]["digest"])
    approval = {"digest": looser["digest"][:12], "by": "lead", "reason": "agreed"}
    assert 200 == call(app, "POST", f"{NAME}/amend/approve", approval).status
    assert (looser["digest"], None) == tuple(call(app, "GET", NAME).json[key] for key in ("digest", "proposal"))
    assert 409 == call(app, "POST", f"{NAME}/amend/approve", approval).status


def test_an_amendment_that_makes_no_sense_is_refused(app: App) -> None:
    """A bad plan, a fixed part, no reason, no plan at all, no such rollout."""
    submit(app)
    query = "reason=because"
    answers = [
        amend(app, PLAN.replace("hold: 1d", "hold: soon"), query),
        amend(app, PLAN.replace("v2.4", "v2.5"), query),
        amend(app, PLAN.replace("2x control", "1.5x control"), ""),
        ask(app, "amend"),
        call(app, "POST", "/v1/rollouts/nothing/amend", PLAN.encode(), content_type=YAML, query=query),
        call(app, "POST", f"{NAME}/amend/approve", {"digest": "nonsense", "by": "pm"}),
    ]
    assert [422, 409, 409, 409, 404, 400] == [answer.status for answer in answers]
    assert ["start"] == [entry["transition"] for entry in call(app, "GET", f"{NAME}/journal").json]


def amend(app: App, text: str, query: str) -> Response:
    """Hand in an edited plan."""
    return call(app, "POST", f"{NAME}/amend", text.encode(), content_type=YAML, query=query)
