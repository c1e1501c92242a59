"""Calls a program's handler with the events of an inbox, one by one.

Rules of this file:
* Events are delivered at least once: an event is finished when the handler has returned. If the handler
  raises or the process dies, the handler is called again with the event, after a pause that doubles each
  time. The worker never gives up an event.
* An async handler runs in the event loop that serves the requests, if there is one. Any other handler runs in
  the worker's thread, and may block.
* The handler is not called while a sync owns the inbox; an error in the log says why.
* The traceback of a handler that raises is logged. Events are not logged, because they name a user.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from threading import Event as Flag
from threading import Lock, Thread
from typing import TypeAlias

from .._api.windows import seconds_to_ms
from .._webhooks.events import Event
from ..errors import RingletError, UsageError
from .group_commit import GroupCommit
from .inbox import Inbox, PendingEvent
from .inbox_owner import release

Handler: TypeAlias = Callable[[Event], "Awaitable[object] | object"]

OWNER_RETRY_S = 60.0
"""The seconds between two attempts to own an inbox that a sync owns."""
HANDLER_LEASE_MS = 60_000
"""How long a handler may take for an event before another process with this inbox takes the event, too."""
HANDLER_RETRY_FIRST_MS, HANDLER_RETRY_MAX_MS = 1_000, 10 * 60_000
"""The first and the longest wait before a handler that raised is called again; the wait doubles each time."""
STOP_TIMEOUT_S = 10.0
"""How long `stop` waits for the handler. A handler that takes longer gets its event again after a restart."""
PRUNE_EVERY_MS = 86_400_000
KEEP_EVENTS_MS = 30 * 86_400_000
"""How long a handled event stays stored, so that the same event is recognized if Oura sends it again."""

log = logging.getLogger(__name__)


class HandlerWorker:
    """A thread that takes due events from the inbox and calls the handler."""

    def __init__(self, handler: Handler, group_commit: GroupCommit, clock: Callable[[], float]) -> None:
        self.handler = handler
        self.group_commit = group_commit
        self.clock = clock
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop in which an async handler runs; None means a loop in the worker's thread."""
        self._wake = Flag()
        self._stop = Flag()
        self._thread: Thread | None = None
        self._lock = Lock()
        self._prune_at = 0

    def start(self) -> None:
        """Start the thread, unless it is running."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stop = Flag()
                self._thread = Thread(
                    target=self._run, args=(self._stop,), name="ringlet handler", daemon=True
                )
                self._thread.start()

    def wake(self) -> None:
        """Look for due events now, because events have been committed."""
        self._wake.set()

    def stop(self) -> None:
        """Stop the thread and release the inbox. Waits up to `STOP_TIMEOUT_S` for the handler to return."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
        self._wake.set()
        if thread:
            thread.join(STOP_TIMEOUT_S)
            if not thread.is_alive():
                with suppress(RingletError):  # If releasing fails, the ownership expires by itself.
                    self.group_commit.call(lambda inbox: release(inbox.archive, "handler"))

    def _run(self, end: Flag) -> None:
        with asyncio.Runner() as runner:
            while not end.is_set():
                self._wake.clear()
                try:
                    pause_ms = self._handle_due(runner, end)
                except UsageError as refused:
                    log.error("the handler is not called: %s; %s", refused, refused.cure)
                    # `_wake.wait` would end at each new event, and log the error again each time.
                    end.wait(OWNER_RETRY_S)
                    continue
                except Exception as failed:  # An error must not end the thread.
                    log.warning("the handler cannot be called: %s", failed)
                    pause_ms = HANDLER_RETRY_FIRST_MS
                self._wake.wait(pause_ms / 1000)

    def _handle_due(self, runner: asyncio.Runner, end: Flag) -> int:
        """Call the handler with each due event. Returns the milliseconds until the next event is due."""
        while not end.is_set():
            now = seconds_to_ms(self.clock())
            if pending := self.group_commit.call(partial(_next, now)):
                self._handle(pending, runner)
            else:
                self._prune(now)
                due = self.group_commit.call(Inbox.next_due)
                return HANDLER_RETRY_MAX_MS if due is None else min(max(due - now, 1), HANDLER_RETRY_MAX_MS)
        return 0

    def _handle(self, pending: PendingEvent, runner: asyncio.Runner) -> None:
        try:
            result = self.handler(pending.event)
            if inspect.isawaitable(result):
                coroutine = _awaited(result)
                if self.loop and self.loop.is_running():
                    asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()
                else:
                    runner.run(coroutine)
        except (Exception, asyncio.CancelledError, SystemExit):
            # Errors of the handler must not end the thread.
            log.exception("the handler failed at attempt %d; it will be called again", pending.attempts)
            pause_ms = min(HANDLER_RETRY_FIRST_MS * 2 ** min(pending.attempts - 1, 20), HANDLER_RETRY_MAX_MS)
            due = seconds_to_ms(self.clock()) + pause_ms
            self.group_commit.call(lambda inbox: inbox.postpone(pending, due))
        else:
            self.group_commit.call(lambda inbox: inbox.mark_handled(pending))

    def _prune(self, now: int) -> None:
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_MS
            self.group_commit.call(lambda inbox: inbox.prune(now - KEEP_EVENTS_MS))


def _next(now: int, inbox: Inbox) -> PendingEvent | None:
    return next(iter(inbox.take(now, 1, HANDLER_LEASE_MS)), None)


async def _awaited(result: Awaitable[object]) -> object:
    return await result
