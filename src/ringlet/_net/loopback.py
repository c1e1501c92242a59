"""The names and addresses by which a machine reaches itself."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Final

FAMILIES: Final = {
    "localhost": (socket.AF_INET, socket.AF_INET6),
    "127.0.0.1": (socket.AF_INET,),
    "::1": (socket.AF_INET6,),
}
"""The hosts of a local server, with the address families to listen on (RFC 8252 section 7.3)."""
HOST_HEADERS: Final = frozenset({f"[{host}]" if ":" in host else host for host in FAMILIES})
"""The hosts of a local server as a `Host` header has them, without the port (RFC 3986 section 3.2.2)."""


def is_loopback(host: str) -> bool:
    """Whether a host is `localhost` or a loopback address, which only this machine can connect to.

    False for any other name, even if it resolves to a loopback address: the next look-up may give another.
    """
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
