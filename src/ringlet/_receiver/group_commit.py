"""Group commit: stores the events of concurrent requests in one transaction.

Each request returns when its event is on the disk. A commit takes hardly longer for a hundred events than for
one, so the events that arrive during a commit are collected and stored in the next commit. This needs neither
a timer nor tuning.

Rules of this file:
* One thread owns the connection to the database, so that an event loop never waits for the disk or for
  another program that writes. After `close`, a new thread starts only when the previous thread has ended.
* Each request waits for its commit, and gets the error if the commit failed.
* The archive is opened for the first event. If opening fails, the next event tries again.
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
"""An event to store or a function to run, with the future that gets its result; None ends the thread."""

log = logging.getLogger(__name__)

MAX_EVENTS_PER_COMMIT = 1_000


class GroupCommit:
    """A thread that writes to the inbox. The thread starts at the first event, also after `close`.

    `place` is an archive's path or URL, or an open Archive, which no other code may use from then on. `clock`
    returns seconds since 1970; for `reopen` see `Inbox.accept`.
    """

    def __init__(self, place: str | Path | Archive, clock: Callable[[], float], *, reopen: bool) -> None:
        self.place = place
        self.clock = clock
        self.reopen = reopen
        self.on_commit: Callable[[], None] = lambda: None
        """A function that the thread calls after each commit of events and before requests are answered."""
        self._inbox: Inbox | None = None
        self._thread: Thread | None = None
        """The thread that was started last; it may be about to end."""
        self._open = False
        """Whether the thread that was started last still reads the queue."""
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._lock = Lock()

    async def commit(self, event: Event) -> None:
        """Store an event, and return when it is on the disk. Raises ArchiveError if it cannot be stored."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(event, waiter)
        await waiter

    def commit_blocking(self, event: Event) -> None:
        """Store an event, and block until it is on the disk. Raises ArchiveError if it cannot be stored."""
        waiter: Future[None] = Future()
        self._enqueue(event, waiter)
        waiter.result()

    def call(self, job: Callable[[Inbox], T]) -> T:
        """Run a function in the thread that owns the connection, and return its result.

        Raises the exceptions of the function, and ArchiveError if the archive cannot be opened.
        """
        waiter: Future[T] = Future()
        self._enqueue(job, waiter)
        return waiter.result()

    def close(self) -> None:
        """Store the events that have arrived, and close the archive."""
        with self._lock:
            thread = self._thread
            if self._open:
                self._open = False
                self._queue.put(None)
        if thread:
            thread.join()

    def _enqueue(self, what: Event | Job, waiter: Waiter) -> None:
        with self._lock:  # Otherwise an item could be put into a queue whose thread has ended.
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
            before.join()  # The previous thread owns the connection until it has ended.
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
        except Exception:  # The events are stored, so they must be acknowledged although `on_commit` failed.
            log.exception("on_commit failed")

    def _do(self, job: Job, waiters: Iterable[Waiter]) -> None:
        try:
            value, error = job(self._opened()), None
        except Exception as failed:  # The future raises it in the waiting request. The thread continues.
            value, error = None, failed
        _resolve(waiters, value, error)

    def _opened(self) -> Inbox:
        if self._inbox is None:
            self._inbox = Inbox(self.place if isinstance(self.place, Archive) else Archive.open(self.place))
        return self._inbox


def _collect(queue: SimpleQueue[Item]) -> list[Item]:
    """Wait for an item in the queue, and take it and the other items that are in the queue."""
    items = [queue.get()]
    while len(items) < MAX_EVENTS_PER_COMMIT and not queue.empty():
        items.append(queue.get())  # This does not block, because no other thread reads the queue.
    return items


def _resolve(waiters: Iterable[Waiter], value: object, error: Exception | None) -> None:
    """Set the result or the error of futures. An event loop with several futures is woken only once."""
    loops: defaultdict[asyncio.AbstractEventLoop, list[Waiter]] = defaultdict(list)
    for waiter in waiters:
        if isinstance(waiter, asyncio.Future):
            loops[waiter.get_loop()].append(waiter)
        else:
            _set([waiter], value, error)
    for loop, theirs in loops.items():
        with suppress(RuntimeError):  # raised if the event loop is closed; then its requests have ended
            loop.call_soon_threadsafe(_set, theirs, value, error)


def _set(waiters: Iterable[Waiter], value: object, error: Exception | None) -> None:
    for waiter in waiters:
        if waiter.done():  # The request was cancelled, because its client has disconnected.
            continue
        if error is None:
            waiter.set_result(value)
        else:
            waiter.set_exception(error)
