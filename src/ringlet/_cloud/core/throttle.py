"""Slows guessing down: counts failed attempts and makes whoever fails often wait, twice as long each time.

Secrets here are too long to be guessed; a passphrase that people chose may not be. RFC 6749 section 10.10
asks for protection against guessing, and every attempt costs the cloud something.

Rules of this file:
* While a key must wait, its attempts are refused unseen: the right secret is refused like a wrong one.
* A success costs nothing and forgets the failures of its key.
* A client with one IPv6 address has 2^64 of them (RFC 6177), so IPv6 addresses are counted by their /64.
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
"""A client's address, and what is guessed at: a client_id, or a word such as `sign-in`."""

FREE_FAILURES = 30
"""Failures before the first wait. An address may have ten times as many over all that it guesses at."""
MAX_WAIT_S = 900
"""The longest wait. After as many seconds without a failure all of them are forgotten."""
FORGIVE_ONE_AFTER_S = 30
"""Seconds without a failure that make up for one: many people may share an address, and mistype."""
MAX_KEYS = 10_000
"""How many keys are counted; beyond that the least recently used are forgotten."""


@dataclass(slots=True)
class _Count:
    failures: float
    blocked_until: float


class Throttle:
    """Counts failures by key. Seconds are those of a monotonic clock."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def check(self, key: Key) -> int:
        """How many whole seconds to wait before the next attempt; 0 lets it through."""
        waits = [
            self._counts[one].blocked_until - self._now() for one in _counted(key) if one in self._counts
        ]
        return max(0, ceil(max(waits, default=0)))

    def failed(self, key: Key) -> None:
        """Count a failure. The first `FREE_FAILURES` cost nothing; each further one doubles the wait."""
        now = self._now()
        for one, free in zip(_counted(key), (FREE_FAILURES, 10 * FREE_FAILURES), strict=True):
            count = self._counts.setdefault(one, _Count(0.0, now))
            self._counts.move_to_end(one)
            quiet = max(0.0, now - count.blocked_until)
            before = 0 if quiet > MAX_WAIT_S else max(0.0, count.failures - quiet / FORGIVE_ONE_AFTER_S)
            count.failures = before + 1
            over = ceil(count.failures - free)
            count.blocked_until = now + (min(MAX_WAIT_S, 2.0 ** min(over, 20)) if over >= 0 else 0)
        while len(self._counts) > MAX_KEYS:
            self._counts.popitem(last=False)

    def passed(self, key: Key) -> None:
        """Forget the failures of a key; those of its address over everything stay."""
        self._counts.pop(_counted(key)[0], None)


def throttle_key(request: Request, subject: str) -> Key:
    """The key of an attempt: the client's address, and what is guessed at, cut to 64 characters."""
    return request.client.host if request.client else "", subject[:64]


def _counted(key: Key) -> tuple[Key, Key]:
    """What a failure counts for: the key, and its address over everything."""
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
    # A dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d, all in one /64: count those one by one.
    return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"{ip.packed[:8].hex()}/64"
