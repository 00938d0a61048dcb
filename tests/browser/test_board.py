"""The board in a real browser: what it says, that it follows, and that everybody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.contract.flag_server import FlagServer

Scheme = Literal["light", "dark"]
WIDE, PHONE = (1280, 900), (390, 844)
SCREENS: dict[str, tuple[tuple[int, int], Scheme]] = {"wide-light": (WIDE, "light"), "phone-dark": (PHONE, "dark")}
PATHS = ("/", "/rollouts/case-law-v24", "/rollouts/summaries-v24")
STATIC = Path(__file__).parents[2] / "serving" / "board" / "static"
SERIOUS = {"serious", "critical"}


@contextmanager
def opened(
    browser: Browser, url: str, size: tuple[int, int] = WIDE, scheme: Scheme = "light"
) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what its console complained of."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page, complaints = context.new_page(), []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    expect(page.get_by_role("status")).to_have_text("live")
    yield page, complaints
    context.close()


def test_the_list_says_where_every_rollout_stands(browser: Browser, board: FlagServer) -> None:
    """Those under way first, each with its state, exposure, health and what comes next; a click leads to its page."""
    with opened(browser, board.url) as (page, complaints):
        first, second = (row.inner_text() for row in page.locator("tbody tr").all())
        assert all(words in first for words in ("case-law-v24", "running", "Beta · 30 %", "30 %", "raise exposure"))
        assert all(words in second for words in ("summaries-v24", "reverted", "0 %", "nothing: it has ended"))
        page.get_by_role("link", name="summaries-v24").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("summaries-v24")
        expect(page.locator("#content")).to_contain_text("error_rate > 2x control")
        expect(page.locator(".verdict.breach").first).to_be_visible()
    assert [] == complaints


def test_a_page_shows_both_cohorts_of_every_criterion(browser: Browser, board: FlagServer) -> None:
    """Rate, interval and counts of treatment and control, the evidence, a chart each, and the journal in words."""
    with opened(browser, f"{board.url}/rollouts/case-law-v24") as (page, complaints):
        cells = page.locator("section[aria-labelledby=criteria] tbody tr td").all_inner_texts()
        assert ["4", "4"] == [cells[side].strip()[0] for side in (1, 2)]
        assert all(" to " in cells[side] and " of " in cells[side] for side in (1, 2))
        expect(page.locator("figure canvas")).to_have_count(2)
        expect(page.locator("ol.journal li")).to_have_count(1)
    assert [] == complaints


def test_what_people_wrote_is_shown_as_text(browser: Browser, board: FlagServer) -> None:
    """A reason with markup in it does nothing but stand there."""
    words = "<img src=x onerror=document.title='owned'>"
    body = {"command": "hold", "by": "<b>eve</b>", "reason": words}
    board.post("/v1/rollouts/case-law-v24/commands", body)
    with opened(browser, f"{board.url}/rollouts/case-law-v24") as (page, complaints):
        expect(page.locator("ol.journal")).to_contain_text(words)
        expect(page.locator("ol.journal")).to_contain_text("<b>eve</b>")
        assert "owned" not in page.title()
        board.post("/v1/rollouts/case-law-v24/commands", {"command": "resume", "by": "ana", "reason": "fine"})
        expect(page.locator(".lead")).to_contain_text("running")
    assert [] == complaints


def test_a_page_follows_the_store_without_being_loaded_again(browser: Browser, board: FlagServer) -> None:
    """A kill by somebody else shows on the open page, and the charts are still there."""
    with opened(browser, f"{board.url}/rollouts/case-law-v24") as (page, complaints):
        page.evaluate("window.mark = 'the same document'")
        board.post("/v1/flags/case-law-ai/kill", {"by": "ana", "reason": "drill"})
        expect(page.locator(".facts")).to_contain_text("killed", timeout=15_000)
        board.post("/v1/flags/case-law-ai/restore", {"by": "ana", "reason": "drill over"})
        expect(page.locator(".facts")).not_to_contain_text("killed", timeout=15_000)
        expect(page.locator("figure canvas")).to_have_count(2)
        assert "the same document" == page.evaluate("window.mark")
    assert [] == complaints


def test_the_keyboard_reaches_everything(browser: Browser, board: FlagServer) -> None:
    """Tab leads to the content first, then along the links, and Enter opens a rollout."""
    with opened(browser, board.url) as (page, _):
        page.keyboard.press("Tab")
        assert "Skip to content" == page.evaluate("document.activeElement.textContent")
        page.keyboard.press("Enter")
        for _ in range(6):
            page.keyboard.press("Tab")
            if "case-law-v24" == page.evaluate("document.activeElement.textContent"):
                break
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{board.url}/rollouts/case-law-v24")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing_serious(
    browser: Browser,
    board: FlagServer,
    packages: Path,
    tmp_path: Path,
    path: str,
    screen: str,
) -> None:
    """No violation that axe-core calls serious or worse, nothing wider than the screen, and a picture for people."""
    with opened(browser, f"{board.url}{path}", *SCREENS[screen]) as (page, complaints):
        page.evaluate((packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
        found: dict[str, Any] = page.evaluate("axe.run()")
        wider = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        page.screenshot(path=str(tmp_path / "board.png"), full_page=True)
    serious = [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"] if one["impact"] in SERIOUS]
    assert ([], [], False) == (serious, complaints, wider)


def test_the_chart_library_is_the_packages_own(packages: Path) -> None:
    """The vendored files are those of the locked package, byte for byte."""
    for name in ("uPlot.iife.min.js", "uPlot.min.css"):
        assert (packages / "uplot" / "dist" / name).read_bytes() == (STATIC / name).read_bytes()
