"""The table `revisions`: earlier bodies of documents, compressed. Rows are added and never changed."""

from __future__ import annotations

from .series.zstd import compress, decompress
from .storage.database import Database


def add(database: Database, user: int, type: str, id: str, version: int, seen_at: int, body: bytes) -> None:
    """Store the body that a document had in a version, and when that body was requested."""
    database.execute(
        "INSERT INTO revisions (user_id, type, id, version, seen_at, body) VALUES (?, ?, ?, ?, ?, ?)",
        (user, type, id, version, seen_at, compress(body)),
    )


def rename(database: Database, user: int, type: str, old: str, new: str) -> None:
    """Move the earlier bodies of a document to another id."""
    database.execute(
        "UPDATE revisions SET id = ? WHERE user_id = ? AND type = ? AND id = ?", (new, user, type, old)
    )


def of(database: Database, user: int, type: str, id: str) -> list[tuple[int, bytes]]:
    """The earlier bodies of a document, oldest first, as (when the body was requested, body)."""
    rows = database.all(
        "SELECT seen_at, body FROM revisions WHERE user_id = ? AND type = ? AND id = ? ORDER BY version",
        (user, type, id),
    )
    return [(seen_at, decompress(body)) for seen_at, body in rows]


def counts(database: Database, user: int) -> dict[str, int]:
    """The number of earlier bodies of each data type of a user."""
    return dict(database.all("SELECT type, count(*) FROM revisions WHERE user_id = ? GROUP BY type", (user,)))
