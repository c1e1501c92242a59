"""Sending again: deliveries that are due once more, at once and with all their retries.

Rules of this file:
* What is under way keeps its lease: it is tried again when that attempt has failed, never twice at a time.
* Nothing is sent again to a subscription that has ended.
"""

from __future__ import annotations

from ..._archive.storage.locks import Lock
from ..core.tables import Tables
from . import event_log as outbox


class Replays(Tables):
    """Deliveries that somebody wants to have again."""

    MIGRATIONS = outbox.MIGRATIONS

    def replay_one(self, id: int) -> bool:
        """Deliver one again, now and with all retries; whether there is one, with a living subscription."""
        return bool(self._replay(None, "id = ?", id))

    def replay_range(self, client_id: str | None, first_ms: int, last_ms: int) -> int:
        """Deliver what happened in [first, last] again; how many those are."""
        events = "event_seq IN (SELECT seq FROM webhook_events WHERE at BETWEEN ? AND ?)"
        return self._replay(client_id, events, first_ms, last_ms)

    def replay_failed(self, client_id: str | None) -> int:
        """Deliver all that failed for good again; how many those are."""
        return self._replay(client_id, "state = 'failed'")

    def _replay(self, client_id: str | None, which: str, *values: object) -> int:
        now = self.clock.ms()
        whose, mine = ("", ()) if client_id is None else (" AND client_id = ?", (client_id,))
        with self.archive.transaction():
            self.db.lock(Lock.EVENTS)
            return self.db.execute(
                "UPDATE webhook_deliveries SET state = 'waiting', due_at = ?, attempts = 0"
                f" WHERE {which} AND subscription_id IN (SELECT id FROM webhook_subscriptions"
                f" WHERE ended_at IS NULL AND expires_at > ?{whose})",
                (now, *values, now, *mine),
            )
