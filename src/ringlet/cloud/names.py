"""Looking up host names, without waiting for those that are slow.

Rules of this file:
* The system's resolver is asked, in threads of its own: nothing tells it to stop waiting for a name server.
* A name that is being looked up is not looked up a second time meanwhile, so that it holds one thread.
* A name that nobody waits for any more is not looked up, unless a thread has begun to.
* Nothing is remembered: each connection asks anew.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, TypeAlias

Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""All addresses of a host, in the order in which to try them. Raises OSError."""

THREADS: Final = 128
"""How many names may be slow at a time, before others wait for them. One application has fewer: a name for
each of its subscriptions, and those of the few challenges that it has at a time."""


@dataclass
class _Asked:
    """A name that is, or is to be, looked up."""

    work: Future[list[str]]
    found: asyncio.Future[list[str]]
    waiting: int = 0


class Names:
    """The system's resolver. For one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="names")
        self._under_way: dict[str, _Asked] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a host. Raises OSError, or a ValueError for what is no name at all."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass  # a name, or an address in one of the older spellings, which the system reads
        asked = self._under_way.get(host) or self._ask(host)
        asked.waiting += 1
        try:
            return await asyncio.shield(asked.found)
        finally:
            asked.waiting -= 1
            if not asked.waiting and asked.work.cancel():
                self._forget(host, asked)

    def _ask(self, host: str) -> _Asked:
        work = self._threads.submit(_look_up, host)
        asked = self._under_way[host] = _Asked(work, asyncio.wrap_future(work))
        asked.found.add_done_callback(lambda _: self._forget(host, asked))
        return asked

    def _forget(self, host: str, asked: _Asked) -> None:
        if self._under_way.get(host) is asked:
            del self._under_way[host]
        if asked.found.done() and not asked.found.cancelled():
            asked.found.exception()  # whoever asked may have gone: then nobody else looks at it


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
