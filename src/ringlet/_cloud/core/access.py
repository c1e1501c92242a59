"""What an access token opens, and the question that the data routes ask about it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


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


class Doorkeeper(Protocol):
    """Looks tokens up."""

    def access(self, token: str) -> Access | None:
        """What an access token opens; None when it is unknown, expired or revoked."""
        ...
