"""What is refused before any work is done: foreign hosts and origins, bodies of another kind.

Without keys, being reachable only from this machine is the protection, and a web page that the operator happens to
visit must not borrow it: a foreign `Host` is DNS rebinding, a foreign `Origin` a page of someone else. With keys any
`Host` will do, for a page of someone else holds none.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from serving.asgi import JSON, Scope, header

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
YAML = frozenset({b"application/yaml", b"application/x-yaml", b"text/yaml"})
FORM = frozenset({b"application/x-www-form-urlencoded"})
BODIES = frozenset({JSON}) | YAML


class Guard:
    """Which `Host` and `Origin` headers are ours: loopback and the names the server is reached by."""

    def __init__(self, names: frozenset[str] = frozenset(), *, any_host: Callable[[], bool] = lambda: False) -> None:
        self._names = LOOPBACK | names
        self._any_host = any_host
        self._known: set[bytes] = set()

    def foreign(self, scope: Scope) -> str | None:
        """Why a request must not be answered, None where it may: its host is ours and its origin, if any, its host."""
        headers = dict(scope["headers"])
        host: bytes = headers.get(b"host", b"")
        if host not in self._known and not self._any_host() and not self._ours(host):
            return "this host name is not served here"
        origin: bytes | None = headers.get(b"origin")
        if origin is not None and not _same(origin, host):
            return "requests from pages of another origin are refused"
        return None

    def _ours(self, host: bytes) -> bool:
        if _name(host) not in self._names:
            return False
        if len(self._known) < REMEMBERED:
            self._known.add(host)
        return True


REMEMBERED = 64


def loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def media_type(scope: Scope) -> bytes:
    """The content type without its parameters, in lower case."""
    return (header(scope, b"content-type") or b"").split(b";", 1)[0].strip().lower()


def _name(host: bytes) -> str | None:
    try:
        return urlsplit("//" + host.decode("ascii")).hostname
    except ValueError:
        return None


def _same(origin: bytes, host: bytes) -> bool:
    """Whether a page's origin is the address it now talks to."""
    scheme, _, address = origin.partition(b"://")
    return scheme in {b"http", b"https"} and address.lower() == host.lower()
