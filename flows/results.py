"""What came of a form: its state, and the page on its run that says what it did or why it did nothing."""

from __future__ import annotations

from uuid import UUID

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import runs
from flows.appearance import short
from flows.markdown import escape
from state.step import Outcome

PAGE = "result"


def done(name: str, page: str) -> State:
    """A form that did what was asked, with its page."""
    _show(page)
    return Completed(name=short(name), message=short(name))


def refused(name: str, page: str) -> State:
    """A form that changed nothing, with the reasons on its page."""
    _show(page)
    return Failed(name=short(name), message=short(name))


def told(verb: str, name: str, outcome: Outcome, more: str = "") -> State:
    """What a command came to, with `more` in Markdown below what it did."""
    if outcome.accepted:
        page = f"### {escape(verb)} {escape(name)}\n\n{escape(outcome.effect)}"
        return done(f"Done: {verb} {name}", f"{page}\n\n{more}" if more else page)
    return refused(f"Refused: {outcome.why}", f"### Nothing was changed\n\n{escape(outcome.why)}")


def _show(page: str) -> None:
    with runs.prefect() as client:
        runs.show(client, UUID(str(runtime.flow_run.id)), PAGE, page, "What came of this form")
