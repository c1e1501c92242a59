"""Group commit: a request that brings an event returns when it is on the disk, and many share one commit.

A commit takes hardly longer for a hundred events than for one. Events that arrive during a commit are
collected and are the next one. There is no timer to wait for, and nothing to tune.

Rules of this file:
* One thread owns the connection to the database, so that an event loop never waits for a disk, nor for
  another program that writes. After `close`, a new thread starts when the previous one has ended.
* Each request waits for its commit, and gets the error if that failed.
* The archive is opened when it is first needed. If that fails, the next event tries again.
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
"""What to do, and the future that waits for it; None ends the thread."""

log = logging.getLogger(__name__)

MAX_EVENTS_PER_COMMIT = 1_000


class GroupCommit:
    """A thread that writes to the inbox. It starts when it is first needed, and again after `close`.

    `place` is an archive's path or URL, or an open Archive, which nobody else may use from then on. `clock`
    gives seconds since 1970; for `reopen` see `Inbox.accept`.
    """

    def __init__(self, place: str | Path | Archive, clock: Callable[[], float], *, reopen: bool) -> None:
        self.place = place
        self.clock = clock
        self.reopen = reopen
        self.on_commit: Callable[[], None] = lambda: None
        """Called by the thread after each commit of events, before the requests are answered."""
        self._inbox: Inbox | None = None
        self._thread: Thread | None = None
        """The latest thread; it may be ending."""
        self._open = False
        """Whether the latest thread still reads the queue."""
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._lock = Lock()

    async def commit(self, event: Event) -> None:
        """Store an event; returns when it is on the disk. Raises ArchiveError."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(event, waiter)
        await waiter

    def commit_blocking(self, event: Event) -> None:
        """Store an event; blocks until it is on the disk. Raises ArchiveError."""
        waiter: Future[None] = Future()
        self._enqueue(event, waiter)
        waiter.result()

    def call(self, job: Callable[[Inbox], T]) -> T:
        """Run a function in the thread that owns the connection. Raises what it raises, and ArchiveError."""
        waiter: Future[T] = Future()
        self._enqueue(job, waiter)
        return waiter.result()

    def close(self) -> None:
        """Store the events that have come, and close the archive."""
        with self._lock:
            thread = self._thread
            if self._open:
                self._open = False
                self._queue.put(None)
        if thread:
            thread.join()

    def _enqueue(self, what: Event | Job, waiter: Waiter) -> None:
        with self._lock:  # so that nothing is put into a queue after its end
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
            before.join()  # it still owns the connection
        going = True
        while going:
            items = _collect(queue)
            going = items[-1] is not None
            present = [item for item in items if item is not None]
            if events := [what for what, _ in present if isinstance(what, Event)]:
                waiters = [waiter for what, waiter in present if isinstance(what, Event)]
                self._do(partial(self._store, events), waiters)
            for what, waiter in present:
                if not isinstance(what, Event):
                    self._do(what, [waiter])
        if self._inbox and not isinstance(self.place, Archive):
            self._inbox.archive.close()
        self._inbox = None

    def _store(self, events: list[Event], inbox: Inbox) -> None:
        inbox.accept(events, seconds_to_ms(self.clock()), reopen=self.reopen)
        try:
            self.on_commit()
        except Exception:  # the events are stored, and must be acknowledged
            log.exception("on_commit failed")

    def _do(self, job: Job, waiters: Iterable[Waiter]) -> None:
        try:
            value, error = job(self._opened()), None
        except Exception as failed:  # raised where the caller waits; the thread goes on
            value, error = None, failed
        _resolve(waiters, value, error)

    def _opened(self) -> Inbox:
        if self._inbox is None:
            self._inbox = Inbox(self.place if isinstance(self.place, Archive) else Archive.open(self.place))
        return self._inbox


def _collect(queue: SimpleQueue[Item]) -> list[Item]:
    """All items in the queue, waiting for the first."""
    items = [queue.get()]
    while len(items) < MAX_EVENTS_PER_COMMIT and not queue.empty():
        items.append(queue.get())  # does not block: no other thread reads this queue
    return items


def _resolve(waiters: Iterable[Waiter], value: object, error: Exception | None) -> None:
    """Give futures their result. Each event loop is woken once, however many of them belong to it."""
    loops: defaultdict[asyncio.AbstractEventLoop, list[Waiter]] = defaultdict(list)
    for waiter in waiters:
        if isinstance(waiter, asyncio.Future):
            loops[waiter.get_loop()].append(waiter)
        else:
            _set([waiter], value, error)
    for loop, theirs in loops.items():
        with suppress(RuntimeError):  # the loop is closed, and its requests with it
            loop.call_soon_threadsafe(_set, theirs, value, error)


def _set(waiters: Iterable[Waiter], value: object, error: Exception | None) -> None:
    for waiter in waiters:
        if waiter.done():  # cancelled: the client has disconnected
            continue
        if error is None:
            waiter.set_result(value)
        else:
            waiter.set_exception(error)
