"""The table `documents`: every SQL statement on it.

A row has the body of a document as Oura sent it, and the columns by which it is found. When to store and
delete documents is decided in `documents`.

Rules of this file:
* `body` is stored unchanged. The other columns are computed from the body once, when it is stored.
* A deleted document keeps its row, with `deleted_at`. A document that was deleted before its first body
  arrived has version 0, an empty body and an empty hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from .storage.database import Database

Bound: TypeAlias = int | str
Column: TypeAlias = Literal["instant", "day"]
"""The column by which a window selects and orders documents: `instant` (milliseconds UTC) or `day` (text)."""
EVER = (-(2**63), 2**63 - 1)
"""A window of instants that includes every document."""
IDS_A_STATEMENT = 500
"""The most ids that one SELECT of `stored_ids` looks up."""


Document: TypeAlias = tuple[str, str | None, int | None, int, int, bytes, bytes]
"""A row of a document that is not deleted: id, day, instant, version, seen_at, hash, body."""


State: TypeAlias = tuple[int, int, int | None, bytes, int | None]
"""Columns of a stored document: version, seen_at, deleted_at (None if not deleted), hash, instant."""


class Totals(NamedTuple):
    """The number, days and bytes of a user's documents of one data type, without deleted ones."""

    type: str
    rows: int
    first_day: str | None
    last_day: str | None
    bytes: int
    last_seen_at: int


# --- writing ---

_INSERT = (
    "INSERT INTO documents (user_id, type, id, day, instant, version, seen_at, deleted_at, hash, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)"
)
_ONE = "user_id = ? AND type = ? AND id = ?"


def insert(database: Database, user: int, type: str, documents: Iterable[Document]) -> None:
    """Add documents whose ids are not stored yet."""
    database.many(_INSERT, [(user, type, *document) for document in documents])


def replace(database: Database, user: int, type: str, document: Document) -> None:
    """Store a document in place of the one with the same id, if there is one (deleted or not)."""
    database.execute(
        f"{_INSERT} ON CONFLICT (user_id, type, id) DO UPDATE SET day = excluded.day,"
        " instant = excluded.instant, version = excluded.version, seen_at = excluded.seen_at,"
        " deleted_at = NULL, hash = excluded.hash, body = excluded.body",
        (user, type, *document),
    )


def confirm(database: Database, user: int, type: str, id: str, seen_at: int) -> None:
    """Record that a request sent at `seen_at` returned the body that is stored already."""
    database.execute(f"UPDATE documents SET seen_at = ? WHERE {_ONE}", (seen_at, user, type, id))


def rename(database: Database, user: int, type: str, old: str, new: str) -> bool:
    """Give a document another id. Returns whether the document exists."""
    return bool(database.execute(f"UPDATE documents SET id = ? WHERE {_ONE}", (new, user, type, old)))


def insert_deleted(database: Database, user: int, type: str, id: str, at: int) -> None:
    """Insert the row of a deleted document whose body never arrived."""
    database.execute(
        "INSERT INTO documents (user_id, type, id, version, seen_at, deleted_at, hash, body)"
        " VALUES (?, ?, ?, 0, ?, ?, ?, ?)",
        (user, type, id, at, at, b"", b""),
    )


def mark_deleted(database: Database, user: int, type: str, id: str, at: int) -> bool:
    """Mark a document as deleted, unless its body was requested after `at`. Returns whether it was marked."""
    return bool(
        database.execute(
            f"UPDATE documents SET deleted_at = ? WHERE {_ONE} AND seen_at <= ?", (at, user, type, id, at)
        )
    )


# --- reading before writing ---


def stored_ids(database: Database, user: int, type: str, ids: Sequence[str]) -> set[str]:
    """Those of the ids whose documents are stored, including deleted documents."""
    found: set[str] = set()
    for start in range(0, len(ids), IDS_A_STATEMENT):
        some = ids[start : start + IDS_A_STATEMENT]
        marks = ", ".join("?" * len(some))
        found.update(
            id
            for (id,) in database.all(
                f"SELECT id FROM documents WHERE user_id = ? AND type = ? AND id IN ({marks})",
                (user, type, *some),
            )
        )
    return found


def state(database: Database, user: int, type: str, id: str) -> State | None:
    """The state of a stored document, deleted or not; None if it is not stored."""
    row: State | None = database.one(
        f"SELECT version, seen_at, deleted_at, hash, instant FROM documents WHERE {_ONE}", (user, type, id)
    )
    return row


def stored_body(database: Database, user: int, type: str, id: str) -> bytes:
    """The body of a document that is stored, deleted or not."""
    row = database.one(f"SELECT body FROM documents WHERE {_ONE}", (user, type, id))
    assert row is not None
    return bytes(row[0])


def next_instant(database: Database, user: int, type: str) -> int:
    """The number for a new document of a kind without instants: the highest number plus one.

    The column `instant` of such documents has the order in which they arrived.
    """
    row = database.one(
        "SELECT coalesce(max(instant), -1) + 1 FROM documents WHERE user_id = ? AND type = ?", (user, type)
    )
    return row[0] if row else 0


# --- reading documents that are not deleted ---

_LIVE = "FROM documents WHERE user_id = ? AND type = ? AND deleted_at IS NULL "


def window_statements(column: Column) -> tuple[str, str, str]:
    """The SELECT statements for a whole window, for its first page, and for a later page."""
    where = f"{_LIVE} AND {column} BETWEEN ? AND ?"
    order = f"ORDER BY {column}, id"
    return (
        f"SELECT body {where} {order}",
        f"SELECT body, {column}, id {where} {order} LIMIT ?",
        f"SELECT body, {column}, id {where} AND ({column}, id) > (?, ?) {order} LIMIT ?",
    )


_WINDOWS: dict[Column, tuple[str, str, str]] = {
    "instant": window_statements("instant"),
    "day": window_statements("day"),
}


def window(
    database: Database, user: int, type: str, column: Column, bounds: tuple[Bound, Bound]
) -> list[bytes]:
    """All bodies of a window, both bounds included, in order."""
    return [row[0] for row in database.all(_WINDOWS[column][0], (user, type, *bounds))]


def page(
    database: Database,
    user: int,
    type: str,
    column: Column,
    bounds: tuple[Bound, Bound],
    after: tuple[Bound, str] | None,
    limit: int,
) -> list[tuple[bytes, Bound, str]]:
    """At most `limit` bodies of a window after the place `after`, each with its place (column value, id)."""
    _, first, later = _WINDOWS[column]
    if after is None:
        return database.all(first, (user, type, *bounds, limit))
    return database.all(later, (user, type, *bounds, *after, limit))


def body(database: Database, user: int, type: str, id: str) -> bytes | None:
    """The body of a document; None if it is not stored or is deleted."""
    row = database.one(f"SELECT body {_LIVE} AND id = ?", (user, type, id))
    return row[0] if row else None


def latest(database: Database, user: int, type: str) -> bytes | None:
    """The body with the highest instant, of several the one with the highest id; None if none is stored."""
    row = database.one(f"SELECT body {_LIVE} ORDER BY instant DESC, id DESC LIMIT 1", (user, type))
    return row[0] if row else None


def ids_between(database: Database, user: int, type: str, start: int, end: int) -> set[str]:
    """The ids of documents whose instant is in [start, end), except documents with their day as id."""
    rows = database.all(
        f"SELECT id {_LIVE} AND instant >= ? AND instant < ? AND id <> coalesce(day, '')",
        (user, type, start, end),
    )
    return {id for (id,) in rows}


def totals(database: Database, user: int) -> list[Totals]:
    """The totals of each data type of which a user has documents."""
    rows = database.all(
        "SELECT type, count(*), min(day), max(day), sum(length(body)), max(seen_at) FROM documents"
        " WHERE user_id = ? AND deleted_at IS NULL GROUP BY type",
        (user,),
    )
    return [Totals(*row) for row in rows]
