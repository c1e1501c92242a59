"""Wakes the sender of this process as soon as a delivery may be due."""

from __future__ import annotations

import asyncio


class Wakeup:
    """Lets one task wait for a notification. Returns at once if there was one since the last `clear`.

    Only tasks of one event loop may use it at a time.
    """

    def __init__(self) -> None:
        self._notified = False
        self._waiting: asyncio.Event | None = None
        """The event of the current `wait`. Each wait has a new one, because an event is bound to its loop."""

    def notify(self) -> None:
        """Wake the waiting task; if no task waits, the next `wait` returns at once."""
        self._notified = True
        if self._waiting is not None:
            self._waiting.set()

    def clear(self) -> None:
        """Forget earlier notifications. Call this before looking up due deliveries."""
        self._notified = False

    async def wait(self, seconds: float) -> None:
        """Wait until `notify` is called, but at most `seconds`."""
        if self._notified:
            return
        self._waiting = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._waiting.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting = None
