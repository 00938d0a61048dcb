"""HTTP/1.1 for clients that would rather speak HTTP/2."""

from __future__ import annotations

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

OFFER = re.compile(rb"\A[A-Z]+ [^\r\n]+ HTTP/1\.1\r\n(?:[^\r\n]+\r\n)*?(Upgrade)(?=: *h2c *\r\n)", re.IGNORECASE)
PASSED = b"X-Offer"
"""As long as `Upgrade`, and nothing to anybody."""


class Http1(HttpToolsProtocol):
    """uvicorn's protocol, which leaves an offer to go on in HTTP/2 as RFC 9110 §7.8 lets it: not taken up.

    Java's HttpClient makes that offer with every first request. The parser would take the request to end with its head,
    and the application would get no body.
    """

    def data_received(self, data: bytes) -> None:
        """Bytes of the connection; a head with the offer comes in one piece."""
        offer = OFFER.match(data) if b"h2c" in data else None
        super().data_received(data[: offer.start(1)] + PASSED + data[offer.end(1) :] if offer else data)
