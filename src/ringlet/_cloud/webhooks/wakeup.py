"""Wakes the sender of this process as soon as there may be something to deliver."""

from __future__ import annotations

import asyncio


class Wakeup:
    """One task waits; anything may notify it, also before it waits. Belongs to one event loop at a time."""

    def __init__(self) -> None:
        self._notified = False
        self._waiting: asyncio.Event | None = None
        """Made anew for each wait: an asyncio.Event is bound to the loop in which it was first awaited."""

    def notify(self) -> None:
        """Let the waiting task go on; if none waits, the next wait ends at once."""
        self._notified = True
        if self._waiting is not None:
            self._waiting.set()

    def clear(self) -> None:
        """Forget notifications: what they announced is about to be looked at."""
        self._notified = False

    async def wait(self, seconds: float) -> None:
        """Wait until notified, at most some seconds."""
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
