"""Into the inbox, many at once: whoever brings an event waits until it is on the disk, and all who wait share
one commit.

A commit takes hardly longer for a hundred events than for one. While one is under way, what comes meanwhile
gathers and is the next: nobody waits for a timer, and the more come, the more share.

Rules of this file:
* One thread has the connection, and nobody else: a loop that serves requests never waits for a disk, nor for
  another program that writes. A thread that follows another begins when that one has ended.
* Whoever waits is answered after the commit, or told why there was none.
* The archive is opened when it is first needed. Where that fails, the next who comes tries again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeAlias, TypeVar

from .._api.windows import seconds_to_ms
from .._archive.archive import Archive
from .._webhooks.events import Event
from .inbox import Inbox

T = TypeVar("T")

Job: TypeAlias = Callable[[Inbox], Any]
Waiter: TypeAlias = "asyncio.Future[Any] | Future[Any]"
Item: TypeAlias = "tuple[Event | Job, Waiter] | None"
"""What is to be done, and who waits for it; None is the end."""

log = logging.getLogger(__name__)

MOST = 1_000
"""Events of one commit."""


class Intake:
    """A thread that writes to the inbox. It starts when it is first needed, and again after `close`.

    `place` is an archive's path or URL, or an open Archive, which is the thread's alone from then on. `clock`
    gives seconds since 1970; for `again` see `Inbox.accept`.
    """

    def __init__(self, place: str | Path | Archive, clock: Callable[[], float], *, again: bool) -> None:
        self.place = place
        self.clock = clock
        self.again = again
        self.kept: Callable[[], None] = lambda: None
        """Called by the thread after each commit of events, before anybody is answered."""
        self._inbox: Inbox | None = None
        self._thread: Thread | None = None
        """The latest; it may be about to end."""
        self._open = False
        """Whether it takes what is brought."""
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._lock = Lock()

    async def keep(self, event: Event) -> None:
        """Returns when the event is safe. Raises ArchiveError."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._bring(event, waiter)
        await waiter

    def keep_blocking(self, event: Event) -> None:
        """The same, for a thread that may wait."""
        waiter: Future[None] = Future()
        self._bring(event, waiter)
        waiter.result()

    def call(self, job: Callable[[Inbox], T]) -> T:
        """What a job gives that runs where the connection is. Raises what it raises, and ArchiveError."""
        waiter: Future[T] = Future()
        self._bring(job, waiter)
        return waiter.result()

    def close(self) -> None:
        """Keep what has been brought, and let go of the archive."""
        with self._lock:
            thread = self._thread
            if self._open:
                self._open = False
                self._queue.put(None)
        if thread:
            thread.join()

    def _bring(self, what: Event | Job, waiter: Waiter) -> None:
        with self._lock:  # so that nothing comes behind the end of a queue
            if not self._open:
                self._queue = SimpleQueue()
                self._thread = Thread(
                    target=self._run, args=(self._queue, self._thread), name="ringlet inbox", daemon=True
                )
                self._thread.start()
                self._open = True
            self._queue.put((what, waiter))

    def _run(self, queue: SimpleQueue[Item], before: Thread | None) -> None:
        if before:
            before.join()  # it still has the connection
        going = True
        while going:
            items = _gathered(queue)
            going = items[-1] is not None
            there = [item for item in items if item is not None]
            if events := [what for what, _ in there if isinstance(what, Event)]:
                waiters = [waiter for what, waiter in there if isinstance(what, Event)]
                self._do(partial(self._keep, events), waiters)
            for what, waiter in there:
                if not isinstance(what, Event):
                    self._do(what, [waiter])
        if self._inbox and not isinstance(self.place, Archive):
            self._inbox.archive.close()
        self._inbox = None

    def _keep(self, events: list[Event], inbox: Inbox) -> None:
        inbox.accept(events, seconds_to_ms(self.clock()), again=self.again)
        try:
            self.kept()
        except Exception:  # which is not the events' fault: they are safe
            log.exception("what is called after a commit failed")

    def _do(self, job: Job, waiters: Iterable[Waiter]) -> None:
        try:
            value, error = job(self._opened()), None
        except Exception as failed:  # which is for those who wait to deal with, and the thread goes on
            value, error = None, failed
        _settle(waiters, value, error)

    def _opened(self) -> Inbox:
        if self._inbox is None:
            self._inbox = Inbox(self.place if isinstance(self.place, Archive) else Archive.open(self.place))
        return self._inbox


def _gathered(queue: SimpleQueue[Item]) -> list[Item]:
    """All that has come by now; at least one."""
    items = [queue.get()]
    while len(items) < MOST and not queue.empty():
        items.append(queue.get())  # it is there: nobody else takes
    return items


def _settle(waiters: Iterable[Waiter], value: object, error: Exception | None) -> None:
    """Tell all who wait: each loop is woken once, however many wait in it."""
    loops: defaultdict[asyncio.AbstractEventLoop, list[Waiter]] = defaultdict(list)
    for waiter in waiters:
        if isinstance(waiter, asyncio.Future):
            loops[waiter.get_loop()].append(waiter)
        else:
            _tell([waiter], value, error)
    for loop, theirs in loops.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, theirs, value, error)


def _tell(waiters: Iterable[Waiter], value: object, error: Exception | None) -> None:
    for waiter in waiters:
        if waiter.done():  # whoever asked has gone
            continue
        if error is None:
            waiter.set_result(value)
        else:
            waiter.set_exception(error)
