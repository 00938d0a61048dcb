"""The board for a signed-in person: a cookie for a key, buttons for its scopes, presses on what was seen."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
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

PAGE = "/rollouts/case-law-v24"
ORIGIN = "http://127.0.0.1:8800"
FORM = "application/x-www-form-urlencoded"
HTML = {"accept": "text/html"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store = Store(engine, "flag server")
    desk = Desk(store=store, clock=Clock(store))
    desk.submit(PLAN, "plan.yaml", "pm", check=False)
    step.step(store, "case-law-v24", desk.clock.now())
    yield desk
    engine.dispose()


def sign_in(desk: Desk, *scopes: Scope) -> tuple[App, str]:
    """A server with one key more, and the cookie of the person who pasted it."""
    name = f"person-{len(desk.store.keys())}"
    secret = desk.store.create_key(name, f"{name}@example.com", scopes, "test", wall())[1]
    app = furnished(desk).app
    answer = send(app, "/sign-in", key=f" {secret}\n", next=PAGE)
    assert (303, PAGE) == (answer.status, answer.headers["location"])
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert secret not in cookie
    return app, cookie.partition(";")[0]


def send(app: App, path: str, cookie: str = "", origin: str | None = ORIGIN, **fields: Any) -> Response:
    """A form sent from a page of the board."""
    headers = {"content_type": FORM, "cookie": cookie} | ({"origin": origin} if origin else {})
    return call(app, "POST", path, urlencode(fields).encode(), **headers)


def press(app: App, cookie: str, verb: str, **fields: Any) -> Response:
    """A button pressed on revision 1, before any question."""
    sent: dict[str, Any] = {"verb": verb, "revision": 1, "question": 0, "reason": "x"}
    return send(app, f"{PAGE}/press", cookie, **(sent | fields))


def buttons(app: App, cookie: str) -> list[str]:
    """What the page offers."""
    page = call(app, "GET", PAGE, cookie=cookie, **HTML).body.decode()
    return re.findall(r'name="verb" value="(\w+)"', page)


def test_a_reader_without_a_session_is_shown_the_way_in(desk: Desk) -> None:
    """A page leads to the form and back; a made-up cookie is no session."""
    app, _ = sign_in(desk, Scope.ADMIN)
    for cookie in ("", "sluice=x.1.y", "sluice=", "=;;é"):
        away = call(app, "GET", PAGE, cookie=cookie, **HTML)
        assert (303, f"/sign-in?next={PAGE}") == (away.status, away.headers["location"])
    assert "Your key" in call(app, "GET", "/sign-in", query=f"next={PAGE}").body.decode()


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "", "/\n"]
)
def test_signing_in_leads_nowhere_else(desk: Desk, to: str) -> None:
    """A link cannot send a person who signs in to somebody else's page."""
    secret = desk.store.create_key("a", "a@example.com", [Scope.ADMIN], "test", wall())[1]
    assert "/" == send(furnished(desk).app, "/sign-in", key=secret, next=to).headers["location"]


def test_a_wrong_key_is_told_and_gives_no_cookie(desk: Desk) -> None:
    """As is one that cannot look at rollouts."""
    sign_in(desk, Scope.ADMIN)
    blind = desk.store.create_key("app", None, [Scope.FLAGS_READ], "test", wall())[1]
    answers = [send(furnished(desk).app, "/sign-in", key=key) for key in ("nonsense", blind, "")]
    assert [(403, False)] * 3 == [(answer.status, "set-cookie" in answer.headers) for answer in answers]


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([Scope.ROLLOUTS_READ], []),
        ([Scope.ROLLOUTS_SUBMIT], []),
        ([Scope.ROLLOUTS_ABORT], ["hold", "abort", "kill"]),
        ([Scope.ROLLOUTS_APPROVE], ["hold", "abort", "kill"]),
        ([Scope.ADMIN], ["hold", "abort", "kill"]),
    ],
)
def test_a_running_rollout_offers_what_the_key_allows(desk: Desk, scopes: list[Scope], expected: list[str]) -> None:
    """Nothing that would be refused is offered; a reader sees no button at all."""
    assert expected == buttons(*sign_in(desk, *scopes))


def test_a_held_rollout_is_resumed_by_who_may_approve_alone(desk: Desk) -> None:
    """Holding needs less right than letting go on, and the refusal is 403 whatever a page offered."""
    app, careful = sign_in(desk, Scope.ROLLOUTS_ABORT)
    assert 303 == press(app, careful, "hold").status
    assert ["abort", "kill"] == buttons(app, careful)
    assert 403 == press(app, careful, "resume", revision=2).status
    app, approver = sign_in(desk, Scope.ROLLOUTS_APPROVE)
    assert ["resume", "abort", "kill"] == buttons(app, approver)
    done = press(app, approver, "resume", revision=2)
    assert (303, f"{PAGE}?did=3") == (done.status, done.headers["location"])
    assert "Resume: done, revision 3" in call(app, "GET", PAGE, query="did=3", cookie=approver, **HTML).body.decode()
    assert "person-1@example.com" == desk.store.journal("case-law-v24")[-1].by


def test_a_press_on_what_has_changed_does_nothing_and_says_so(desk: Desk) -> None:
    """409 with the words and the reason that was typed; nothing is journaled."""
    app, cookie = sign_in(desk, Scope.ADMIN)
    press(app, cookie, "hold")
    for verb, fields in (("resume", {"revision": 1}), ("approve", {"question": 7}), ("restore", {"revision": 1})):
        answer = press(app, cookie, verb, reason="<i>I saw</i>", **fields)
        assert 409 == answer.status, verb
        assert "Nothing was changed" in answer.body.decode()
        assert "&lt;i&gt;I saw&lt;/i&gt;" in answer.body.decode()
    assert 2 == desk.store.rollout("case-law-v24").state.revision


@pytest.mark.parametrize("verb", ["abort", "hold", "kill"])
def test_taking_exposure_back_is_never_too_late(desk: Desk, verb: str) -> None:
    """These count whatever has happened since the page was shown."""
    app, cookie = sign_in(desk, Scope.ROLLOUTS_ABORT)
    assert 303 == press(app, cookie, verb, revision=0).status
    assert Verb(verb) is desk.store.journal("case-law-v24")[-1].verb


def test_kill_and_restore_turn_the_switch_alone(desk: Desk) -> None:
    """The rollout stays as it is, and the journal has both with the reason."""
    app, cookie = sign_in(desk, Scope.ADMIN)
    press(app, cookie, "kill", reason="smoke")
    state = desk.store.rollout("case-law-v24").state
    assert (Status.RUNNING, True, "smoke") == (
        state.status,
        state.killed,
        desk.store.journal("case-law-v24")[-1].reason,
    )
    assert "restore" in buttons(app, cookie)
    press(app, cookie, "restore", revision=2)
    assert not desk.store.rollout("case-law-v24").state.killed


@pytest.mark.parametrize("verb", ["abort", "resume", "kill"])
def test_what_ends_or_overrules_wants_a_reason(desk: Desk, verb: str) -> None:
    """An empty one is refused before anything is asked of the rollout."""
    app, cookie = sign_in(desk, Scope.ADMIN)
    assert 409 == press(app, cookie, verb, reason=" ").status
    assert 1 == desk.store.rollout("case-law-v24").state.revision


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_only_a_page_of_the_board_presses(desk: Desk, origin: str | None) -> None:
    """A cookie counts with the board's own origin alone, for presses and for commands as JSON."""
    app, cookie = sign_in(desk, Scope.ADMIN)
    fields = {"verb": "abort", "revision": 1, "question": 0, "reason": "x"}
    assert send(app, f"{PAGE}/press", cookie, origin, **fields).status in {401, 403}
    headers = {"cookie": cookie} | ({"origin": origin} if origin else {})
    asked = {"command": "abort"}
    assert call(app, "POST", "/v1/rollouts/case-law-v24/commands", asked, **headers).status in {401, 403}
    assert Status.RUNNING is desk.store.rollout("case-law-v24").state.status


def test_what_no_form_sends_is_a_mistake_and_no_crash(desk: Desk) -> None:
    """An unknown verb, missing fields, JSON where a form belongs, and a form where JSON does."""
    app, cookie = sign_in(desk, Scope.ADMIN)
    assert 400 == press(app, cookie, "complete").status
    assert 400 == send(app, f"{PAGE}/press", cookie, verb="abort").status
    assert 404 == send(app, "/rollouts/nobody/press", cookie, verb="abort", revision=1, question=0, reason="x").status
    assert 415 == call(app, "POST", f"{PAGE}/press", {}, cookie=cookie, origin=ORIGIN).status
    assert 415 == send(app, "/v1/rollouts/case-law-v24/commands", cookie, command="abort").status


def test_a_session_ends_with_its_key_and_on_signing_out(desk: Desk) -> None:
    """Revoking the key signs every browser out."""
    app, cookie = sign_in(desk, Scope.ADMIN)
    assert "Max-Age=0" in send(app, "/sign-out", cookie).headers["set-cookie"]
    desk.store.create_key("other", None, [Scope.ADMIN], "test", wall())
    desk.store.revoke_key("person-0", "test", wall())
    assert 303 == call(furnished(desk).app, "GET", PAGE, cookie=cookie, **HTML).status


def test_without_keys_the_board_only_reads(desk: Desk) -> None:
    """Open loopback shows everything, offers nothing, and refuses a press that was made up."""
    app = furnished(desk).app
    assert [] == buttons(app, "")
    assert 403 == press(app, "", "abort").status
    assert "There are no keys yet" in call(app, "GET", "/sign-in").body.decode()
