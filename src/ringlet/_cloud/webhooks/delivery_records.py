"""The values that pass between the table of deliveries and the sender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .attempts import Attempt

State: TypeAlias = Literal["waiting", "delivered", "failed"]
STATES: tuple[State, ...] = ("waiting", "delivered", "failed")


@dataclass(frozen=True)
class Ready:
    """An active subscription with something to deliver now."""

    subscription_id: str
    client_id: str
    callback_url: str


@dataclass(frozen=True)
class Claimed:
    """A delivery that belongs to one sender until its lease ends."""

    id: int
    fence: int
    """The number of the claim: an outcome counts only while it is the delivery's latest."""
    attempts: int
    """Earlier ones, since it was first due or replayed."""
    to: Ready
    body: bytes
    connected: bool
    """Whether the event's user is still connected with the application; if not, it must not be sent."""


@dataclass(frozen=True)
class Outcome:
    """What a sender reports about a delivery that it claimed."""

    claimed: Claimed
    attempt: Attempt
    retry_after: float = 0.0
    """Seconds of pause that the receiver asked for (429, 503)."""
