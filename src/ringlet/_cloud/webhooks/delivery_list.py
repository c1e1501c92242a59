"""Lists deliveries in pages, newest first, each with its event and its subscription.

Rules of this file:
* Only the rows of one page are read, however many deliveries there are.
* Failed deliveries are found by an index of their own, because few of many deliveries fail.
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
from .subscriptions import SUBSCRIPTIONS

_JOINED: Final = (
    "SELECT d.id, d.event_seq, d.subscription_id, s.client_id, s.callback_url, e.event_type, e.data_type,"
    f" e.at, e.body, d.state, d.attempts, d.due_at FROM ({DELIVERIES}) AS d"
    f" JOIN ({EVENTS}) AS e ON e.seq = d.event_seq JOIN ({SUBSCRIPTIONS}) AS s ON s.id = d.subscription_id"
)
"""An SQL statement that selects the fields of `Delivery`, in the order of the class."""


@dataclass(frozen=True)
class Delivery:
    """A delivery with its event and subscription. Instants are epoch milliseconds on the cloud's clock."""

    id: int
    event_seq: int
    subscription_id: str
    client_id: str
    callback_url: str
    event_type: EventType
    data_type: str
    at: int
    """When the delivered event happened."""
    body: bytes
    state: State
    attempts: int
    """How many attempts there were since the delivery was created or last replayed."""
    due_at: int | None
    """When the next attempt is due; None if no attempt is to follow."""


class DeliveryList:
    """Reads deliveries for pages and the control API. `Deliveries` creates the tables."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._attempts = Attempts(db)

    def get(self, id: int) -> Delivery | None:
        """A delivery by its id; None if it does not exist."""
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
        """A page of at most `limit` deliveries, newest first, with ids lower than `before`.

        Arguments that are None do not filter.
        """
        given = {
            f"subscription_id IN (SELECT id FROM ({SUBSCRIPTIONS}) AS s WHERE client_id = ?)": client_id,
            "subscription_id = ?": subscription_id,
            "id < ?": before,
        }
        filters = {condition: value for condition, value in given.items() if value is not None}
        # The state is a literal in the SQL: only then do query planners use the partial index of failed
        # deliveries. The index is sorted by subscription, not by id. Ordering by `+id` keeps planners from
        # reading the whole table in the order of ids, which would avoid a sort.
        conditions = [*filters] + ([f"state = '{state}'"] if state else [])
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        newest = "+id" if state == "failed" else "id"
        found = f"SELECT id FROM ({DELIVERIES}) AS d{where} ORDER BY {newest} DESC LIMIT ?"
        rows = self.db.all(
            f"{_JOINED} WHERE d.id IN ({found}) ORDER BY d.id DESC", (*filters.values(), limit)
        )
        return [Delivery(*row) for row in rows]
