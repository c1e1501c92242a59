"""Looking up host names, without waiting for those that are slow.

Rules of this file:
* The system's resolver is asked, in a thread for each look-up: nothing tells it to stop waiting for a name
  server. They are daemons, or the end of the process would wait for it, too.
* A name that is being looked up is not looked up a second time meanwhile, so that it holds one thread.
* A name that nobody waits for any more is not looked up, unless a thread has begun to.
* Names that hang do not take all threads, whoever asks for them. Look-ups in their first second have a part
  of the threads that are free then ("Dynamic queue length thresholds", as in `sender`): the more hang, the
  more slowly others join them, and the system gives up the first before the last thread is taken.
* Of those in line, the name comes first whose last look-up went best, and among equals the newest: whoever
  has waited long is about to give up (Maurer, "Fail at Scale": adaptive LIFO).
* No address is remembered: each connection asks anew.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Thread
from typing import Final, TypeAlias

Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""All addresses of a host, in the order in which to try them. Raises OSError."""

THREADS: Final = 192
"""How many names may be looked up at a time, those that hang among them."""
PART: Final = 12
"""One in how many free threads is for those that do not hang yet. By default the system gives up after 30 s
at most (three servers, twice 5 s each); until then (11/12)**30 of the threads stay free, whatever hangs."""
SLOW: Final = 1.0
"""Seconds from which on a look-up hangs. Most take a few hundredths."""
QUICK, UNKNOWN, UNTRIED, HUNG = range(4)
"""How the last look-up of a name went: it was quick, there was none, nobody waited so long, it hung."""
KNOWN: Final = 4096
"""Of how many names this is remembered."""


@dataclass(eq=False)
class _Asked:
    """A name that is, or is to be, looked up."""

    found: asyncio.Future[list[str]]
    waiting: int = 0
    begun: asyncio.Task[None] | None = None


class Names:
    """The system's resolver. For one event loop."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}
        self._in_line: dict[str, None] = {}
        """The newest last."""
        self._begun = 0
        """Look-ups in their first second."""
        self._hanging = 0
        """And those beyond it."""
        self._went: dict[str, int] = {}
        """How the last look-ups went, the oldest first."""

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a host. Raises OSError, or a ValueError for what is no name at all."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass  # a name, or an address in one of the older spellings, which the system reads
        if (asked := self._asked.get(host)) is None:
            asked = self._asked[host] = _Asked(asyncio.get_running_loop().create_future())
            self._in_line[host] = None
            self._begin()
        asked.waiting += 1
        try:
            return await asyncio.shield(asked.found)
        finally:
            asked.waiting -= 1
            if not asked.waiting and asked.begun is None:
                del self._in_line[host], self._asked[host]
                self._note(host, self._went.get(host, UNTRIED))

    def _begin(self) -> None:
        """Look up as many of those in line as there is room for."""
        while self._in_line and self._begun < -(-(THREADS - self._hanging) // PART):
            host = min(reversed(self._in_line), key=lambda one: self._went.get(one, UNKNOWN))
            del self._in_line[host]
            self._begun += 1
            self._asked[host].begun = asyncio.create_task(self._look_up(host, self._asked[host].found))

    async def _look_up(self, host: str, found: asyncio.Future[list[str]]) -> None:
        work = _in_a_thread(host)
        await asyncio.wait([work], timeout=SLOW)
        self._begun -= 1
        self._note(host, QUICK if work.done() else HUNG)
        if not work.done():
            self._hanging += 1
            self._begin()
            await asyncio.wait([work])
            self._hanging -= 1
        del self._asked[host]
        self._begin()
        if broken := work.exception():
            found.set_exception(broken)
            found.exception()  # whoever asked may have gone
        else:
            found.set_result(work.result())

    def _note(self, host: str, went: int) -> None:
        self._went.pop(host, None)
        self._went[host] = went
        if len(self._went) > KNOWN:
            del self._went[next(iter(self._went))]


def _in_a_thread(host: str) -> asyncio.Future[list[str]]:
    loop = asyncio.get_running_loop()
    work: asyncio.Future[list[str]] = loop.create_future()

    def ended(found: list[str], broken: Exception | None) -> None:
        if broken:
            work.set_exception(broken)
            work.exception()  # nobody may be left to see
        else:
            work.set_result(found)

    def run() -> None:
        found, broken = list[str](), None
        try:
            found = _look_up(host)
        except Exception as failed:
            broken = failed
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(ended, found, broken)

    try:
        Thread(target=run, name="names", daemon=True).start()
    except RuntimeError as full:  # the system has no more of them
        ended([], OSError(str(full)))
    return work


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
