"""Lists deliveries for people: each with its event and its subscription, newest first, in pages.

Rules of this file:
* Where there are many deliveries, only a page of them is read.
* Those that failed are few, and have an index of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..._archive.storage.database import Database
from ..._webhooks.events import EventType
from .attempts import Attempt, Attempts
from .deliveries import DELIVERIES
from .delivery_records import State
from .event_log import EVENTS
from .subscriptions import ANY

_JOINED: Final = (
    "SELECT d.id, d.event_seq, d.subscription_id, s.client_id, s.callback_url, e.event_type, e.data_type,"
    f" e.at, e.body, d.state, d.attempts, d.due_at FROM ({DELIVERIES}) AS d"
    f" JOIN ({EVENTS}) AS e ON e.seq = d.event_seq JOIN ({ANY}) AS s ON s.id = d.subscription_id"
)
"""The fields of `Delivery`, in their order."""


@dataclass(frozen=True)
class Delivery:
    """A delivery as people look at it. Instants are epoch milliseconds on the cloud's clock."""

    id: int
    event_seq: int
    subscription_id: str
    client_id: str
    callback_url: str
    event_type: EventType
    data_type: str
    at: int
    """When the event happened."""
    body: bytes
    state: State
    attempts: int
    """Since it was first due, or replayed."""
    due_at: int | None
    """When the next attempt is due; None if there is none."""


class DeliveryList:
    """All deliveries, to be looked at. The tables are made by `Deliveries`."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._attempts = Attempts(db)

    def get(self, id: int) -> Delivery | None:
        """One delivery."""
        row = self.db.one(f"{_JOINED} WHERE d.id = ?", (id,))
        return Delivery(*row) if row else None

    def attempts(self, delivery_id: int) -> list[Attempt]:
        """The attempts of a delivery, at most the last 50, oldest first."""
        return self._attempts.of(delivery_id)

    def page(
        self,
        client_id: str | None = None,
        subscription_id: str | None = None,
        state: State | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Delivery]:
        """Deliveries, newest first: those with a lower id than `before`, filtered by what is not None."""
        given = {
            f"subscription_id IN (SELECT id FROM ({ANY}) AS s WHERE client_id = ?)": client_id,
            "subscription_id = ?": subscription_id,
            "id < ?": before,
        }
        asked = {condition: value for condition, value in given.items() if value is not None}
        # The state is a literal, so that planners see that the partial index of failed deliveries serves it.
        # That index is sorted by subscription: `+id` keeps planners from reading the whole table to save a
        # sort.
        conditions = [*asked] + ([f"state = '{state}'"] if state else [])
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        newest = "+id" if state == "failed" else "id"
        found = f"SELECT id FROM ({DELIVERIES}) AS d{where} ORDER BY {newest} DESC LIMIT ?"
        rows = self.db.all(f"{_JOINED} WHERE d.id IN ({found}) ORDER BY d.id DESC", (*asked.values(), limit))
        return [Delivery(*row) for row in rows]
