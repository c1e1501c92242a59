"""Wakes the sender of this process as soon as a delivery may be due."""

from __future__ import annotations

import asyncio


class Wakeup:
    """Lets one task wait for notifications, also for earlier ones. For one event loop at a time."""

    def __init__(self) -> None:
        self._notified = False
        self._waiting: asyncio.Event | None = None
        """A new event for each wait, because an asyncio.Event is bound to the loop that first awaits it."""

    def notify(self) -> None:
        """Wake the waiting task; if no task waits, the next `wait` returns at once."""
        self._notified = True
        if self._waiting is not None:
            self._waiting.set()

    def clear(self) -> None:
        """Forget earlier notifications; call this before looking for due deliveries."""
        self._notified = False

    async def wait(self, seconds: float) -> None:
        """Wait until notified, at most `seconds`."""
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
