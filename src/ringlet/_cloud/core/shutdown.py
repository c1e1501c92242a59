"""Whether the cloud is about to stop."""

from __future__ import annotations


class Shutdown:
    """Set once, when a signal says to stop. A request or a task that waits or does much looks here meanwhile.

    A flag and no asyncio.Event: it is set from a signal handler, and read in loops that look at the database
    every few milliseconds anyway, because another process may write there.
    """

    def __init__(self) -> None:
        self.begun: bool = False

    def begin(self) -> None:
        """Let everything that waits come to an end."""
        self.begun = True
