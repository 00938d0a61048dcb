"""Every route against every scope, no key, a revoked key and a made-up one; and what a key says of who asks."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.model import Verb
from serving.access import ROUTES, Without, need
from serving.asgi import App
from serving.desk import Desk
from serving.house import House, furnished
from serving.keyring import Keyring, Lock, Purpose
from state.clock import Clock, wall
from state.credentials import Key, Scope
from state.database import connect, migrate, sqlite_url
from state.store import Store
from tests.unit.serving.client import Response, call
from tests.unit.serving.plans import PLAN

NAME = "/v1/rollouts/case-law-v24"
FLAG = "/v1/flags/case-law-ai"
READ = {Scope.ROLLOUTS_READ, Scope.ROLLOUTS_SUBMIT, Scope.ROLLOUTS_APPROVE, Scope.ROLLOUTS_ABORT, Scope.ADMIN}
SUBMIT = {Scope.ROLLOUTS_SUBMIT, Scope.ADMIN}
APPROVE = {Scope.ROLLOUTS_APPROVE, Scope.ADMIN}
ABORT = {Scope.ROLLOUTS_ABORT, Scope.ROLLOUTS_APPROVE, Scope.ADMIN}
ANYONE = set(Scope)
EXPECTED: dict[tuple[str, str], set[Scope]] = {
    ("POST", "/ofrep/v1/evaluate/flags"): {Scope.FLAGS_READ, Scope.ADMIN},
    ("POST", "/ofrep/v1/evaluate/flags/case-law-ai"): {Scope.FLAGS_READ, Scope.ADMIN},
    ("GET", "/ofrep/v1/stream"): {Scope.FLAGS_READ, Scope.ADMIN},
    ("POST", "/v1/track"): {Scope.TRACK, Scope.ADMIN},
    ("GET", "/v1/rollouts"): READ,
    ("GET", NAME): READ,
    ("GET", f"{NAME}/plan"): READ,
    ("GET", f"{NAME}/journal"): READ,
    ("POST", "/v1/rollouts"): SUBMIT,
    ("POST", f"{NAME}/commands"): ABORT,
    ("POST", f"{FLAG}/kill"): ABORT,
    ("POST", f"{FLAG}/rollback"): ABORT,
    ("POST", f"{FLAG}/restore"): APPROVE,
    ("POST", f"{FLAG}/who"): READ,
    ("GET", "/v1/incidents"): READ,
    ("POST", "/v1/incidents"): ABORT,
    ("POST", "/v1/incidents/1/end"): APPROVE,
    ("GET", "/v1/clock"): ANYONE,
    ("POST", "/v1/clock"): {Scope.TRACK, Scope.ADMIN},
    ("GET", "/metrics"): READ,
    ("GET", "/docs"): ANYONE,
    ("GET", "/docs/oauth2-redirect"): ANYONE,
    ("GET", "/redoc"): ANYONE,
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/"): READ,
    ("GET", "/rollouts/case-law-v24"): READ,
    ("GET", "/board/changes"): READ,
    ("GET", "/made-up"): {Scope.ADMIN},
    ("DELETE", NAME): {Scope.ADMIN},
}
PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/board/board.css"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
}
VERBS = {
    "abort": ABORT,
    "hold": ABORT,
    "back": ABORT,
    "approve": APPROVE,
    "resume": APPROVE,
    "set": APPROVE,
    "advance": APPROVE,
    "extend": APPROVE,
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    engine = connect(sqlite_url(tmp_path_factory.mktemp("keys")))
    migrate(engine)
    store = Store(engine, "flag server")
    yield Desk(store=store, clock=Clock(store))
    engine.dispose()


@pytest.fixture(scope="module")
def keys(desk: Desk) -> dict[Scope, str]:
    """One key for each scope, held by a person of the scope's name."""
    return {scope: _made(desk.store, scope.replace(":", "-"), scope) for scope in Scope}


@pytest.fixture(scope="module")
def house(desk: Desk, keys: dict[Scope, str]) -> House:
    del keys
    desk.submit(PLAN, "plan.yaml", "pm", check=False)
    return furnished(desk)


def _made(store: Store, name: str, *scopes: Scope) -> str:
    return store.create_key(name, f"{name}@example.com", scopes, "test", wall())[1]


def _ask(app: App, route: tuple[str, str], secret: str | None, body: object = None) -> Response:
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return call(app, *route, {} if body is None else body, **headers)


def test_every_route_of_the_server_is_in_the_table(house: House) -> None:
    """A route that somebody adds without saying who may use it fails here, and is closed until then."""
    served = {(method, route.path) for route in _routes(house.api.routes) for method in route.methods - {"HEAD"}}
    assert {("GET", "/v1/rollouts"), ("GET", "/"), ("GET", "/openapi.json")} <= served
    assert served <= set(ROUTES)
    assert {need(method, path) for method, path in (("GET", "/v1/new"), ("PUT", "/v1/rollouts"))} == {Scope.ADMIN}


def test_every_row_of_the_table_is_in_the_matrix() -> None:
    """What the table says needs a key is asked below with every scope."""
    asked = {*EXPECTED, *PUBLIC}
    missing = [
        route for route in ROUTES if not any(need(*one) is ROUTES[route] and one[0] == route[0] for one in asked)
    ]
    assert [] == missing


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("route", EXPECTED, ids=" ".join)
def test_a_key_opens_what_its_scope_allows(
    house: House, keys: dict[Scope, str], route: tuple[str, str], scope: Scope
) -> None:
    """403 where the scope does not suffice; anything else is the route's own answer."""
    if scope in EXPECTED[route]:
        if "stream" in route[1] or "changes" in route[1]:
            return  # an open stream has no end to wait for; its first message is asked for below
        assert _ask(house.app, route, keys[scope]).status not in {401, 403}
    else:
        refused = _ask(house.app, route, keys[scope])
        assert 403 == refused.status
        assert "has" in str(refused.json.get("error") or refused.json["errorDetails"])


@pytest.mark.parametrize("route", EXPECTED, ids=" ".join)
def test_nothing_opens_without_a_live_key(house: House, desk: Desk, route: tuple[str, str]) -> None:
    """No key, a made-up key, a key cut short and a revoked key are all 401."""
    secret = _made(desk.store, "leaver", Scope.ADMIN)
    desk.store.revoke_key("leaver", "test", wall())
    house = furnished(desk)
    tried = [None, "sluice_00000000_00", "", "x", secret, secret[:-1], secret.upper(), "sluice_é_"]
    assert [401] * len(tried) == [_ask(house.app, route, one).status for one in tried]


@pytest.mark.parametrize("route", sorted(PUBLIC), ids=" ".join)
def test_what_needs_no_key_answers_without_one(house: House, route: tuple[str, str]) -> None:
    """Health for load balancers, the way in, and the files that its page is made of."""
    assert _ask(house.app, route, None).status not in {401, 403}


@pytest.mark.parametrize("scope", [Scope.ROLLOUTS_ABORT, Scope.ROLLOUTS_APPROVE, Scope.ADMIN])
@pytest.mark.parametrize("verb", VERBS)
def test_taking_exposure_back_needs_less_right_than_giving_it(
    house: House, keys: dict[Scope, str], verb: str, scope: Scope
) -> None:
    """Abort, hold and back are for `rollouts:abort`; what lets a rollout go on is for `rollouts:approve`."""
    body = {"command": verb, "phase": "none", "duration": "soon", "check": True}
    answer = _ask(house.app, ("POST", f"{NAME}/commands"), keys[scope], body)
    assert (answer.status != 403) == (scope in VERBS[verb]), answer.body


def test_every_verb_of_a_person_is_in_the_matrix() -> None:
    """Switches, lists and amendments have routes of their own."""
    own = {Verb.KILL, Verb.RESTORE, Verb.ROLLBACK, Verb.ALLOW, Verb.BLOCK, Verb.UNLIST, Verb.PROPOSE, Verb.AMEND}
    done_by_sluice = {Verb.START, Verb.ADJUST, Verb.TUNE, Verb.KEEP, Verb.NOTE, Verb.DECIDE, Verb.AWAIT_APPROVAL}
    ends = {Verb.REVERT, Verb.DISABLE, Verb.COMPLETE}
    assert {str(verb) for verb in set(Verb) - own - done_by_sluice - ends} <= set(VERBS)


def test_a_key_is_taken_in_either_header(house: House, keys: dict[Scope, str]) -> None:
    """`Authorization: Bearer`, in any case, and `X-API-Key`."""
    secret = keys[Scope.ROLLOUTS_READ]
    told = [{"authorization": f"bearer {secret}"}, {"x_api_key": secret}, {"authorization": f"Basic {secret}"}]
    assert [200, 200, 401] == [call(house.app, "GET", "/v1/rollouts", **one).status for one in told]


def test_with_keys_any_host_name_is_answered(house: House, keys: dict[Scope, str]) -> None:
    """A page of someone else that rebinds a name holds no key, so the name is no protection any more."""
    headers = {"x_api_key": keys[Scope.ROLLOUTS_READ], "host": "flags.example.com"}
    assert [200, 401] == [
        call(house.app, "GET", "/v1/rollouts", **one).status for one in (headers, {"host": "x.example"})
    ]


def test_an_evaluation_is_refused_in_the_shape_of_ofrep(house: House, keys: dict[Scope, str]) -> None:
    """Providers raise where `errorCode` is missing; the key of a single evaluation is named."""
    path = "/ofrep/v1/evaluate/flags/case-law-ai"
    unknown, refused = (_ask(house.app, ("POST", path), one) for one in (None, keys[Scope.TRACK]))
    assert ["case-law-ai", "GENERAL"] == [unknown.json[name] for name in ("key", "errorCode")]
    assert ("Bearer" in unknown.headers.get("www-authenticate", ""), 403) == (False, refused.status)


def test_the_journal_names_the_person_of_the_key(tmp_path: Path) -> None:
    """Another name that is claimed is kept as a claim beside it, and never instead of it."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store = Store(engine, "flag server")
    desk = Desk(store=store, clock=Clock(store))
    desk.submit(PLAN, "plan.yaml", "pm", check=False)
    secret, robot = _made(store, "ana", Scope.ADMIN), store.create_key("ci", None, [Scope.ADMIN], "t", wall())[1]
    app = furnished(desk).app
    for key, claim in ((secret, {}), (secret, {"by": "bob@example.com"}), (robot, {"by": "ana@example.com"})):
        verb = "hold" if not claim or key == robot else "resume"
        assert 200 == _ask(app, ("POST", f"{NAME}/commands"), key, {"command": verb, "reason": "x", **claim}).status
    names = [entry.by for entry in store.journal("case-law-v24") if entry.verb in {Verb.HOLD, Verb.RESUME}]
    assert ["ana@example.com", "ana@example.com (as claimed: bob@example.com)"] == names[:2]
    assert "service ci (as claimed: ana@example.com)" == names[2]
    engine.dispose()


def test_without_keys_whoever_asks_must_say_who(tmp_path: Path) -> None:
    """On open loopback the name is a claim, and still there must be one."""
    engine = connect(sqlite_url(tmp_path))
    migrate(engine)
    store = Store(engine, "flag server")
    app = furnished(Desk(store=store, clock=Clock(store))).app
    refused = call(app, "POST", f"{NAME}/commands", {"command": "hold"})
    assert (400, "by: name who asks; it is kept in the journal") == (refused.status, refused.json["error"])
    engine.dispose()


def test_a_server_that_others_reach_stays_locked_without_keys() -> None:
    """Revoking the last key opens loopback alone, and keys that were never read lock everything."""
    elsewhere, here, unread = Keyring(Lock.ALWAYS), Keyring(), Keyring()
    elsewhere.update([])
    here.update([])
    assert [True, False, True] == [ring.required for ring in (elsewhere, here, unread)]


def test_a_ticket_is_good_for_its_purpose_its_time_and_its_key(desk: Desk, keys: dict[Scope, str]) -> None:
    """It is refused altered, late, for another purpose, and once the key is revoked."""
    del keys
    now = [1_000_000.0]
    ring, key = Keyring(now=lambda: now[0]), _key(desk)
    ring.update([key])
    ticket = ring.ticket(key, Purpose.STREAM)
    assert key == ring.redeem(ticket, Purpose.STREAM)
    prefix, until, signature = ticket.split(".")
    forged = [
        f"{prefix}.{int(until) + 1}.{signature}",
        f"{prefix}.{until}.{signature[:-1]}0x",
        "",
        "..",
        f"{prefix}.é.é",
    ]
    assert [None] * 5 == [ring.redeem(one, Purpose.STREAM) for one in forged]
    assert ring.redeem(ticket, Purpose.SESSION) is None
    ring.update([])
    assert ring.redeem(ticket, Purpose.STREAM) is None
    ring.update([key])
    now[0] += 26 * 3600
    assert ring.redeem(ticket, Purpose.STREAM) is None


def test_a_bulk_answer_names_a_stream_that_its_reader_may_open(house: House, keys: dict[Scope, str]) -> None:
    """Browsers send no header on a stream, so its address carries a ticket; a foreign ticket opens nothing."""
    answer = _ask(house.app, ("POST", "/ofrep/v1/evaluate/flags"), keys[Scope.FLAGS_READ], {"context": {}})
    uri = answer.json["eventStreams"][0]["endpoint"]["requestUri"]
    path, _, query = uri.partition("?")
    assert 200 == call(house.app, "GET", path, query=query).status
    assert [401, 401] == [call(house.app, "GET", path, query=q).status for q in ("ticket=x.1.y", "")]
    assert 401 == call(house.app, "GET", "/v1/rollouts", query=query).status


def _key(desk: Desk) -> Key:
    return desk.store.live_keys()[0]


def test_a_route_that_needs_no_key_is_marked_so() -> None:
    """Nothing else is open."""
    assert {path for (_, path), what in ROUTES.items() if what is Without.KEY} == {
        "/healthz",
        "/board/{file}",
        "/sign-in",
        "/sign-out",
    }


def _routes(found: Iterable[Any]) -> Iterator[Any]:
    """Every route below these; a router that was included keeps its own."""
    for route in found:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)
        else:
            yield route
