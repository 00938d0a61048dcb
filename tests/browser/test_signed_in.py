"""Signing in and pressing in a real browser: by keyboard alone, on a phone in the dark, and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from rollout.model import Verb
from state.clock import wall
from state.credentials import Scope
from state.step import amendment, command
from tests.browser.test_board import PHONE, SCREENS, SERIOUS, Scheme
from tests.contract.flag_server import PLAN, FlagServer, started_rollout
from tests.waiting import until

NAME = "case-law-v24"
PATH = f"/rollouts/{NAME}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlagServer]:
    """A flag server with a started rollout and one key, so that it asks for keys."""
    with started_rollout(tmp_path_factory.mktemp("signed-in")) as running:
        running.store.create_key("ana", "ana@example.com", [Scope.ADMIN], "test", wall())
        until(lambda: running.http.get("/v1/rollouts").status_code == 401, "the server asks for keys")
        yield running


@pytest.fixture
def secret(server: FlagServer) -> Iterator[str]:
    """The secret of a key for this test."""
    yield server.store.create_key("bo", "bo@example.com", [Scope.ADMIN], "test", wall())[1]
    server.store.revoke_key("bo", "test", wall())


def sign_in(page: Page, server: FlagServer, secret: str) -> None:
    """Paste the key where a page of the board asks for it."""
    until(lambda: server.http.get("/v1/clock", headers={"x-api-key": secret}).is_success, "the key is known")
    page.goto(server.url + PATH)
    page.get_by_label("Your key").fill(secret)
    page.keyboard.press("Enter")
    expect(page).to_have_url(server.url + PATH)


@pytest.mark.parametrize("screen", SCREENS)
def test_a_person_signs_in_and_presses_by_keyboard(
    browser: Browser, server: FlagServer, secret: str, packages: Path, tmp_path: Path, screen: str
) -> None:
    """Hold, then resume, each from the keyboard; axe finds nothing serious; signing out leads to the way in."""
    size, scheme = SCREENS[screen]
    with _opened(browser, size, scheme) as (page, complaints):
        page.goto(server.url + PATH)
        axe = (packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
        assert ([], False) == _looked_at(page, axe, tmp_path / "sign-in.png")
        sign_in(page, server, secret)
        for verb in ("Hold", "Resume"):
            page.locator("summary", has_text=f"{verb}…").focus()
            page.keyboard.press("Enter")
            page.keyboard.press("Tab")
            page.keyboard.type(f"{verb} by keyboard")
            assert ([], False) == _looked_at(page, axe, tmp_path / f"{verb}.png")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_contain_text(f"{verb}: done")
            assert f"{verb} by keyboard" == server.store.journal(NAME)[-1].reason
        assert "bo@example.com" == server.store.journal(NAME)[-1].by
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert [] == complaints


def test_an_amendment_that_waits_is_approved_by_keyboard(
    browser: Browser, server: FlagServer, secret: str, packages: Path, tmp_path: Path
) -> None:
    """What it changes stands above the button; pressed, it is in force, and nothing is left to press."""
    words = amendment(server.store, NAME, PLAN.replace("> 2x", "> 3x"))
    assert command(server.store, NAME, Verb.AMEND, "pm@example.com", "too strict", wall(), args=words).accepted
    with _opened(browser, PHONE, "dark") as (page, complaints):
        sign_in(page, server, secret)
        offer = page.locator("summary", has_text="Amend…")
        offer.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#amend-effect")).to_contain_text("error_rate > 3x control")
        axe = (packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
        assert ([], False) == _looked_at(page, axe, tmp_path / "amend.png")
        page.keyboard.press("Tab")
        page.keyboard.type("we had too many false alarms")
        assert 2 == server.store.rollout(NAME).plan.stop.criteria[0].when.target.value
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Amend: done")
        expect(offer).to_have_count(0)
    assert 3 == server.store.rollout(NAME).plan.stop.criteria[0].when.target.value
    assert [] == complaints


def test_a_form_that_is_being_filled_in_is_left_alone(browser: Browser, server: FlagServer, secret: str) -> None:
    """What somebody else does meanwhile does not take the typed words; pressing then says that it has changed."""
    with _opened(browser, PHONE, "light") as (page, _):
        server.store.kill("case-law-ai", "oncall", "drill", wall())
        sign_in(page, server, secret)
        page.locator("summary", has_text="Restore…").click()
        page.get_by_label("Reason, kept in the journal").first.fill("looked at it")
        server.store.restore("case-law-ai", "oncall", "drill over", wall())
        expect(page.get_by_role("status")).to_have_text("changed since you opened this form", timeout=15_000)
        page.get_by_role("button", name="Restore case-law-ai").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was changed. stale: you saw revision")
        expect(page.get_by_role("alert")).to_contain_text("looked at it")


def test_a_form_opened_while_the_page_is_fetched_again_stays_open(
    browser: Browser, server: FlagServer, secret: str
) -> None:
    """The answer that comes after the form was opened is not shown until the form is closed again."""
    with _opened(browser, PHONE, "light") as (page, _):
        sign_in(page, server, secret)
        expect(page.get_by_role("status")).to_have_text("live")
        page.route(server.url + PATH, lambda _: None)
        with page.expect_request(server.url + PATH):
            server.store.kill("case-law-ai", "oncall", "while it is fetched", wall())
        form = page.locator("details", has=page.locator("summary", has_text="Hold…"))
        form.locator("summary").click()
        page.unroute(server.url + PATH)  # which lets the held request go on
        expect(page.get_by_role("status")).to_have_text("changed since you opened this form")
        expect(form).to_have_attribute("open", "")
        form.locator("summary").click()
        expect(page.get_by_role("status")).to_have_text("live")
        expect(page.locator("main")).to_contain_text("while it is fetched")
        server.store.restore("case-law-ai", "oncall", "drill over", wall())


def test_everything_works_without_scripts(browser: Browser, server: FlagServer, secret: str) -> None:
    """Sign in and kill with scripts turned off."""
    server.store.restore("case-law-ai", "oncall", "whatever came before", wall())
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, server, secret)
    page.locator("summary", has_text="Kill…").click()
    page.locator("#kill-reason").fill("smoke")
    page.get_by_role("button", name="Kill case-law-ai").click()
    expect(page.get_by_role("alert")).to_contain_text("Kill: done")
    context.close()
    assert server.store.rollout(NAME).state.killed
    server.store.restore("case-law-ai", "oncall", "drill over", wall())


class _opened:  # noqa: N801 - reads as the word it is
    """A page of its own, and what its console complained of."""

    def __init__(self, browser: Browser, size: tuple[int, int], scheme: Scheme) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)

    def __enter__(self) -> tuple[Page, list[str]]:
        page, complaints = self.context.new_page(), list[str]()
        page.on("console", lambda told: complaints.append(told.text) if told.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page, complaints

    def __exit__(self, *_: object) -> None:
        self.context.close()


def _looked_at(page: Page, axe: str, picture: Path) -> tuple[list[str], bool]:
    """What axe-core calls serious or worse, and whether anything is wider than the screen."""
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("axe.run()")
    wider: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.screenshot(path=str(picture), full_page=True)
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"] if one["impact"] in SERIOUS], wider
