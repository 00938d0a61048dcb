"""Chat, e-mail and pagers, through Apprise; which service it is, its address says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from flows.channels import Letter, NotSentError
from flows.markdown import chat

RENDERS_MARKDOWN = frozenset({"discord", "mmost", "rocket", "guilded"})
"""Services that show Markdown whatever Apprise takes them for."""


@dataclass(frozen=True, slots=True)
class Apprise:
    """One address of Apprise's, read for every letter."""

    url: Callable[[], str]

    def send(self, letter: Letter) -> None:
        """Hand the letter over, as Markdown with everything escaped, or as plain text where that is what is shown."""
        import apprise  # noqa: PLC0415 - a third of a second that only houses with such a channel pay

        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings may hold the address
        target = apprise.Apprise.instantiate(self.url())
        if target is None:
            raise NotSentError("has an address that Apprise does not know; see https://appriseit.com/services/")
        schema = str(getattr(target, "schema", "") or self.url().partition(":")[0])
        plain = target.notify_format is apprise.NotifyFormat.TEXT and schema not in RENDERS_MARKDOWN
        one = apprise.Apprise()
        one.add(target)
        taken = one.notify(
            title=letter.line if plain else chat(letter.line),
            body=_plain(letter) if plain else _markdown(letter),
            body_format=apprise.NotifyFormat.TEXT if plain else apprise.NotifyFormat.MARKDOWN,
        )
        if not taken:
            raise NotSentError("was not taken by the service")


def _plain(letter: Letter) -> str:
    return "\n".join((*letter.lines, *letter.links)) or letter.line


def _markdown(letter: Letter) -> str:
    """A hard break after every line; links are ours, and stay links."""
    return "  \n".join((*map(chat, letter.lines), *(f"<{link}>" for link in letter.links))) or chat(letter.line)
