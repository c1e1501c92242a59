"""Handing events to a program's own handler: after their commit, one by one, until each has been taken well.

Rules of this file:
* At least once: an event is done when the handler has returned. If it raises, or the process dies, it comes
  again, later each time. Nothing is given up: an inbox is read where it was left.
* A handler that awaits runs in the loop that serves the requests, where there is one; one that does not runs
  in the thread of this file, and may take its time.
* While a sync has the inbox nothing is handed out, and the log says why.
* Of a handler that raises, its traceback is logged. No event is: it names a wearer.
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
from .group_commit import Intake
from .inbox import Inbox, Told
from .inbox_owner import let_go

Handler: TypeAlias = Callable[[Event], "Awaitable[object] | object"]

REFUSED = 60.0
"""Seconds after which is asked again for an inbox that a sync has."""
LEASE = 60_000
"""Milliseconds that a handler has for an event, before another process with this inbox takes it too."""
FIRST, LONGEST = 1_000, 10 * 60_000
"""Milliseconds after which a handler that raised is asked again: the first time, and at most."""
PATIENCE = 10.0
"""Seconds that the end waits for a handler. If it takes longer, the event comes again after a restart."""
DAY = 86_400_000
MEMORY = 30 * DAY
"""Milliseconds for which an event that was handled is known again."""

log = logging.getLogger(__name__)


class Handling:
    """A thread that asks the inbox for what is due, and hands it over."""

    def __init__(self, handler: Handler, intake: Intake, clock: Callable[[], float]) -> None:
        self.handler = handler
        self.intake = intake
        self.clock = clock
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where a handler that awaits runs; None: in a loop of its own."""
        self._news = Flag()
        self._end = Flag()
        self._thread: Thread | None = None
        self._lock = Lock()
        self._forget_at = 0

    def begin(self) -> None:
        """Hand out what is there, and what comes; again is no harm."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._end = Flag()
                self._thread = Thread(
                    target=self._run, args=(self._end,), name="ringlet handler", daemon=True
                )
                self._thread.start()

    def wake(self) -> None:
        """There is something new."""
        self._news.set()

    def end(self) -> None:
        """Hand out no more, and leave the inbox; waits a while for what the handler has in hand."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._end.set()
        self._news.set()
        if thread:
            thread.join(PATIENCE)
            if not thread.is_alive():
                with suppress(RingletError):  # or it is free after a while
                    self.intake.call(lambda inbox: let_go(inbox.archive, "handler"))

    def _run(self, end: Flag) -> None:
        with asyncio.Runner() as runner:
            while not end.is_set():
                self._news.clear()
                try:
                    rest = self._hand_out(runner, end)
                except UsageError as refused:
                    log.error("events are not handed out: %s; %s", refused, refused.cure)
                    end.wait(REFUSED)  # whatever comes meanwhile
                    continue
                except Exception as failed:  # whatever it is, it must not be the end of handing out
                    log.warning("events cannot be handed out: %s", failed)
                    rest = FIRST
                self._news.wait(rest / 1000)

    def _hand_out(self, runner: asyncio.Runner, end: Flag) -> int:
        """Hand over all that is due; how long to rest then, in milliseconds."""
        while not end.is_set():
            now = seconds_to_ms(self.clock())
            if told := self.intake.call(partial(_next, now)):
                self._hand(told, runner)
            else:
                self._forget(now)
                due = self.intake.call(Inbox.due)
                return LONGEST if due is None else min(max(due - now, 1), LONGEST)
        return 0

    def _hand(self, told: Told, runner: asyncio.Runner) -> None:
        try:
            answer = self.handler(told.event)
            if inspect.isawaitable(answer):
                waiting = _awaited(answer)
                if self.loop and self.loop.is_running():
                    asyncio.run_coroutine_threadsafe(waiting, self.loop).result()
                else:
                    runner.run(waiting)
        except (Exception, asyncio.CancelledError, SystemExit):  # none of it is this thread's
            log.exception("a handler failed at try %d; it is asked again", told.attempts)
            pause = min(FIRST * 2 ** min(told.attempts - 1, 20), LONGEST)
            due = seconds_to_ms(self.clock()) + pause
            self.intake.call(lambda inbox: inbox.postpone(told, due))
        else:
            self.intake.call(lambda inbox: inbox.handled(told))

    def _forget(self, now: int) -> None:
        if now >= self._forget_at:
            self._forget_at = now + DAY
            self.intake.call(lambda inbox: inbox.forget(now - MEMORY))


def _next(now: int, inbox: Inbox) -> Told | None:
    return next(iter(inbox.take(now, 1, LEASE)), None)


async def _awaited(answer: Awaitable[object]) -> object:
    return await answer
