"""From the operator's settings to channels that can be used, and secrets as they are now."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from flows.channels import Channel, Letter, NotSentError
from flows.channels.chat import Apprise
from flows.channels.prefect import Prefect
from flows.channels.webhook import Webhook
from plans import channels as config


class Missing:
    """A channel that a plan names and this house does not have, or not in a form that can be used."""

    def __init__(self, problem: str) -> None:
        self._problem = problem

    def send(self, letter: Letter) -> None:
        """Say why it cannot be used."""
        raise NotSentError(f"{self._problem} (letter {letter.id})")


def open_channels(found: config.Channels, environment: Mapping[str, str] = os.environ) -> dict[str, Channel]:
    """Every channel that was set up, Prefect's, and those that were set up wrongly; nothing is sent yet."""
    opened: dict[str, Channel] = {name: _open(one, environment) for name, one in found.channels.items()}
    wrong = {name: Missing(f"is set up wrongly: {problem}") for name, problem in found.faulty.items()}
    return opened | wrong | {config.PREFECT: Prefect()}


def _open(one: config.Apprise | config.Webhook, environment: Mapping[str, str]) -> Channel:
    url = _reading(one.url, environment)
    return Apprise(url) if isinstance(one, config.Apprise) else Webhook(url, _reading(one.secret, environment))


def _reading(text: config.Text, environment: Mapping[str, str]) -> Callable[[], str]:
    return lambda: text if isinstance(text, str) else _read(text, environment)


def _read(place: config.Place, environment: Mapping[str, str]) -> str:
    """The text at a place as it is now; raises NotSentError where there is none."""
    if place.variable is not None:
        where, value = f"the variable {place.variable}", environment.get(place.variable, "")
    else:
        where = f"the file {place.file}"
        try:
            value = Path(place.file or "").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NotSentError(f"{where} cannot be read ({type(error).__name__})") from None
    if not value.strip():
        raise NotSentError(f"{where} is empty")
    return value.strip()
