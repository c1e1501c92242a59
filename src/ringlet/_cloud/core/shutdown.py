"""The flag that tells long-running requests and tasks that the cloud is about to stop."""

from __future__ import annotations


class Shutdown:
    """A flag that is set when a signal stops the server. Long-running requests and tasks then end early.

    It is not an asyncio.Event, because a signal handler sets it. It is read by loops that poll the database
    every few milliseconds anyway.
    """

    def __init__(self) -> None:
        self.begun: bool = False

    def begin(self) -> None:
        """Tell long-running requests and tasks to end."""
        self.begun = True
