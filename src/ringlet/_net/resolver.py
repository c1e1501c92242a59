"""Looking up host names, without waiting for those that are slow.

Rules of this file:
* The system's resolver is asked, in a thread for each look-up: nothing tells it to stop waiting for a name
  server. They are daemons, or the end of the process would wait for it, too.
* Nobody stands in line: names that hang keep nobody waiting. There is an end to how many there may be, far
  above what those who ask here have under way, even if each of their look-ups hangs three times as long as
  they wait for it (the system gives up after half a minute).
* A name that is being looked up is not looked up a second time meanwhile.
* Nothing is remembered: each connection asks anew.
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
"""All addresses of a host, in the order in which to try them. Raises OSError."""

MOST: Final = 2048
"""Look-ups at a time. A sender has 256 requests under way; a thread that waits takes some 20 KB."""


class Names:
    """The system's resolver. For one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a host. Raises OSError, or a ValueError for what is no name at all."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass  # a name, or an address in one of the older spellings, which the system reads
        found = self._under_way.get(host)
        if found is None:
            if len(self._under_way) >= MOST:
                raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
            found = self._under_way[host] = asyncio.get_running_loop().create_future()
            found.add_done_callback(lambda _: self._under_way.pop(host))
            _begin(host, found)
        return await asyncio.shield(found)


def _begin(host: str, found: asyncio.Future[list[str]]) -> None:
    """Look a name up in a thread."""
    loop = asyncio.get_running_loop()

    def ended(addresses: list[str], broken: Exception | None) -> None:
        if broken:
            found.set_exception(broken)
            found.exception()  # whoever asked may have gone
        else:
            found.set_result(addresses)

    def run() -> None:
        addresses, broken = list[str](), None
        try:
            addresses = _look_up(host)
        except Exception as failed:
            broken = failed
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(ended, addresses, broken)

    try:
        Thread(target=run, name="names", daemon=True).start()
    except RuntimeError as full:  # the system has no more threads
        ended([], OSError(str(full)))


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
