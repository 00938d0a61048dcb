"""What a person does in Prefect's UI, with a mouse, in a real browser."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.chromium import chromium
from tests.flows.stage import PATIENCE, RUNNER, SERVER, SUPERVISOR, Stage, plan
from tests.waiting import until

SLOW = 30_000
"""Milliseconds that the UI may take to draw a page on a busy machine."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser, house: Stage) -> Iterator[Page]:
    """A window on the UI."""
    house.start(SERVER, RUNNER, SUPERVISOR)
    context = browser.new_context(base_url=f"http://127.0.0.1:{house.port}", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SLOW)
    yield context.new_page()
    context.close()


def test_a_person_approves_by_clicking(house: Stage, page: Page) -> None:
    """Resume opens the question with its evidence; a decision and Submit take the rollout on, in that person's name.

    The form sends the number of the question that it showed, so that one that was left open answers no later question.
    """
    house.submit("clicked", "alpha 1% 2s approval", "ga 100% 1h")
    house.await_badge("clicked", "Waiting for approval: Alpha → General availability")
    run = house.run("clicked")
    assert run is not None
    page.goto(f"/runs/flow-run/{run['id']}")
    page.get_by_role("button", name="Resume").first.click()
    expect(page.get_by_text("clicked: leave Alpha for General availability?")).to_be_visible()
    expect(page.get_by_role("cell", name="error_rate > 2x control")).to_be_visible()
    page.locator(".p-select-button__icon").last.click()
    page.locator(".p-select-option", has_text="approve").click()
    reason, name = page.locator("textarea").all()[-2:]
    reason.fill("numbers look fine")
    name.fill("Ana")
    assert '"question":1' in _pressed_submit(page, "**/resume")
    house.await_verb("clicked", "advance")
    approval = next(entry for entry in house.store.journal("clicked") if entry.verb == "approve")
    assert ("Ana (as claimed)", "numbers look fine") == (approval.by, approval.reason)


def test_a_bad_plan_that_is_pasted_is_answered_with_every_problem(house: Stage, page: Page) -> None:
    """The form's run fails with the number of problems; its page lists each with its line, markup as text."""
    forms = {one["name"]: one["id"] for one in house.post("/deployments/filter", {})}
    text = plan("pasted", "alpha 10% 1h", "ga 5% 1h").replace("candidate:", "candidte:")
    text = text.replace("hold: 1h}\n", "hold: <b>1h</b>}\n", 1)
    page.goto(f"/deployments/deployment/{forms['submit-plan']}/run")
    page.locator("textarea").first.fill(text)
    assert "candidte" in _pressed_submit(page, "**/create_flow_run")
    run = until(lambda: _refused(house), "the form has answered", seconds=PATIENCE, every=1)
    page.goto(f"/runs/flow-run/{run['id']}")
    expect(page.get_by_text(run["state"]["name"]).first).to_be_visible()
    shown = house.page(run)
    assert "| 8 |" in shown
    assert "candidte" in shown
    assert "<b>" not in shown
    assert "pasted" not in house.store.names()


def _pressed_submit(page: Page, path: str) -> str:
    """What a form sent, pressed again where the server was busy (503), as a person would."""

    def answered() -> Response | None:
        with page.expect_response(path) as answer:
            page.get_by_role("button", name="Submit").click()
        return None if answer.value.status == httpx.codes.SERVICE_UNAVAILABLE else answer.value

    return str(until(answered, f"{path} answers", seconds=PATIENCE).request.post_data)


def _refused(house: Stage) -> dict[str, Any] | None:
    """The run of a form that was refused, once there is one."""
    wanted = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}
    return next((run for run in house.post("/flow_runs/filter", wanted) if "problems" in run["state"]["name"]), None)
