"""Chat, e-mail and pagers, through Apprise; which service it is, its address says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from flows.channels import Letter, NotSentError
from flows.markdown import chat

SHOWS_MARKDOWN = frozenset({"discord", "guilded", "mmost", "mmosts", "rocket", "rockets"})
"""Services that show Markdown whatever Apprise takes them for, by the scheme of their addresses."""


@dataclass(frozen=True, slots=True)
class Apprise:
    """One address of Apprise's, read for every letter."""

    url: Callable[[], str]

    def send(self, letter: Letter) -> None:
        """Hand the letter over, as Markdown with everything escaped, or as plain text where that is what is shown."""
        import apprise  # noqa: PLC0415 - a third of a second that only houses with such a channel pay

        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings may hold the address
        url = self.url()
        target = apprise.Apprise.instantiate(url)
        if target is None:
            raise NotSentError("has an address that Apprise does not know; see https://appriseit.com/services/")
        plain = target.notify_format is apprise.NotifyFormat.TEXT and not shows_markdown(url)
        one = apprise.Apprise()
        one.add(target)
        taken = one.notify(
            title=letter.line if plain else chat(letter.line),
            body=_plain(letter) if plain else _markdown(letter),
            body_format=apprise.NotifyFormat.TEXT if plain else apprise.NotifyFormat.MARKDOWN,
        )
        if not taken:
            raise NotSentError("was not taken by the service")


def shows_markdown(url: str) -> bool:
    """Whether text that is sent to an address is drawn as Markdown."""
    return url.partition(":")[0].strip().lower() in SHOWS_MARKDOWN


def _plain(letter: Letter) -> str:
    return "\n".join((*letter.lines, *letter.links)) or letter.line


def _markdown(letter: Letter) -> str:
    """A hard break after every line; links are ours, and stay links."""
    return "  \n".join((*map(chat, letter.lines), *(f"<{link}>" for link in letter.links))) or chat(letter.line)
