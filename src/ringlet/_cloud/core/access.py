"""What an access token opens, who looks tokens up, and the signal that what they open has changed."""

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
    """What a live access token opens."""

    user: int
    scopes: frozenset[str]
    expires: float
    """Epoch seconds on the cloud's clock."""
    log: deque[float] = field(repr=False)
    """The instants of its requests, for the rate limit."""
    lapsed: bool = False
    """Whether the user's Oura membership has ended."""


class AccessLookup(Protocol):
    """Looks access tokens up."""

    @property
    def access_changed(self) -> Signal:
        """Emitted when a token may open less or more than before: forget what `access` returned."""
        ...

    def access(self, token: str) -> Access | None:
        """What an access token opens; None when it is unknown, expired or revoked."""
        ...


class AccessTables(Tables):
    """Tables that decide what tokens open. Whoever ends a row of them emits `access_changed`.

    It is emitted inside the transaction. Readers of this process use the same connection and see the change
    at once; other processes notice that the archive's generation has moved.
    """

    def __init__(self, archive: Archive, clock: Clock, access_changed: Signal | None = None) -> None:
        super().__init__(archive, clock)
        self.access_changed: Signal = access_changed or Signal()
