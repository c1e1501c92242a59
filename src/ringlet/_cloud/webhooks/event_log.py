"""Owns the table of events: a log of the changes of all users' documents.

`Publisher` appends to the log; the control API, `ringlet listen` and tests read it.

Rules of this file:
* The body of an event is encoded once, and stored as the bytes that are signed and sent.
* Events are numbered in the order of their commits, without gaps, and no number is used twice. So a reader
  who has seen event N has missed no earlier event.
* Pruning deletes the oldest events, so numbers stay contiguous. It never deletes the newest event, because
  the next number follows from it.
* SQL of other files does not name this table, but joins the subquery `EVENTS`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from ..._archive.storage.database import Row
from ..._archive.storage.migrations import Migrations
from ..._archive.storage.settings import Setting
from ..._webhooks.events import EventType
from ..core.tables import Tables

MIGRATIONS = Migrations(
    "events",
    # In older archives the migration "outbox" (see `delivery_schema`) created this table. For such an archive
    # this migration does nothing.
    """
CREATE TABLE IF NOT EXISTS webhook_events (
    seq              INTEGER PRIMARY KEY,
    user_id          INTEGER NOT NULL,
    event_type       TEXT NOT NULL,
    data_type        TEXT NOT NULL,
    at               INTEGER NOT NULL,
    body             BLOB NOT NULL
)
""",
)
EVENTS: Final = "SELECT seq, user_id, at, event_type, data_type, body FROM webhook_events"
"""A subquery of all events, which statements of other files join."""


@dataclass(frozen=True, kw_only=True)
class LoggedEvent:
    """An event in the log."""

    seq: int
    user: int
    at: int
    """When the event happened: epoch milliseconds on the cloud's clock."""
    event_type: EventType
    data_type: str
    body: bytes
    """The event's JSON, as it is signed and sent."""


class EventLog(Tables):
    """The log of events, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    @property
    def id(self) -> str:
        """A UUID that identifies this log, because every log has its own numbers."""
        stored = self.archive.setting(Setting.EVENT_LOG_ID)
        if stored is None:
            with self.archive.transaction():
                self.archive.lock_changes()  # another process may be creating the id at the same time
                stored = self.archive.setting(Setting.EVENT_LOG_ID) or str(uuid.uuid4())
                self.archive.set_setting(Setting.EVENT_LOG_ID, stored)
        return stored

    def append(self, user: int, event_type: EventType, data_type: str, at: int, body: bytes) -> int:
        """Append an event and return its number. Call it in a transaction, after `Archive.lock_changes`."""
        seq = self.newest + 1
        self.db.execute(
            "INSERT INTO webhook_events (seq, user_id, event_type, data_type, at, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (seq, user, event_type, data_type, at, body),
        )
        return seq

    def after(self, seq: int, limit: int = 100) -> list[LoggedEvent]:
        """The events with numbers above `seq`, in the order of their numbers, at most `limit` of them."""
        rows = self.db.all(f"{EVENTS} WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
        return [_logged(row) for row in rows]

    @property
    def newest(self) -> int:
        """The number of the newest event; 0 if no event was logged yet."""
        row = self.db.one("SELECT coalesce(max(seq), 0) FROM webhook_events")
        return int(row[0]) if row else 0

    @property
    def oldest(self) -> int:
        """The number of the oldest event that has not been deleted; 1 if no event was logged yet."""
        row = self.db.one("SELECT coalesce(min(seq), 1) FROM webhook_events")
        return int(row[0]) if row else 1

    def delete_before(self, seq: int) -> None:
        """Delete the events with numbers below `seq`."""
        self.db.execute("DELETE FROM webhook_events WHERE seq < ?", (seq,))


def _logged(row: Row) -> LoggedEvent:
    seq, user, at, event_type, data_type, body = row
    return LoggedEvent(seq=seq, user=user, at=at, event_type=event_type, data_type=data_type, body=body)
