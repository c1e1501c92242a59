"""Guessing made slow: failures are counted, and whoever fails often waits longer each time.

Secrets here are too long to be guessed; a passphrase may not be, and an attempt costs the cloud something too
(RFC 6749 section 10.10). A key is where an attempt comes from and what it is about.

Rules of this file:
* Whoever must wait gets no answer at all: neither a wrong guess nor a right one is told from the other.
* What succeeds counts for nothing, and clears the slate of its key.
* Who has one IPv6 address has 2^64 of them (RFC 6177): such addresses are counted by their network.
* Waiting is in real seconds, as with all limits here: the cloud's clock can be moved.
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

FREE = 30
"""Failures before the first wait; an address may have ten times as many, over all that it tries."""
LONGEST = 900
"""Seconds of the longest wait; after as many of quiet the slate is clean."""
FORGIVEN = 30
"""Seconds of quiet for which one failure is forgiven: many people behind one address may err now and then."""
KEYS = 10_000
"""How many slates are kept; the least recently used are forgotten past them."""


@dataclass(slots=True)
class _Slate:
    failures: float
    until: float
    """When the next attempt is looked at."""


class Throttle:
    """Who failed how often. Seconds are those of a monotonic clock."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._slates: OrderedDict[Key, _Slate] = OrderedDict()

    def check(self, key: Key) -> int:
        """How many whole seconds to wait before the next attempt; 0: go on."""
        waits = [self._slates[one].until - self._now() for one in _counted(key) if one in self._slates]
        return max(0, ceil(max(waits, default=0)))

    def failed(self, key: Key) -> None:
        """Count a failure: the first few cost nothing, each further one doubles the wait."""
        now = self._now()
        for one, free in zip(_counted(key), (FREE, 10 * FREE), strict=True):
            slate = self._slates.setdefault(one, _Slate(0.0, now))
            self._slates.move_to_end(one)
            quiet = max(0.0, now - slate.until)
            slate.failures = 1 + (0 if quiet > LONGEST else max(0.0, slate.failures - quiet / FORGIVEN))
            over = ceil(slate.failures - free)
            slate.until = now + (min(LONGEST, 2.0 ** min(over, 20)) if over >= 0 else 0)
        while len(self._slates) > KEYS:
            self._slates.popitem(last=False)

    def passed(self, key: Key) -> None:
        """Forget the failures of a key; those of its address stay."""
        self._slates.pop(_counted(key)[0], None)


def throttle_key(request: Request, subject: str) -> Key:
    """The key of an attempt: the client's address, and what is guessed at, cut to 64 characters."""
    return request.client.host if request.client else "", subject[:64]


def _counted(key: Key) -> tuple[Key, Key]:
    address, what = key
    source = _source(address)
    return (source, what), (source, "")


def _source(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address  # a socket in the file system has none
    if not isinstance(ip, IPv6Address):
        return address
    # On a socket for both, an IPv4 address comes as an IPv6 one: those share no network.
    return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"{ip.packed[:8].hex()}/64"
