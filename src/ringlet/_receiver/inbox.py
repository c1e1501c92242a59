"""The inbox: what Oura has told, kept until it is dealt with. Tables of their own, in the archive's database.

    inbox.accept(events, now)                     a receiver, before it acknowledges
    for work in inbox.claim(now, 20, 60_000):     whoever fetches
        ...
        inbox.finish(work)

Whoever fetches claims objects, not events: what was told of the same object, however often, is one piece of
work. A program's own handler takes the events instead, one by one (`take`, `handled`). One inbox has one of
the two: `holder` refuses the other.

Rules of this file:
* Accepting writes at one place: an event stands here once, by a key that begins with its time. Events are
  sorted into work by whoever claims; where the receiver did that, it acknowledged half as many.
* An event that is told again is no second event, but it is to be dealt with again: two changes within the
  second that `event_time` may name are told in the same bytes.
* Work says how often it was told of (`gen`). Finished is only what was not told of meanwhile; what changed
  while it was being fetched is fetched again.
* A claim is a lease. Whoever comes back after it ran out and finds another's claim changes nothing (`fence`).
* Times are milliseconds UTC by the caller's clock. It may be set back: what is held, or put off, for longer
  than anything is was so by another time, and that is over.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import msgspec

from .._archive import leases
from .._archive.archive import Archive
from .._archive.storage.locks import Lock
from .._archive.storage.migrations import Migrations, migrate
from .._webhooks.events import Event
from .inbox_owner import hold

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
# An event's `due_at` is NULL when it has been dealt with. Work is a row as long as there is something to do.

PAUSE = 1_000
"""Milliseconds for which work waits: a ring that syncs has several things to say of the same object."""
ROWS = 64
"""Rows of one statement: few statements, and few different ones, so that they stay prepared."""
SORTED = 1_000
"""Events that one claim sorts into work."""
LONGEST_WAIT = 15 * 60_000
"""Milliseconds that an event for a handler is put off, at most."""


@dataclass(frozen=True)
class Work:
    """An object to fetch (or to delete), claimed."""

    user_id: str
    """Oura's id of the wearer."""
    data_type: str
    """As webhooks call it: a key of `events.KINDS`, or a type that no route serves."""
    object_id: str
    event_type: str
    """What was told last. Oura sends events in any order: what the fetch finds is what counts."""
    gen: int
    """How often it had been told of when it was claimed."""
    fence: int
    """Whose claim this is."""
    attempts: int
    """Which try this is, from 1; those count that got no answer, too."""
    looks: int
    """How many answers did not agree with what was told."""


@dataclass(frozen=True)
class Told:
    """An event for a handler, taken."""

    key: str
    event: Event
    attempts: int
    """Which try this is, from 1."""


class Inbox:
    """What was told and is not dealt with, in an archive's database. Everything raises ArchiveError."""

    def __init__(self, archive: Archive) -> None:
        migrate(archive.database, MIGRATIONS)
        self.archive = archive
        self.db = archive.database

    def accept(self, events: Sequence[Event], received_at: int, *, again: bool = True) -> None:
        """Keep events: all of them, or none. Once this returns, they may be acknowledged.

        `again` is whether events that have been dealt with are to be dealt with again.
        """
        bodies = {event.key: event.body for event in events}
        told_again = "DO UPDATE SET due_at = excluded.due_at WHERE webhook_inbox.due_at IS NULL"
        with self.db.transaction():
            self._hold()
            # The `WHERE` is for SQLite, which would read what follows as the `ON` of a join.
            self._insert(
                "INSERT INTO webhook_inbox (key, body, received_at, due_at, attempts)"
                " SELECT column1, column2, ?, ?, 0 FROM (VALUES {rows}) WHERE true"
                f" ON CONFLICT (key) {told_again if again else 'DO NOTHING'}",
                list(bodies.items()),
                received_at,
                received_at,
            )

    def waiting(self) -> int:
        """How much there is to do: events that nobody has looked at, and objects to fetch. 0: nothing."""
        row = self.db.one(
            "SELECT (SELECT count(*) FROM webhook_inbox WHERE due_at IS NOT NULL)"
            " + (SELECT count(*) FROM webhook_work)"
        )
        return int(row[0]) if row else 0

    def forget(self, before: int, *, follower: str | None = None) -> None:
        """Let go of events that came before a time and have been dealt with.

        `follower` is the wearer who is followed: work for others that has waited since lets go, too.
        """
        self.db.execute("DELETE FROM webhook_inbox WHERE received_at < ? AND due_at IS NULL", (before,))
        if follower is not None:
            theirs = "DELETE FROM webhook_work WHERE user_id <> ? AND due_at < ? AND leased_until < ?"
            self.db.execute(theirs, (follower, before, before))

    # --- for whoever fetches ---

    def claim(self, now: int, limit: int, lease: int, *, user_id: str | None = None) -> list[Work]:
        """Work that is due, and nobody else's for `lease` milliseconds; what is due longest comes first.

        `user_id` leaves all others' work alone: a sign-in fetches its own wearer's documents only.
        """
        hold(self.archive, "sync")
        due = self.work_due(now, user_id=user_id)
        if due is None or due > now:  # whoever looks often, and in vain, keeps no receiver waiting
            return []
        whose, theirs = _whose(user_id)
        with self.db.transaction():
            self._hold()
            self._sort(now)
            rows = self.db.all(
                "UPDATE webhook_work SET fence = ?, leased_until = ?, attempts = attempts + 1"
                " WHERE (user_id, data_type, object_id) IN (SELECT user_id, data_type, object_id"
                f" FROM webhook_work WHERE {whose}due_at <= ? AND leased_until NOT BETWEEN ? AND ?"
                " ORDER BY due_at LIMIT ?)"
                " RETURNING due_at, user_id, data_type, object_id, event_type, gen, fence, attempts, looks",
                (
                    secrets.randbits(62),
                    now + min(lease, leases.MAX_LEASE_MS),
                    *theirs,
                    now,
                    *leases.active(now),
                    limit,
                ),
            )
        return [Work(*row[1:]) for row in sorted(rows)]

    def work_due(self, now: int, *, user_id: str | None = None) -> int | None:
        """When there is something to claim that nobody has claimed by now; None: there is nothing."""
        whose, theirs = _whose(user_id)
        row = self.db.one(
            "SELECT min(due_at) FROM (SELECT min(due_at) AS due_at FROM webhook_inbox"
            " WHERE due_at IS NOT NULL UNION ALL SELECT min(due_at) FROM webhook_work"
            f" WHERE {whose}leased_until NOT BETWEEN ? AND ?) AS next",
            (*theirs, *leases.active(now)),
        )
        return row[0] if row else None

    def finish(self, work: Work) -> bool:
        """It is done; whether the claim still stood. If it was told of meanwhile, it is due again at once.

        Call it in the transaction that keeps what was fetched, one piece of work in each.
        """
        with self.db.transaction():
            done = self.db.execute(
                f"DELETE FROM webhook_work WHERE {CLAIMED} AND gen = ?", (*_claim(work), work.gen)
            )
            again = "UPDATE webhook_work SET leased_until = 0, fence = 0, attempts = 0, looks = 0"
            return bool(done or self.db.execute(f"{again} WHERE {CLAIMED}", _claim(work)))

    def retry(self, work: Work, due: int, *, disagreed: bool = False) -> bool:
        """It could not be done; once more at `due`, or at once if it was told of meanwhile.

        `disagreed` is whether there was an answer, which did not agree with what was told. Whether the claim
        still stood.
        """
        later = (
            "UPDATE webhook_work SET leased_until = 0, fence = 0,"
            " due_at = CASE WHEN gen = ? THEN ? ELSE due_at END,"
            " attempts = CASE WHEN gen = ? THEN attempts ELSE 0 END,"
            " looks = CASE WHEN gen = ? THEN looks + ? ELSE 0 END"
        )
        values = work.gen, due, work.gen, work.gen, int(disagreed)
        return bool(self.db.execute(f"{later} WHERE {CLAIMED}", (*values, *_claim(work))))

    def _sort(self, now: int) -> None:
        """Events into work."""
        rows = self.db.all(
            "SELECT key, body, received_at FROM webhook_inbox WHERE due_at <= ?"
            " ORDER BY due_at, key LIMIT ?",  # of what came together, the newest is told last
            (now, SORTED),
        )
        events = [msgspec.json.decode(body, type=Event) for _, body, _ in rows]
        times = Counter((event.user_id, event.data_type, event.object_id) for event in events)
        last = {(event.user_id, event.data_type, event.object_id): event.event_type for event in events}
        self._insert(
            "INSERT INTO webhook_work AS work"
            " (user_id, data_type, object_id, event_type, gen, due_at, fence, leased_until, attempts, looks)"
            " VALUES {rows} ON CONFLICT (user_id, data_type, object_id) DO UPDATE SET"
            " event_type = excluded.event_type, gen = work.gen + excluded.gen,"
            " due_at = CASE WHEN work.due_at < excluded.due_at THEN work.due_at ELSE excluded.due_at END",
            [(*object, last[object], gen, now + PAUSE, 0, 0, 0, 0) for object, gen in sorted(times.items())],
        )
        self._dealt_with([key for key, _, _ in rows])

    # --- for a handler ---

    def take(self, now: int, limit: int, lease: int) -> list[Told]:
        """Events that are due, in the order they came, and nobody else's for `lease` milliseconds."""
        hold(self.archive, "handler")
        with self.db.transaction():
            self._hold()
            self.db.execute("UPDATE webhook_inbox SET due_at = ? WHERE due_at > ?", (now, now + LONGEST_WAIT))
            rows = self.db.all(
                "UPDATE webhook_inbox SET due_at = ?, attempts = attempts + 1 WHERE key IN"
                " (SELECT key FROM webhook_inbox WHERE due_at <= ? ORDER BY due_at, key LIMIT ?)"
                " RETURNING received_at, key, body, attempts",
                (now + min(lease, LONGEST_WAIT), now, limit),
            )
        return [
            Told(key, msgspec.json.decode(body, type=Event), attempts)
            for _, key, body, attempts in sorted(rows)
        ]

    def handled(self, told: Told) -> None:
        """It has been dealt with."""
        self._dealt_with([told.key])

    def postpone(self, told: Told, due: int) -> None:
        """It could not be dealt with; once more at `due`."""
        self.db.execute(
            "UPDATE webhook_inbox SET due_at = ? WHERE key = ? AND due_at IS NOT NULL", (due, told.key)
        )

    def due(self) -> int | None:
        """When the next event is due; None: there is none."""
        row = self.db.one("SELECT min(due_at) FROM webhook_inbox WHERE due_at IS NOT NULL")
        return row[0] if row else None

    def _dealt_with(self, keys: Sequence[str]) -> None:
        for some in _chunks(keys):
            marks = ", ".join("?" * len(some))
            self.db.execute(f"UPDATE webhook_inbox SET due_at = NULL WHERE key IN ({marks})", some)

    # --- for all ---

    def _hold(self) -> None:
        # One at a time: two who write the same rows in another order would wait for each other in a ring.
        self.db.lock(Lock.INBOX)

    def _insert(self, sql: str, rows: Sequence[Sequence[object]], *values: object) -> None:
        for some in _chunks(rows):
            marks = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
            self.db.execute(sql.format(rows=marks), [*values, *chain.from_iterable(some)])


def _whose(user_id: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if user_id is None else ("user_id = ? AND ", (user_id,))


CLAIMED = "user_id = ? AND data_type = ? AND object_id = ? AND fence = ?"


def _claim(work: Work) -> tuple[object, ...]:
    return work.user_id, work.data_type, work.object_id, work.fence


T = TypeVar("T")


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[first : first + ROWS] for first in range(0, len(items), ROWS))
