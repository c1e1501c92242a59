"""The table `windows`: the intervals of time that a backfill has completed.

Rules of this file:
* `finish` is called in the transaction that stores the documents, so that no interval is marked without them.
* Intervals that overlap or touch become one row: ten years of backfill become one row for each data type.
"""

from __future__ import annotations

from .storage.counts import Counts
from .storage.database import Database
from .storage.locks import Lock


def done(database: Database, user: int, type: str) -> list[tuple[int, int]]:
    """The completed intervals [start, end) in milliseconds UTC, in order. No two of them touch or overlap."""
    return database.all(
        "SELECT start_at, end_at FROM windows WHERE user_id = ? AND type = ? ORDER BY start_at", (user, type)
    )


def finish(
    database: Database, user: int, type: str, start: int, end: int, counts: Counts, pages: int, at: int
) -> None:
    """Record that a backfill has completed the interval [start, end) at the time `at` (milliseconds UTC)."""
    totals = [pages, counts.added, counts.changed]
    with database.transaction():
        database.lock(Lock.COVERAGE, user)  # One lock for all data types, because `reopen` changes all.
        for first, last, latest, *sums in database.all(
            "DELETE FROM windows WHERE user_id = ? AND type = ? AND start_at <= ? AND end_at >= ?"
            " RETURNING start_at, end_at, at, pages, added, changed",
            (user, type, end, start),
        ):
            start, end, at = min(start, first), max(end, last), max(at, latest)
            totals = [a + b for a, b in zip(totals, sums, strict=True)]
        database.execute(
            "INSERT INTO windows (user_id, type, start_at, end_at, at, pages, added, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (user, type, start, end, at, *totals),
        )


def reopen(database: Database, user: int, since: int) -> None:
    """Remove the intervals of all data types from `since` on, so that a backfill requests that time again."""
    with database.transaction():
        database.lock(Lock.COVERAGE, user)
        database.execute("DELETE FROM windows WHERE user_id = ? AND start_at >= ?", (user, since))
        database.execute(
            "UPDATE windows SET end_at = ? WHERE user_id = ? AND end_at > ?", (since, user, since)
        )
