"""One web server as a source may ask it: bounded in time and size, no redirect, no proxy, no compression."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import orjson

from gates.sources import SourceError, UnreachableError
from gates.sources.addresses import Network, address_of

LARGEST = 1024 * 1024
AT_ONCE = 8
REDIRECTS = range(300, 400)

Secret = Callable[[], str]


class Answer(NamedTuple):
    """A status and a parsed body."""

    status: int
    body: Any


class Web:
    """A server at one address; the secret goes there and nowhere else. `seconds` bound each question as a whole."""

    def __init__(self, url: str, networks: Sequence[Network], seconds: float, secret: Secret | None = None) -> None:
        self.seconds = seconds
        self._url = httpx.URL(url)
        self._networks = tuple(networks)
        self._secret = secret
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Connections for a few questions."""
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=self.seconds, limits=limits
        ) as client:
            yield Session(self, client)

    async def request(self, client: httpx.AsyncClient, path: str, **content: Any) -> httpx.Request:
        """A question to the server's checked address, under its own name."""
        url = self._url.copy_with(path=f"{self._url.path.rstrip('/')}{path}") if path else self._url
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await address_of(url.host, port, self._networks)
        headers = {"Host": url.netloc.decode(), "Accept": "application/json", "Accept-Encoding": "identity"}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret()}"
        method = "POST" if "data" in content else "GET"
        extensions = {"sni_hostname": url.host}  # the certificate is the name's, not the address's
        return client.build_request(
            method, url.copy_with(host=address), headers=headers, extensions=extensions, **content
        )


class Session:
    """A server with connections kept open."""

    def __init__(self, web: Web, client: httpx.AsyncClient) -> None:
        self._web = web
        self._client = client
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, path: str, params: Mapping[str, str]) -> Answer:
        """Ask with parameters in the address; raises SourceError."""
        return await self._asked(path, params=dict(params))

    async def post(self, path: str, form: Mapping[str, str]) -> Answer:
        """Ask with a form, for long questions; raises SourceError."""
        return await self._asked(path, data=dict(form))

    async def _asked(self, path: str, **content: Any) -> Answer:
        seconds = self._web.seconds
        async with self._turns:
            try:
                async with asyncio.timeout(seconds):
                    request = await self._web.request(self._client, path, **content)
                    return await self._answer(request)
            except TimeoutError as error:
                raise UnreachableError(f"did not answer within {seconds:g} s") from error
            except httpx.HTTPError as error:
                raise UnreachableError(f"did not answer: {error or type(error).__name__}") from error

    async def _answer(self, request: httpx.Request) -> Answer:
        response = await self._client.send(request, stream=True)
        try:
            _refuse(response)
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > LARGEST:
                    raise SourceError(f"sent more than {LARGEST // 1024} KiB")
        finally:
            await response.aclose()
        return Answer(response.status_code, _parsed(bytes(body), response.status_code))


def _refuse(response: httpx.Response) -> None:
    """Raise SourceError for what is not read at all."""
    if response.status_code in REDIRECTS:
        where = response.headers.get("location", "nowhere")
        raise SourceError(f"redirects to {where}, which is not followed; configure that address if it is right")
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise SourceError(f"sent {encoding}, which was not asked for; have it send plain JSON")


def _parsed(body: bytes, status: int) -> Any:
    """JSON by its letter, in which NaN and Infinity do not exist; an error may come with any body."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if status != httpx.codes.OK:
            return None
        raise SourceError(f"did not send JSON: {error}") from error
