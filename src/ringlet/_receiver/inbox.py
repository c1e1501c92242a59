"""The inbox: a table of the archive's database with the events that a receiver has stored.

    inbox.accept(events, now)                     # the receiver, before it acknowledges them
    for pending in inbox.take(now, 20, 60_000):   # a program's handler
        handler(pending.event)
        inbox.mark_handled(pending)

A sync does not take events one by one. It turns events into fetch jobs, one for each object: see
`fetch_queue`. Either a handler or a sync takes the events of an inbox, never both: see `inbox_owner`.

Rules of this file:
* `accept` only inserts one row for each event. Turning events into fetch jobs at this point would halve the
  number of events that a receiver acknowledges per second.
* The key of a row begins with the event's time, so that new keys fall on index pages that are in the cache.
  Inserting random keys takes five times as long.
* An event that Oura sends again has the same key and the same row, but a sync must fetch its object again.
  The reason is that `event_time` may have whole seconds: two changes within a second cause equal events.
* Times are epoch milliseconds by the caller's clock, which may be set back. If a `due_at` is later than the
  longest delay allows, it was written before the clock was set back, and the event is due now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import msgspec

from .._archive.archive import Archive
from .._archive.storage.locks import Lock
from .._archive.storage.migrations import Migrations, migrate
from .._webhooks.events import Event
from .inbox_owner import acquire

MIGRATIONS = Migrations(
    "inbox",
    """
CREATE TABLE IF NOT EXISTS webhook_inbox (
    key              TEXT PRIMARY KEY,
    body             BLOB NOT NULL,
    received_at      INTEGER NOT NULL,
    due_at           INTEGER,
    attempts         INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS webhook_inbox_due ON webhook_inbox (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS webhook_work (
    user_id          TEXT NOT NULL,
    data_type        TEXT NOT NULL,
    object_id        TEXT NOT NULL,
    event_type       TEXT NOT NULL,
    gen              INTEGER NOT NULL,
    due_at           INTEGER NOT NULL,
    fence            INTEGER NOT NULL,
    leased_until     INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    looks            INTEGER NOT NULL,
    PRIMARY KEY (user_id, data_type, object_id)
);
CREATE INDEX IF NOT EXISTS webhook_work_due ON webhook_work (user_id, due_at)
""",
)
# `webhook_inbox.due_at` is NULL for an event that is finished. A row of `webhook_work` is a fetch job, and is
# deleted when the job is finished.

ROWS_PER_STATEMENT = 64
"""How many rows one INSERT has. The database driver can reuse a prepared statement of the same length."""
MAX_EVENT_DELAY_MS = 15 * 60_000
"""The longest time for which an event for a handler is postponed or leased."""

T = TypeVar("T")


@dataclass(frozen=True)
class PendingEvent:
    """An event that a handler has taken from the inbox and not finished yet."""

    key: str
    event: Event
    attempts: int
    """The number of this attempt to handle the event, from 1."""


class Inbox:
    """The events in an archive's database. Every method raises ArchiveError."""

    def __init__(self, archive: Archive) -> None:
        migrate(archive.database, MIGRATIONS)
        self.archive = archive
        self.db = archive.database

    def accept(self, events: Sequence[Event], received_at: int, *, reopen: bool = True) -> None:
        """Store events in one transaction. When this returns, the receiver may acknowledge the events.

        With `reopen`, an event that was stored before and is finished becomes due again.
        """
        bodies = {event.key: event.body for event in events}
        due_again = "DO UPDATE SET due_at = excluded.due_at WHERE webhook_inbox.due_at IS NULL"
        with self.db.transaction():
            self._lock()
            # Without `WHERE true`, SQLite takes ON CONFLICT for the ON of a join.
            self._insert(
                "INSERT INTO webhook_inbox (key, body, received_at, due_at, attempts)"
                " SELECT column1, column2, ?, ?, 0 FROM (VALUES {rows}) WHERE true"
                f" ON CONFLICT (key) {due_again if reopen else 'DO NOTHING'}",
                list(bodies.items()),
                received_at,
                received_at,
            )

    def pending(self) -> int:
        """How many events are not finished."""
        row = self.db.one("SELECT count(*) FROM webhook_inbox WHERE due_at IS NOT NULL")
        return int(row[0]) if row else 0

    def prune(self, before: int) -> None:
        """Delete finished events that were received before a time (epoch milliseconds)."""
        self.db.execute("DELETE FROM webhook_inbox WHERE received_at < ? AND due_at IS NULL", (before,))

    def take(self, now: int, limit: int, lease: int) -> list[PendingEvent]:
        """Take due events, in the order of receipt. No other process can take them for `lease` milliseconds.

        Raises UsageError while a sync owns the inbox.
        """
        acquire(self.archive, "handler")
        with self.db.transaction():
            self._lock()
            self.db.execute(
                "UPDATE webhook_inbox SET due_at = ? WHERE due_at > ?", (now, now + MAX_EVENT_DELAY_MS)
            )
            rows = self.db.all(
                "UPDATE webhook_inbox SET due_at = ?, attempts = attempts + 1 WHERE key IN"
                " (SELECT key FROM webhook_inbox WHERE due_at <= ? ORDER BY due_at, key LIMIT ?)"
                " RETURNING received_at, key, body, attempts",
                (now + min(lease, MAX_EVENT_DELAY_MS), now, limit),
            )
        return [
            PendingEvent(key, msgspec.json.decode(body, type=Event), attempts)
            for _, key, body, attempts in sorted(rows)
        ]

    def mark_handled(self, pending: PendingEvent) -> None:
        """Mark an event as finished, because the handler has returned."""
        self._mark_handled([pending.key])

    def postpone(self, pending: PendingEvent, due: int) -> None:
        """Make an event due again at `due`, because the handler failed. A finished event stays finished."""
        self.db.execute(
            "UPDATE webhook_inbox SET due_at = ? WHERE key = ? AND due_at IS NOT NULL", (due, pending.key)
        )

    def next_due(self) -> int | None:
        """When the next event is due (epoch milliseconds); None if all events are finished."""
        row = self.db.one("SELECT min(due_at) FROM webhook_inbox WHERE due_at IS NOT NULL")
        return row[0] if row else None

    # --- used by this class and by `FetchQueue` ---

    def _due(self, now: int, limit: int) -> list[tuple[str, Event, int]]:
        """The key, the event and the time of receipt of each due event, the oldest first."""
        rows = self.db.all(
            "SELECT key, body, received_at FROM webhook_inbox WHERE due_at <= ?"
            # Keys begin with the event's time, so events of one commit are in the order of their times.
            " ORDER BY due_at, key LIMIT ?",
            (now, limit),
        )
        return [(key, msgspec.json.decode(body, type=Event), received_at) for key, body, received_at in rows]

    def _mark_handled(self, keys: Sequence[str]) -> None:
        for some in _chunks(keys):
            marks = ", ".join("?" * len(some))
            self.db.execute(f"UPDATE webhook_inbox SET due_at = NULL WHERE key IN ({marks})", some)

    def _lock(self) -> None:
        """Wait for other writers to commit. Two writers of the same rows, in other orders, would deadlock."""
        self.db.lock(Lock.INBOX)

    def _insert(self, sql: str, rows: Sequence[Sequence[object]], *values: object) -> None:
        for some in _chunks(rows):
            marks = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
            self.db.execute(sql.format(rows=marks), [*values, *chain.from_iterable(some)])


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[first : first + ROWS_PER_STATEMENT] for first in range(0, len(items), ROWS_PER_STATEMENT))
