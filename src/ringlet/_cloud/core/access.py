"""Defines what an access token opens, how tokens are looked up, and the signal that a lookup is outdated."""

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
    """What a valid access token opens: the data of one user, within some scopes."""

    user: int
    scopes: frozenset[str]
    expires: float
    """When the token expires: epoch seconds on the cloud's clock."""
    log: deque[float] = field(repr=False)
    """The instants of the token's requests, for `RateLimit.take`."""
    lapsed: bool = False
    """Whether the user's Oura membership has ended."""


class AccessLookup(Protocol):
    """Looks access tokens up."""

    @property
    def access_changed(self) -> Signal:
        """Emitted when a token may open less or more than before. Observers forget what `access` returned."""
        ...

    def access(self, token: str) -> Access | None:
        """What an access token opens; None when it is unknown, expired or revoked."""
        ...


class AccessTables(Tables):
    """The base of the tables that decide what tokens open. Their methods emit `access_changed` on a change.

    The signal is emitted inside the transaction, because readers in this process use the same connection and
    see the change at once. Other processes notice it by the archive's generation.
    """

    def __init__(self, archive: Archive, clock: Clock, access_changed: Signal | None = None) -> None:
        super().__init__(archive, clock)
        self.access_changed: Signal = access_changed or Signal()
