"""Signed webhooks, as Standard Webhooks 1.0.0 says: three headers, HMAC-SHA256 over id, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache

import httpx

from flows.channels import Letter, NotSentError, Retry, Told
from plans.channels import SIGNING_PREFIX, bad_address, bad_secret

SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver; address and secret are read for every letter, so that they can change while everything runs."""

    url: Callable[[], str]
    secret: Callable[[], str]
    seconds: float = SECONDS

    def send(self, letter: Letter) -> None:
        """POST the letter; any 2xx is taken for its arrival, and 410 for never again."""
        url, secret = self.url(), self.secret()
        if problem := bad_address(url) or bad_secret(secret):
            raise NotSentError(problem)
        body = json.dumps(_payload(letter), ensure_ascii=False, separators=(",", ":")).encode()
        headers = signed(secret, letter.id, letter.sent, body) | {"Content-Type": "application/json"}
        try:
            status, asked = asyncio.run(self._post(url, body, headers))
        except TimeoutError:
            raise NotSentError(f"did not answer within {self.seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotSentError(f"could not be reached ({type(error).__name__})") from None
        if not httpx.codes.is_success(status):
            retry = Retry.NEVER if status == httpx.codes.GONE else Retry.LATER
            raise NotSentError(f"answered {status}", retry, retry_after(asked, letter.sent))

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """The status and when to come again: what a receiver says beyond that is not read."""
        async with (
            asyncio.timeout(self.seconds),
            httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self.seconds, verify=tls()) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            return response.status_code, response.headers.get("retry-after", "")


@cache
def tls() -> ssl.SSLContext:
    """The certificates that are trusted, read once."""
    return ssl.create_default_context()


def retry_after(asked: str, now: datetime) -> timedelta:
    """How long a `Retry-After` of seconds or of a date (RFC 9110) asks to be left alone; zero where it is neither."""
    if asked.isascii() and asked.isdigit():
        return timedelta(seconds=int(asked[:9]))
    try:
        return max(parsedate_to_datetime(asked) - now, timedelta(0))
    except (ValueError, TypeError):
        return timedelta(0)


def signed(secret: str, number: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers; `secret` is base64, with or without `whsec_`."""
    key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX))
    seconds = str(int(at.timestamp()))
    mark = hmac.new(key, b".".join((number.encode(), seconds.encode(), body)), hashlib.sha256).digest()
    return {
        "webhook-id": number,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(mark).decode()}",
    }


def _payload(letter: Letter) -> dict[str, object]:
    events = [_event(told) for told in letter.told]
    if len(events) == 1:
        return events[0]
    text = {"text": letter.line, "lines": letter.lines}
    return {
        "type": "sluice.rollouts.several",
        "timestamp": _iso(letter.told[-1].notice.at),
        "data": text | {"events": events},
    }


def _event(told: Told) -> dict[str, object]:
    notice = told.notice
    data = {
        "rollout": notice.rollout,
        "flag": notice.flag,
        "revision": notice.revision,
        "event": notice.event,
        "text": told.line,
        "lines": told.lines,
        "links": told.links,
    }
    return {"type": f"sluice.rollout.{notice.event}", "timestamp": _iso(notice.at), "data": data}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
