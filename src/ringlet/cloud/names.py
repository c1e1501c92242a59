"""Looking up host names, without waiting for those that are slow.

Rules of this file:
* The system's resolver is asked, in threads of its own: nothing tells it to stop waiting for a name server.
* A name that is being looked up is not looked up a second time meanwhile, so that it holds one thread.
* Nothing is remembered: each connection asks anew.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final, TypeAlias

Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""All addresses of a host, in the order in which to try them. Raises OSError."""

THREADS: Final = 32
"""How many names may be slow at a time, before others wait for them."""


class Names:
    """The system's resolver. For one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="names")
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a host. Raises OSError, or a ValueError for what is no name at all."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass  # a name, or an address in one of the older spellings, which the system reads
        found = self._under_way.get(host)
        if found is None:
            found = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)
            self._under_way[host] = found
            found.add_done_callback(lambda done: self._forget(host, done))
        return await asyncio.shield(found)

    def _forget(self, host: str, done: asyncio.Future[list[str]]) -> None:
        del self._under_way[host]
        if not done.cancelled():
            done.exception()  # whoever asked may have gone: then nobody else looks at it


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
