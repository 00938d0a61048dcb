"""Which addresses may be reached: public ones, and of all others those that the operator lists."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from gates.sources import SourceError, UnreachableError

Network = IPv4Network | IPv6Network
RESOLVERS = ThreadPoolExecutor(4, "resolve")
"""Threads of their own: a name server that does not answer holds up nobody who no longer waits for it."""


async def address_of(host: str, port: int, networks: Sequence[Network]) -> str:
    """The address to connect to; it is checked and then used as it is, so that a name cannot change in between.

    Raises UnreachableError for a name that nobody knows, SourceError where no address of it is permitted.
    """
    loop = asyncio.get_running_loop()
    return chosen(host, await loop.run_in_executor(RESOLVERS, resolved, host, port), networks)


def resolved(host: str, port: int) -> tuple[str, ...]:
    """All addresses of a host, in the order in which they are to be tried; raises UnreachableError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"{host} has no address ({error})") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def chosen(host: str, addresses: Sequence[str], networks: Sequence[Network]) -> str:
    """The first address that is permitted; raises SourceError where none is."""
    for address in addresses:
        if permitted(address, networks):
            return address
    refused = addresses[0] if addresses else "no address"
    raise SourceError(f'{host} is {refused}, which is not public; add addresses = ["{refused}"] to the source')


def permitted(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is public or listed; an IPv4 address inside an IPv6 one counts as itself."""
    found = _plain(address)
    return (found.is_global and not found.is_multicast) or any(found in network for network in networks)


def _plain(address: str) -> IPv4Address | IPv6Address:
    found = ip_address(address.partition("%")[0])
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
