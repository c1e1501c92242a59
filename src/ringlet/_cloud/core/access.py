"""Defines what an access token permits, how it is looked up, and the signal that a lookup is outdated."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from ..._archive.archive import Archive
from .clock import Clock
from .signals import Signal
from .tables import Tables


@dataclass(slots=True)
class Access:
    """What a valid access token permits: to read the data of one user, within some scopes."""

    user: int
    scopes: frozenset[str]
    expires: float
    """When the token expires: epoch seconds on the cloud's clock."""
    log: deque[float] = field(repr=False)
    """The times of the token's last requests (`time.monotonic`), by which `RateLimit.take` counts them."""
    lapsed: bool = False
    """Whether the user's Oura membership has ended."""


class AccessLookup(Protocol):
    """What the data routes need to look up access tokens; `Grants` has these methods."""

    @property
    def access_changed(self) -> Signal:
        """Emitted when a token may permit more or less than before: its observers drop cached results."""
        ...

    def access(self, token: str) -> Access | None:
        """What an access token permits; None when it is unknown, expired or revoked."""
        ...


class AccessTables(Tables):
    """Base class of the owners of tables that decide what a token permits. They emit `access_changed`.

    The signal is emitted inside the transaction, because readers in this process use the same connection and
    see the change at once. Other processes notice it by the archive's generation.
    """

    def __init__(self, archive: Archive, clock: Clock, access_changed: Signal | None = None) -> None:
        super().__init__(archive, clock)
        self.access_changed: Signal = access_changed or Signal()
