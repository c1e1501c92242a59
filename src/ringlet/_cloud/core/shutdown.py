"""The flag that tells long-running requests and tasks that the cloud is about to stop."""

from __future__ import annotations


class Shutdown:
    """Set when a signal stops the server. Long-running requests and tasks check `begun` and then end early.

    It is a flag and not an asyncio.Event, because it is set from a signal handler. Its readers are loops that
    poll the database every few milliseconds anyway.
    """

    def __init__(self) -> None:
        self.begun: bool = False

    def begin(self) -> None:
        """Tell long-running requests and tasks to end."""
        self.begun = True
