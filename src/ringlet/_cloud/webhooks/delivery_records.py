"""The values that `Deliveries` and `Sender` exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .attempts import Attempt

State: TypeAlias = Literal["waiting", "delivered", "failed"]
STATES: tuple[State, ...] = ("waiting", "delivered", "failed")


@dataclass(frozen=True)
class Ready:
    """An active subscription that has a due delivery."""

    subscription_id: str
    client_id: str
    callback_url: str


@dataclass(frozen=True)
class Claimed:
    """A delivery that one sender has claimed until the lease ends."""

    id: int
    fence: int
    """The number of this claim. An outcome counts only if the delivery has not been claimed again since."""
    attempts: int
    """How many attempts there were before this claim, since the delivery was created or last replayed."""
    to: Ready
    body: bytes
    connected: bool
    """Whether the event's user is still connected with the application. If not, the event is not sent."""


@dataclass(frozen=True)
class Outcome:
    """The result of sending a claimed delivery."""

    claimed: Claimed
    attempt: Attempt
    retry_after: float = 0.0
    """The seconds in the header `Retry-After` of a response 429 or 503; 0 without this header."""
