"""Throttles the guessing of secrets: after many failures a client must wait, longer after each further one.

RFC 6749 section 10.10 asks for protection against guessing. Tokens and client secrets are too long to be
guessed; a passphrase that people choose may be short.

Rules of this file:
* While a client must wait, its attempts are refused without being checked, even with the right secret.
* A success resets the failures of its key.
* IPv6 addresses are counted by their /64 network, because one client usually has all 2^64 addresses of a
  network (RFC 6177).
* Waits are real seconds, because the cloud's clock can be moved.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import TypeAlias

from starlette.requests import Request

Key: TypeAlias = tuple[str, str]
"""A client's address, and what it tries to prove: the secret of a client_id, or a word such as `sign-in`."""

FREE_FAILURES = 30
"""Failures of one key before the first wait. All keys of an address together have ten times as many."""
MAX_WAIT_S = 900
"""The longest wait, in seconds. Failures are forgotten after this many seconds without another failure."""
FORGIVE_ONE_AFTER_S = 30
"""The count of failures is reduced by one after every period of this many seconds without a failure.

This is because many people who mistype may share an address.
"""
MAX_KEYS = 10_000
"""How many keys are remembered; then the least recently used are forgotten."""


@dataclass(slots=True)
class _Count:
    failures: float
    blocked_until: float


class Throttle:
    """Counts failed attempts by key, and says how long a client must wait before its next attempt."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def check(self, key: Key) -> int:
        """How many whole seconds the client of a key must wait before its next attempt; 0 for no wait."""
        waits = [
            self._counts[counted].blocked_until - self._now()
            for counted in _counted(key)
            if counted in self._counts
        ]
        return max(0, ceil(max(waits, default=0)))

    def failed(self, key: Key) -> None:
        """Count a failed attempt. After `FREE_FAILURES` failed attempts each further one doubles the wait."""
        now = self._now()
        for counted, free in zip(_counted(key), (FREE_FAILURES, 10 * FREE_FAILURES), strict=True):
            count = self._counts.setdefault(counted, _Count(0.0, now))
            self._counts.move_to_end(counted)
            quiet = max(0.0, now - count.blocked_until)
            before = 0 if quiet > MAX_WAIT_S else max(0.0, count.failures - quiet / FORGIVE_ONE_AFTER_S)
            count.failures = before + 1
            over = ceil(count.failures - free)
            count.blocked_until = now + (min(MAX_WAIT_S, 2.0 ** min(over, 20)) if over >= 0 else 0)
        while len(self._counts) > MAX_KEYS:
            self._counts.popitem(last=False)

    def passed(self, key: Key) -> None:
        """Reset the failures of a key, but not the failures that its address has with all keys together."""
        self._counts.pop(_counted(key)[0], None)


def throttle_key(request: Request, subject: str) -> Key:
    """The key under which a request's failure is counted: the client's address, and `subject`.

    `subject` is cut to 64 characters, because the client may choose it.
    """
    return request.client.host if request.client else "", subject[:64]


def _counted(key: Key) -> tuple[Key, Key]:
    """The two keys under which a failure is counted: its own key, and one for all keys of its address."""
    address, subject = key
    network = _network(address)
    return (network, subject), (network, "")


def _network(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address  # a client of a Unix socket has no IP address
    if not isinstance(ip, IPv6Address):
        return address
    # A dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d, all in one /64 network. They are counted by
    # their IPv4 address.
    return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"{ip.packed[:8].hex()}/64"
