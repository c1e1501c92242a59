"""The inbox: events that a receiver took in, in a table of the archive's database, until they are dealt with.

    inbox.accept(events, now)                     # the receiver, before it acknowledges them
    for pending in inbox.take(now, 20, 60_000):   # a program's handler
        handler(pending.event)
        inbox.mark_handled(pending)

A sync does not take events one by one. It turns them into fetch jobs, one for each object: see `fetch_queue`.
An inbox is worked off by a handler or by a sync, never by both: `inbox_owner` keeps them apart.

Rules of this file:
* `accept` writes one row and nothing else. When the receiver also sorted events into jobs, it acknowledged
  half as many events a second.
* The key of a row begins with the event's time, so that new keys fall on pages of the index that are in the
  cache. Random keys take five times as long.
* An event that comes again is the same row, but a sync must deal with it again: `event_time` may name whole
  seconds, so two changes within one second are the same bytes.
* Times are epoch milliseconds by the caller's clock, which may be set back. An event that is put off for
  longer than any can be was put off before that, and is due.
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
# `webhook_inbox.due_at` is NULL once the event has been dealt with. A row of `webhook_work` is a fetch job:
# it exists as long as there is something to fetch.

ROWS_PER_STATEMENT = 64
"""Few statements, and few different ones, so that they stay prepared."""
MAX_EVENT_DELAY_MS = 15 * 60_000
"""For how long an event for a handler may be put off."""

T = TypeVar("T")


@dataclass(frozen=True)
class PendingEvent:
    """An event that a handler has taken."""

    key: str
    event: Event
    attempts: int
    """Which attempt this is, from 1."""


class Inbox:
    """The events in an archive's database. Every method raises ArchiveError."""

    def __init__(self, archive: Archive) -> None:
        migrate(archive.database, MIGRATIONS)
        self.archive = archive
        self.db = archive.database

    def accept(self, events: Sequence[Event], received_at: int, *, reopen: bool = True) -> None:
        """Store all events, or none. Once this returns, they may be acknowledged.

        With `reopen`, events that have been dealt with already are due again.
        """
        bodies = {event.key: event.body for event in events}
        due_again = "DO UPDATE SET due_at = excluded.due_at WHERE webhook_inbox.due_at IS NULL"
        with self.db.transaction():
            self._lock()
            # `WHERE true`: otherwise SQLite reads ON CONFLICT as the ON of a join.
            self._insert(
                "INSERT INTO webhook_inbox (key, body, received_at, due_at, attempts)"
                " SELECT column1, column2, ?, ?, 0 FROM (VALUES {rows}) WHERE true"
                f" ON CONFLICT (key) {due_again if reopen else 'DO NOTHING'}",
                list(bodies.items()),
                received_at,
                received_at,
            )

    def pending(self) -> int:
        """How many events have not been dealt with."""
        row = self.db.one("SELECT count(*) FROM webhook_inbox WHERE due_at IS NOT NULL")
        return int(row[0]) if row else 0

    def prune(self, before: int) -> None:
        """Delete events that were received before a time and have been dealt with."""
        self.db.execute("DELETE FROM webhook_inbox WHERE received_at < ? AND due_at IS NULL", (before,))

    def take(self, now: int, limit: int, lease: int) -> list[PendingEvent]:
        """Events that are due, in the order they came; nobody else gets them for `lease` milliseconds.

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
        """The handler has dealt with it."""
        self._mark_handled([pending.key])

    def postpone(self, pending: PendingEvent, due: int) -> None:
        """The handler failed; the event is due again at `due`, unless it has been dealt with meanwhile."""
        self.db.execute(
            "UPDATE webhook_inbox SET due_at = ? WHERE key = ? AND due_at IS NOT NULL", (due, pending.key)
        )

    def next_due(self) -> int | None:
        """When the next event is due; None without one."""
        row = self.db.one("SELECT min(due_at) FROM webhook_inbox WHERE due_at IS NOT NULL")
        return row[0] if row else None

    # --- for this class and `FetchQueue` ---

    def _due(self, now: int, limit: int) -> list[tuple[str, Event, int]]:
        """Keys, events and times of receipt of what is due, the oldest first."""
        rows = self.db.all(
            "SELECT key, body, received_at FROM webhook_inbox WHERE due_at <= ?"
            # keys begin with the event's time: within a commit, the newest last
            " ORDER BY due_at, key LIMIT ?",
            (now, limit),
        )
        return [(key, msgspec.json.decode(body, type=Event), received_at) for key, body, received_at in rows]

    def _mark_handled(self, keys: Sequence[str]) -> None:
        for some in _chunks(keys):
            marks = ", ".join("?" * len(some))
            self.db.execute(f"UPDATE webhook_inbox SET due_at = NULL WHERE key IN ({marks})", some)

    def _lock(self) -> None:
        """One writer at a time: two that write the same rows in different orders would deadlock."""
        self.db.lock(Lock.INBOX)

    def _insert(self, sql: str, rows: Sequence[Sequence[object]], *values: object) -> None:
        for some in _chunks(rows):
            marks = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
            self.db.execute(sql.format(rows=marks), [*values, *chain.from_iterable(some)])


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[first : first + ROWS_PER_STATEMENT] for first in range(0, len(items), ROWS_PER_STATEMENT))
