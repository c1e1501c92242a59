"""Looking at deliveries: what went where, and what came of each attempt.

Rules of this file:
* Newest first, and in pages: where there are many, a page of them is read, and no more.
* Those that failed are few, and found by an index of their own. It gives them subscription by subscription;
  the `+` keeps planners from walking through all the others instead, to save the sorting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..._archive.storage.database import Row
from ..._webhooks.events import EventType
from ..core.tables import Tables
from . import event_log as outbox
from .attempts import COLUMNS, Attempt, attempt_of

State: TypeAlias = Literal["waiting", "delivered", "failed"]
STATES: tuple[State, ...] = ("waiting", "delivered", "failed")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """An event on its way to one subscription. Instants are epoch milliseconds on the cloud's clock."""

    id: int
    event_seq: int
    subscription_id: str
    client_id: str
    callback_url: str
    event_type: EventType
    data_type: str
    at: int
    """When it happened."""
    body: bytes
    state: State
    attempts: int
    """Since it was first due, or replayed."""
    due_at: int | None
    """When the next attempt is; None when there is none."""


_SHOWN = (
    "SELECT d.id, d.event_seq, d.subscription_id, s.client_id, s.callback_url, e.event_type, e.data_type,"
    " e.at, e.body, d.state, d.attempts, d.due_at FROM webhook_deliveries d"
    " JOIN webhook_events e ON e.seq = d.event_seq"
    " JOIN webhook_subscriptions s ON s.id = d.subscription_id"
)


class DeliveryLog(Tables):
    """All deliveries, to be looked at."""

    MIGRATIONS = outbox.MIGRATIONS

    def get(self, id: int) -> Delivery | None:
        """One delivery."""
        row = self.db.one(f"{_SHOWN} WHERE d.id = ?", (id,))
        return _delivery(row) if row else None

    def list(
        self,
        client_id: str | None = None,
        subscription_id: str | None = None,
        state: State | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Delivery]:
        """Deliveries, newest first: those before an id, of whom and in the state that is named."""
        given = {
            "subscription_id IN (SELECT id FROM webhook_subscriptions WHERE client_id = ?)": client_id,
            "subscription_id = ?": subscription_id,
            "id < ?": before,
        }
        asked = {condition: value for condition, value in given.items() if value is not None}
        conditions = [*asked] + ([f"state = '{state}'"] if state else [])  # in words, for the index
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        newest = "+id" if state == "failed" else "id"
        found = f"SELECT id FROM webhook_deliveries{where} ORDER BY {newest} DESC LIMIT ?"
        rows = self.db.all(f"{_SHOWN} WHERE d.id IN ({found}) ORDER BY d.id DESC", (*asked.values(), limit))
        return [_delivery(row) for row in rows]

    def attempts(self, delivery_id: int) -> Sequence[Attempt]:
        """The attempts of a delivery, at most the last 50, oldest first."""
        rows = self.db.all(
            f"SELECT {COLUMNS} FROM webhook_attempts WHERE delivery_id = ? ORDER BY number", (delivery_id,)
        )
        return [attempt_of(row) for row in rows]

    def counts(self) -> dict[State, int]:
        """How many there are in each state; this looks at all of them."""
        found = self.db.all("SELECT state, count(*) FROM webhook_deliveries GROUP BY state")
        return dict.fromkeys(STATES, 0) | dict(found)


def _delivery(row: Row) -> Delivery:
    id, seq, subscription, client, url, event_type, data_type, at, body, state, attempts, due = row
    return Delivery(
        id=id,
        event_seq=seq,
        subscription_id=subscription,
        client_id=client,
        callback_url=url,
        event_type=event_type,
        data_type=data_type,
        at=at,
        body=body,
        state=state,
        attempts=attempts,
        due_at=due,
    )
