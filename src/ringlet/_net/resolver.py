"""Looks up host names concurrently, so that one name server that does not answer delays no other look-up.

Rules of this file:
* Each look-up has a thread of its own, because a look-up of the system's resolver cannot be cancelled. A pool
  of threads would be occupied by a few look-ups that hang. The threads are daemons, so the process can exit
  without waiting for them.
* Concurrent requests for the same name share one look-up.
* Results are not cached: each connection looks its name up again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread
from typing import Final, TypeAlias

Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""A function that returns the addresses of a host, in the order in which to try them. Raises OSError."""

MAX_LOOKUPS: Final = 768
"""The most look-ups at a time; each has a thread of about 20 KB. A sender of webhooks has at most 256
requests under way. A request gives up after 10 s, but the system's resolver after 30 s, so three look-ups may
hang for each of the 256."""


class Resolver:
    """Looks names up with the system's resolver, each in a thread. To be used in one event loop."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a host. Raises OSError, or ValueError for text that is not a host name."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass  # A name, or an address in an older spelling such as 0x7f.1, which getaddrinfo understands.
        found = self._running.get(host)
        if found is None:
            if len(self._running) >= MAX_LOOKUPS:
                raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
            found = self._running[host] = asyncio.get_running_loop().create_future()
            found.add_done_callback(lambda _: self._running.pop(host))
            _start(host, found)
        return await asyncio.shield(found)


def _start(host: str, found: asyncio.Future[list[str]]) -> None:
    """Look a name up in a thread, and give `found` its addresses."""
    loop = asyncio.get_running_loop()

    def finish(addresses: list[str], error: Exception | None) -> None:
        if error:
            found.set_exception(error)
            # Marks the exception as retrieved: asyncio would log it if the request has been given up since.
            found.exception()
        else:
            found.set_result(addresses)

    def run() -> None:
        addresses, error = list[str](), None
        try:
            addresses = _look_up(host)
        except Exception as raised:
            error = raised
        with suppress(RuntimeError):  # Raised if the event loop has been closed in the meantime.
            loop.call_soon_threadsafe(finish, addresses, error)

    try:
        Thread(target=run, name="ringlet resolver", daemon=True).start()
    except RuntimeError as full:  # The system cannot start another thread.
        finish([], OSError(str(full)))


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
