"""What sync knows between runs: who, which stretches of time are complete, and small texts by name.

Rules of this file:
* `finish` belongs in the transaction that brought the documents: no stretch is marked without them.
* Stretches that overlap or touch are one row: ten years of backfill end as one line per data type.
"""

from __future__ import annotations

from typing import NamedTuple

from .documents import Counts
from .storage.database import Database
from .storage.locks import Lock


class User(NamedTuple):
    """Somebody whose data the archive keeps."""

    id: int
    name: str
    """Oura's id of the person, or a local name."""


def user(database: Database, name: str) -> int:
    """The number of a user, given on first sight."""
    found = database.one("SELECT id FROM users WHERE name = ?", (name,))
    if found is None:
        # Another process may have been quicker: this gives the number all the same.
        found = database.one(
            "INSERT INTO users (name) VALUES (?)"
            " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
            (name,),
        )
    assert found is not None
    return int(found[0])


def users(database: Database) -> list[User]:
    """Everybody, in order of arrival."""
    return [User(*row) for row in database.all("SELECT id, name FROM users ORDER BY id")]


def done(database: Database, user: int, type: str) -> list[tuple[int, int]]:
    """The completed stretches [start, end) in milliseconds UTC, in order; no two of them touch."""
    return database.all(
        "SELECT start_at, end_at FROM windows WHERE user_id = ? AND type = ? ORDER BY start_at", (user, type)
    )


def finish(
    database: Database, user: int, type: str, start: int, end: int, counts: Counts, pages: int, at: int
) -> None:
    """Mark [start, end) as complete at the time `at`."""
    total = [pages, counts.added, counts.changed]
    with database.transaction():
        database.lock(Lock.COVERAGE, user)  # of every type, as `reopen` does
        for first, last, latest, *sums in database.all(
            "DELETE FROM windows WHERE user_id = ? AND type = ? AND start_at <= ? AND end_at >= ?"
            " RETURNING start_at, end_at, at, pages, added, changed",
            (user, type, end, start),
        ):
            start, end, at = min(start, first), max(end, last), max(at, latest)
            total = [a + b for a, b in zip(total, sums, strict=True)]
        database.execute(
            "INSERT INTO windows (user_id, type, start_at, end_at, at, pages, added, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (user, type, start, end, at, *total),
        )


def reopen(database: Database, user: int, since: int) -> None:
    """Take back what was marked complete from `since` on."""
    with database.transaction():
        database.lock(Lock.COVERAGE, user)
        database.execute("DELETE FROM windows WHERE user_id = ? AND start_at >= ?", (user, since))
        database.execute(
            "UPDATE windows SET end_at = ? WHERE user_id = ? AND end_at > ?", (since, user, since)
        )
