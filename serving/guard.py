"""What is refused before any work is done: foreign hosts and origins, bodies of another kind.

Until there are keys, being reachable only from this machine is the protection, and a web page that the operator happens
to visit must not borrow it: a foreign `Host` is DNS rebinding, a foreign `Origin` a page of someone else.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from serving.asgi import JSON, Scope, header

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
YAML = frozenset({b"application/yaml", b"application/x-yaml", b"text/yaml"})
BODIES = frozenset({JSON}) | YAML


class Guard:
    """Which `Host` and `Origin` headers are ours: loopback and the names the server is reached by."""

    def __init__(self, names: frozenset[str] = frozenset()) -> None:
        self._names = LOOPBACK | names
        self._known: set[bytes] = set()

    def foreign(self, scope: Scope) -> str | None:
        """Why a request must not be answered, None where it may: its host is ours and its origin, if any, its host."""
        headers = dict(scope["headers"])
        host: bytes = headers.get(b"host", b"")
        if host not in self._known and not self._ours(host):
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
