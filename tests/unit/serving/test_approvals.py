"""Who may approve over HTTP and on the board: the person of a key, or with no keys whoever says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from rollout.model import Status, Verb
from serving.asgi import App
from serving.desk import Desk
from serving.house import furnished
from state import step
from state.clock import Clock, wall
from state.credentials import Scope
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.unit.serving.client import Response, call
from tests.unit.serving.plans import PLAN

NAME = "case-law-v24"
COMMANDS = f"/v1/rollouts/{NAME}/commands"
PAGE = f"/rollouts/{NAME}"
ORIGIN = "http://127.0.0.1:8800"
RULES = "approvers: [ana@x, bo@x, cy@x]\napprovals: 2\nrequester_may_approve: false\n"
STRICT = PLAN.replace("hold: 1d}", "hold: 1d, approval: {required: true, expires: 3d}}", 1) + RULES
START = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A rollout that bo submitted, waiting for two approvals."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store, now = Store(engine, "flag server"), [START]
    desk = Desk(store=store, clock=Clock(store, lambda: now[0]))
    desk.submit(STRICT, "plan.yaml", "bo", check=False, person="bo@x")
    step.step(store, NAME, now[0])
    now[0] += timedelta(days=1)
    step.step(store, NAME, now[0])
    assert Status.AWAITING_APPROVAL is store.rollout(NAME).state.status
    yield desk
    engine.dispose()


def key(desk: Desk, person: str | None, *scopes: Scope) -> str:
    """A new key's secret."""
    name = f"key-{len(desk.store.keys())}"
    return desk.store.create_key(name, person, scopes or [Scope.ROLLOUTS_APPROVE], "test", wall())[1]


def approve(app: App, secret: str = "", **said: str) -> Response:
    """An approval over HTTP."""
    headers = {"x_api_key": secret} if secret else {}
    return call(app, "POST", COMMANDS, {"command": "approve", **said}, **headers)


def test_an_approval_counts_for_the_person_of_the_key_whatever_name_is_claimed(desk: Desk) -> None:
    """Claiming to be an approver helps nobody, nor does a service's key, nor one's own twice."""
    ana, cy, eve, ci, bo = (key(desk, who) for who in ("Ana@x", "cy@x", "eve@x", None, "bo@x"))
    app = furnished(desk).app
    for secret, words in ((eve, "not one of the approvers"), (ci, "nobody vouches"), (bo, "may not approve it")):
        answer = approve(app, secret, by="ana@x")
        assert (409, True) == (answer.status, words in answer.json["error"])
    first = approve(app, ana)
    assert "1 of 2 approvals (Ana@x); cy@x may approve" == first.json["effect"]
    assert "approved this already" in approve(app, ana, by="cy@x").json["error"]
    shape = call(app, "GET", f"/v1/rollouts/{NAME}", x_api_key=ana).json["approval"]
    assert (["Ana@x"], 2, "bo@x", "hold") == tuple(
        shape[name] for name in ("approved_by", "approvals", "excluded", "then")
    )
    assert approve(app, cy).json["accepted"]
    assert desk.store.rollout(NAME).state.approved


def test_without_keys_everybody_is_taken_at_their_word(desk: Desk) -> None:
    """Loopback is open: a name is enough, and no name is nobody."""
    app = furnished(desk).app
    assert "not one of" in approve(app, by="eve@x").json["error"]
    assert "may not approve" in approve(app, by="bo@x").json["error"]
    assert [200, 200] == [approve(app, by=who).status for who in ("ana@x", "cy@x")]
    assert desk.store.rollout(NAME).state.approved


@pytest.mark.parametrize("verb", ["abort", "hold"])
@pytest.mark.parametrize("person", ["eve@x", "bo@x", None])
def test_nobody_is_kept_from_stopping_by_what_a_plan_says_of_approvers(
    desk: Desk, verb: str, person: str | None
) -> None:
    """A key that may abort does, whoever holds it: no approver, the requester, a service. So does a kill."""
    secret = key(desk, person, Scope.ROLLOUTS_ABORT)
    app = furnished(desk).app
    assert 200 == call(app, "POST", "/v1/flags/case-law-ai/kill", {"reason": "x"}, x_api_key=secret).status
    assert 200 == call(app, "POST", COMMANDS, {"command": verb, "reason": "x"}, x_api_key=secret).status
    assert desk.store.rollout(NAME).state.status in {Status.HELD, Status.REVERTED}


def test_check_says_what_an_approval_would_come_to_for_this_person(desk: Desk) -> None:
    """And changes nothing."""
    app = furnished(desk).app
    body = {"command": "approve", "check": True}
    assert "1 of 2" in call(app, "POST", COMMANDS, body | {"by": "ana@x"}).json["effect"]
    assert 409 == call(app, "POST", COMMANDS, body | {"by": "eve@x"}).status
    assert () == desk.store.rollout(NAME).state.approved_by


def test_an_amendment_over_http_is_approved_by_the_same_people(desk: Desk) -> None:
    """The person of the key asks for it and may not approve it; two others may."""
    ana, bo, cy = (key(desk, who, Scope.ADMIN) for who in ("ana@x", "bo@x", "cy@x"))
    app, looser = furnished(desk).app, STRICT.replace("> 2x control", "> 3x control")
    asked = {"content_type": "application/yaml", "x_api_key": ana}
    path = f"/v1/rollouts/{NAME}/amend"
    told = call(app, "POST", path, looser.encode(), "reason=because", **asked).json
    assert "0 of 2 approvals; bo@x or cy@x may approve" in told["effect"]
    body = {"digest": told["digest"]}
    answers = [call(app, "POST", f"{path}/approve", body, x_api_key=secret).status for secret in (ana, bo, bo, cy)]
    assert [409, 200, 409, 200] == answers
    assert told["digest"] == desk.store.rollout(NAME).digest


def test_a_submission_belongs_to_the_person_of_the_key(desk: Desk) -> None:
    """Who submits a plan that they could not approve is told so, when checking too."""
    secret = key(desk, "ana@x", Scope.ADMIN)
    app = furnished(desk).app
    alone = STRICT.replace("case-law", "alone").replace("approvals: 2", "approvals: 3")
    asked = {"content_type": "application/yaml", "x_api_key": secret}
    for query in ("check=true", ""):
        answer = call(app, "POST", "/v1/rollouts", alone.encode(), query, **asked)
        assert (409, True) == (answer.status, "let somebody else submit it" in answer.json["error"])
    mine = STRICT.replace("case-law", "mine")
    assert 201 == call(app, "POST", "/v1/rollouts", mine.encode(), **asked).status
    assert "ana@x" == desk.store.rollout("mine-v24").state.requester


def signed_in(app: App, secret: str) -> str:
    """The cookie of whoever pasted this key."""
    headers = {"content_type": "application/x-www-form-urlencoded", "origin": ORIGIN}
    answer = call(app, "POST", "/sign-in", urlencode({"key": secret, "next": PAGE}).encode(), **headers)
    return answer.headers["set-cookie"].partition(";")[0]


def page(app: App, cookie: str) -> str:
    """The rollout's page as this person sees it, without markup."""
    body = call(app, "GET", PAGE, cookie=cookie, accept="text/html").body.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def press(app: App, cookie: str, desk: Desk, **more: str) -> Response:
    """The Approve button, or another, on the page as it is now."""
    state = desk.store.rollout(NAME).state
    fields = {"verb": "approve", "revision": state.revision, "question": state.question, "reason": ""} | more
    headers = {"content_type": "application/x-www-form-urlencoded", "origin": ORIGIN, "cookie": cookie}
    return call(app, "POST", f"{PAGE}/press", urlencode(fields).encode(), **headers)


def test_the_board_says_who_may_approve_and_offers_it_to_nobody_else(desk: Desk) -> None:
    """An approver has the button; others learn the rule instead, and a press that was made up is refused with it."""
    app = furnished(desk).app
    seen = page(app, "")
    assert "It takes 2 of ana@x, bo@x, cy@x, but not whoever asks for it." in seen
    assert "0 of 2 approvals; ana@x or cy@x may approve." in seen
    assert "The question lapses Sat 5 Dec 09:00 UTC, then hold." in seen
    secrets = [key(desk, who) for who in ("ana@x", "eve@x", "cy@x")]
    app = furnished(desk).app
    ana, eve, cy = (signed_in(app, secret) for secret in secrets)
    assert "Approve…" in page(app, ana)
    assert "1 of 2 approvals" in page(app, ana)
    assert "Approve…" not in page(app, eve)
    assert "You cannot approve this: eve@x is not one of the approvers; ana@x or cy@x may approve." in page(app, eve)
    refused = press(app, eve, desk)
    assert (409, True) == (refused.status, b"eve@x is not one of the approvers" in refused.body)
    assert 303 == press(app, ana, desk).status
    assert "1 of 2 approvals (ana@x); cy@x may approve." in page(app, cy)
    assert "Approve…" not in page(app, ana)
    assert "ana@x has approved this already" in page(app, ana)
    assert 303 == press(app, cy, desk).status
    assert [Verb.APPROVE] * 2 == [entry.verb for entry in desk.store.journal(NAME)][-2:]


def test_the_board_offers_an_amendment_that_waits_to_whoever_may_approve_it(desk: Desk) -> None:
    """With its changes; exactly what the page showed is agreed to, and by nobody whose yes would not count."""
    ana, bo, cy = (key(desk, who, Scope.ADMIN) for who in ("ana@x", "bo@x", "cy@x"))
    submitter, eve = key(desk, "bo@x", Scope.ROLLOUTS_SUBMIT), key(desk, "eve@x", Scope.ADMIN)
    app, looser = furnished(desk).app, STRICT.replace("> 2x control", "> 3x control")
    assert "Amend…" not in page(app, signed_in(app, bo)), "none waits"
    asked = {"content_type": "application/yaml", "x_api_key": ana}
    told = call(app, "POST", f"/v1/rollouts/{NAME}/amend", looser.encode(), "reason=because", **asked).json
    asker, reader, other, first, second = (signed_in(app, secret) for secret in (ana, submitter, eve, bo, cy))
    assert [False] * 3 == ["Amend…" in page(app, who) for who in (asker, reader, other)]
    change = "error_rate &gt; 2x control -&gt; error_rate &gt; 3x control (looser)"
    assert f"1 of 2 approvals (bo@x); cy@x may approve: stop.criteria (error_rate &gt; 3x control): {change}" in page(
        app, first
    )
    yes = {"verb": "amend", "digest": told["digest"]}
    assert [409, 403, 409] == [press(app, who, desk, **yes).status for who in (asker, reader, other)]
    assert [409, 409] == [press(app, first, desk, verb="amend", digest=wrong).status for wrong in ("", "0" * 64)]
    assert (
        f'name="digest" value="{told["digest"]}"'
        in call(app, "GET", PAGE, cookie=first, accept="text/html").body.decode()
    )
    assert 303 == press(app, first, desk, **yes).status
    assert "Amend…" not in page(app, first)
    assert "In force at once" in page(app, second)
    assert 303 == press(app, second, desk, **yes).status
    assert told["digest"] == desk.store.rollout(NAME).digest
