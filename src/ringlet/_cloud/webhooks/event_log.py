"""What happened, and who is still to hear of it: the log of events, and a delivery for each subscription.

An event is logged in the transaction that changes the document, and so are its deliveries: either all are
there, or nothing happened. `deliveries` works them off, `subscriptions` says whom they are for.

Rules of this file:
* An event's body is made once, and stored as the bytes that are signed and sent.
* Events are numbered in the order in which they were committed, so that whoever reads the log up to a number
  has missed nothing before it. No number is left out, and none is given twice.
* Events are forgotten from the first on, and never the newest: what is left is all that happened since. One
  that somebody is still to hear of holds up those after it.
* Who changes documents holds the log before them, and the deliveries after it (`record`): all in one order,
  so that no two wait for each other.
* An application hears of the wearers that it is connected with now, whatever scopes they granted:
  integrations in production skip events of data they may not read (Tidepool does).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from ..._api.catalog import AnyKind
from ..._api.windows import MILLISECOND, from_ms
from ..._archive.archive import Archive
from ..._archive.documents import Change
from ..._archive.storage.database import Row
from ..._archive.storage.locks import Lock
from ..._archive.storage.migrations import Migrations
from ..._archive.storage.settings import Setting
from ..._webhooks.events import Event, EventType
from ..core.clock import Clock
from ..core.tables import Tables

MIGRATIONS = Migrations(
    "outbox",
    """
CREATE TABLE IF NOT EXISTS webhook_events (
    seq              INTEGER PRIMARY KEY,
    user_id          INTEGER NOT NULL,
    event_type       TEXT NOT NULL,
    data_type        TEXT NOT NULL,
    at               INTEGER NOT NULL,
    body             BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    event_seq        INTEGER NOT NULL,
    subscription_id  TEXT NOT NULL,
    due_at           INTEGER,
    state            TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts         INTEGER NOT NULL,
    fence            INTEGER NOT NULL,
    leased_until     INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS webhook_deliveries_due
    ON webhook_deliveries (subscription_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_deliveries_of_event ON webhook_deliveries (event_seq);
CREATE TABLE IF NOT EXISTS webhook_attempts (
    delivery_id      INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    callback_url     TEXT NOT NULL,
    timestamp        TEXT NOT NULL,
    signature        TEXT NOT NULL,
    began_at         INTEGER NOT NULL,
    took             INTEGER NOT NULL,
    status           INTEGER,
    reason           TEXT NOT NULL,
    response         BLOB NOT NULL,
    PRIMARY KEY (delivery_id, number)
)
""",
    "ALTER TABLE webhook_attempts ADD COLUMN response_headers TEXT NOT NULL DEFAULT '{}'",
    "CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (subscription_id, id)"
    " WHERE state = 'failed'",
)
# No id of a delivery is given twice, not even when the newest is gone: what a sender still has to say about
# that one must not be taken to be about another. `due_at` is on the cloud's clock, and NULL when nothing more
# is to be done; leases and attempts are in real time, because that is what a connection takes, however far
# the cloud's clock is moved meanwhile.

LATENCY = timedelta(seconds=30)
"""How long after a sync of the ring its events are sent (Oura's documents: about 30 seconds)."""
MEMORY = timedelta(days=30)
"""How long events and deliveries are kept, on the cloud's clock."""


@dataclass(frozen=True, kw_only=True)
class Logged:
    """One line of the log."""

    seq: int
    user: int
    at: int
    """When it happened: epoch milliseconds on the cloud's clock."""
    event_type: EventType
    data_type: str
    body: bytes


class Outbox(Tables):
    """The log of events, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def __init__(self, archive: Archive, clock: Clock) -> None:
        super().__init__(archive, clock)
        self.wake: Callable[[], None] = lambda: None
        """Called when there may be something to deliver; the sender of this process puts itself here."""
        self._at: int | None = None

    def observe(self, user: int, kind: AnyKind, changes: Sequence[Change]) -> None:
        """An archive's `observer`: log what happened to documents, to be delivered at once."""
        due = None if self._at is None else self._at + LATENCY // MILLISECOND
        if kind.webhook:
            for event_type, id in changes:
                self.record(user, event_type, kind.webhook, id, at=self._at, due=due)

    @contextmanager
    def at(self, instant: int) -> Generator[None]:
        """What is observed meanwhile came with a sync of the ring then, and is due `LATENCY` later."""
        self._at = instant
        try:
            yield
        finally:
            self._at = None

    def record(
        self,
        user: int,
        event_type: EventType,
        data_type: str,
        object_id: str,
        *,
        at: int | None = None,
        due: int | None = None,
    ) -> int:
        """Log one event, and a delivery for everybody who wants to hear of it; how many want to.

        `at` is when it happened, `due` when it is to be sent: milliseconds on the cloud's clock, default now.
        """
        now = self.clock.ms()
        at = now if at is None else at
        event = Event(
            event_type=event_type,
            data_type=data_type,
            object_id=object_id,
            event_time=from_ms(at).isoformat(timespec="microseconds"),
            user_id=self._name(user),
        )
        with self.archive.transaction():
            # Until the commit: numbers are given in its order, and no subscription ends in between.
            self.archive.lock_changes()
            seq = self.newest + 1
            self.db.execute(
                "INSERT INTO webhook_events (seq, user_id, event_type, data_type, at, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (seq, user, event_type, data_type, at, event.body),
            )
            wanted = self.db.execute(
                "INSERT INTO webhook_deliveries"
                " (event_seq, subscription_id, due_at, state, attempts, fence, leased_until)"
                " SELECT ?, s.id, ?, 'waiting', 0, 0, 0 FROM webhook_subscriptions s"
                " JOIN oauth_apps a ON a.client_id = s.client_id"
                " WHERE s.data_type = ? AND s.event_type = ? AND s.ended_at IS NULL AND s.expires_at > ?"
                " AND EXISTS (SELECT 1 FROM oauth_grants g WHERE g.client_id = s.client_id"
                " AND g.user_id = ? AND g.ended_at IS NULL AND g.expires_at > ?)",
                (seq, now if due is None else due, data_type, event_type, now, user, now),
            )
        if wanted:
            self.wake()
        return wanted

    def log(self, after: int, limit: int = 100) -> list[Logged]:
        """The events behind a number, in order."""
        rows = self.db.all(
            "SELECT seq, user_id, at, event_type, data_type, body FROM webhook_events"
            " WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, limit),
        )
        return [_logged(row) for row in rows]

    @property
    def id(self) -> str:
        """What tells this log from every other: numbers mean something within one log only."""
        kept = self.archive.setting(Setting.EVENT_LOG_ID)
        if kept is None:
            with self.archive.transaction():
                self.archive.lock_changes()  # another process may be about to name it
                kept = self.archive.setting(Setting.EVENT_LOG_ID) or str(uuid.uuid4())
                self.archive.set_setting(Setting.EVENT_LOG_ID, kept)
        return kept

    def wanted(self, seq: int) -> int:
        """How many subscriptions an event is delivered to."""
        row = self.db.one("SELECT count(*) FROM webhook_deliveries WHERE event_seq = ?", (seq,))
        return int(row[0]) if row else 0

    @property
    def newest(self) -> int:
        """The number of the newest event; 0 before the first."""
        row = self.db.one("SELECT coalesce(max(seq), 0) FROM webhook_events")
        return int(row[0]) if row else 0

    @property
    def oldest(self) -> int:
        """The number of the oldest event that is remembered; 1 before the first."""
        row = self.db.one("SELECT coalesce(min(seq), 1) FROM webhook_events")
        return int(row[0]) if row else 1

    def forget(self) -> None:
        """Let go of what is older than the memory, and of what waits for a subscription that has ended."""
        now = self.clock.ms()
        before = now - MEMORY // MILLISECOND
        living = "SELECT id FROM webhook_subscriptions WHERE ended_at IS NULL AND expires_at > ?"
        vain = f"due_at IS NOT NULL AND subscription_id NOT IN ({living})"
        with self.archive.transaction():
            self.db.lock(Lock.EVENTS)
            self._let_go(vain, now)
            first = self.db.one(
                "SELECT seq FROM webhook_events WHERE at >= ? OR seq = (SELECT max(seq) FROM webhook_events)"
                " OR EXISTS (SELECT 1 FROM webhook_deliveries WHERE event_seq = seq AND due_at IS NOT NULL)"
                " ORDER BY seq LIMIT 1",
                (before,),
            )
            if first:
                self._let_go("event_seq < ?", *first)
                self.db.execute("DELETE FROM webhook_events WHERE seq < ?", first)
            self.db.execute(
                "DELETE FROM webhook_subscriptions WHERE ended_at < ? AND NOT EXISTS"
                " (SELECT 1 FROM webhook_deliveries WHERE subscription_id = webhook_subscriptions.id)",
                (before,),
            )

    def _let_go(self, which: str, value: int) -> None:
        ids = f"SELECT id FROM webhook_deliveries WHERE {which}"
        self.db.execute(f"DELETE FROM webhook_attempts WHERE delivery_id IN ({ids})", (value,))
        self.db.execute(f"DELETE FROM webhook_deliveries WHERE {which}", (value,))

    def _name(self, user: int) -> str:
        name = self.archive.user_name(user)
        assert name, "events are about users of the archive"
        return name


def _logged(row: Row) -> Logged:
    seq, user, at, event_type, data_type, body = row
    return Logged(seq=seq, user=user, at=at, event_type=event_type, data_type=data_type, body=body)
