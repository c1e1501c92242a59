"""Stores, deletes and reads documents. The SQL statements are in `document_table`.

Rules of this file:
* Storing the same body again changes nothing. Storing another body moves the old body to the revisions.
* Of two bodies, that of the later request is stored: the response to an older request that arrives late is
  ignored, and so is a deletion that is older than the stored body.
* A deleted document keeps its row (a tombstone), so that the response to an older request does not store it
  again. A newer body replaces the tombstone.
* A document without an `id` (as Oura's cardiovascular age in 2024) is stored with its day as id. If Oura
  later sends a document with an id for that day, the row gets that id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TypeAlias

import msgspec

from .._api.catalog import AnyKind
from .._api.windows import Dialect, Span
from .._webhooks.events import EventType
from ..errors import ServerError, UsageError
from . import document_table as table
from . import revisions
from .document_keys import Key, key_of
from .document_table import Bound, Column, Document
from .series.layout import split
from .storage.counts import Counts
from .storage.database import Database
from .storage.locks import Lock

Change: TypeAlias = tuple[EventType, str]
"""What happened to a document ("create", "update" or "delete"), and its id."""
Notify: TypeAlias = Callable[[Sequence[Change]], object]
"""A function that is called with changes, in the transaction that makes them."""


def put(
    database: Database, user: int, kind: AnyKind, data: bytes, seen_at: int, notify: Notify | None = None
) -> Counts:
    """Store a document (`{...}`) or an array of documents, requested at `seen_at`. Raises ServerError."""
    try:
        bodies = split(data) if data.lstrip()[:1] == b"[" else [data]
        keyed = [(key_of(kind, body), body) for body in bodies]
    except (msgspec.MsgspecError, ValueError) as error:
        raise ServerError(
            f"{kind.name}: this is not a document: {error}", status=502, cure="nothing of it was saved"
        ) from error
    unchanged = 0
    changes: list[Change] = []
    with database.transaction():
        _lock(database, user, kind, observed=notify is not None)
        known = _known(database, user, kind, keyed)
        new: list[Document] = []
        for key, body in keyed:
            id, day, instant = key
            if id not in known and day not in known:
                new.append((id, day, instant, 1, seen_at, _hash(body), body))
            elif change := _put_known(database, user, kind, key, body, seen_at):
                changes.append((change, id))
            else:
                unchanged += 1
        table.insert(database, user, kind.name, new)
        changes.extend(("create", document[0]) for document in new)
        if notify is not None and changes:
            notify(changes)
    added = sum(change == "create" for change, _ in changes)
    return Counts(added, len(changes) - added, unchanged)


def lock_changes(database: Database) -> None:
    """Prevent other transactions from changing documents that have an observer until this one ends."""
    database.lock(Lock.EVENTS)


def _lock(database: Database, user: int, kind: AnyKind, *, observed: bool) -> None:
    if observed:
        lock_changes(database)
    database.lock(Lock.DOCUMENTS, user, kind.name)


def _known(
    database: Database, user: int, kind: AnyKind, keyed: Sequence[tuple[Key, bytes]]
) -> set[str | None]:
    """The ids and days of documents that are stored already or occur twice, so they cannot just be inserted.

    Almost all documents of a backfill are new. Looking up hundreds of ids in one statement, instead of one
    in each, halves the cost of a backfill.
    """
    if not kind.has_days:
        return {id for (id, _, _), _ in keyed}
    times = Counter([id for (id, _, _), _ in keyed])
    known: set[str | None] = {id for id, count in times.items() if count > 1}
    return known | table.stored_ids(
        database, user, kind.name, [*times, *{day for (_, day, _), _ in keyed if day}]
    )


def _hash(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _put_known(
    database: Database, user: int, kind: AnyKind, key: Key, body: bytes, seen_at: int
) -> EventType | None:
    """Store a document that may be stored already. Returns the change that this makes, or None."""
    id, day, instant = key
    change: EventType = "create"
    version, hash = 1, _hash(body)
    stored = table.state(database, user, kind.name, id)
    if stored is None and day and table.rename(database, user, kind.name, day, id):
        # The document was stored with its day as id, and Oura has given it an id since.
        revisions.rename(database, user, kind.name, day, id)
        stored = table.state(database, user, kind.name, id)
    if stored is not None:
        stored_version, stored_at, deleted_at, stored_hash, stored_instant = stored
        if seen_at < max(stored_at, deleted_at or stored_at):
            return None
        if hash == stored_hash and deleted_at is None:
            # The time is stored, so that responses to requests older than this one are ignored.
            if seen_at > stored_at:
                table.confirm(database, user, kind.name, id, seen_at)
            return None
        change, version = "update", stored_version
        if not kind.has_days:
            instant = stored_instant  # A document of an inventory keeps its position in the list.
        if hash != stored_hash and stored_hash:
            old = table.stored_body(database, user, kind.name, id)
            revisions.add(database, user, kind.name, id, stored_version, stored_at, old)
            version += 1
    if instant is None and not kind.has_days:
        instant = table.next_instant(database, user, kind.name)
    table.replace(database, user, kind.name, (id, day, instant, version, seen_at, hash, body))
    return change


def delete(
    database: Database, user: int, kind: AnyKind, id: str, at: int, notify: Notify | None = None
) -> bool:
    """Mark a document as deleted at the time `at`. Returns whether it was stored.

    A document that is not stored gets a tombstone, too, so that an older response does not store it.
    """
    with database.transaction():
        _lock(database, user, kind, observed=notify is not None)
        stored = table.state(database, user, kind.name, id)
        if stored is None:
            table.insert_deleted(database, user, kind.name, id, at)
            return False
        _, _, deleted_at, _, _ = stored
        deleted = deleted_at is None and table.mark_deleted(database, user, kind.name, id, at)
        if deleted and notify is not None:
            notify([("delete", id)])
        return deleted


def page(
    database: Database,
    user: int,
    kind: AnyKind,
    span: Span,
    dialect: Dialect,
    after: str | None,
    limit: int | None,
) -> tuple[list[bytes], str | None]:
    """The bodies in a window, and the token of the next page if there are more than `limit` bodies."""
    column: Column = "instant"
    bounds: tuple[Bound, Bound] = table.EVER  # An inventory has no window, so all documents are read.
    if kind.has_days:
        if dialect == "docs":
            column, bounds = "day", span.days()
        else:
            bounds = span.start, span.end
    if limit is None and after is None:
        return table.window(database, user, kind.name, column, bounds), None
    place = None if after is None else _place(after, column)
    wanted = table.EVER[1] if limit is None else limit + 1  # One more shows whether there is a next page.
    rows = table.page(database, user, kind.name, column, bounds, place, wanted)
    token = None
    if limit is not None and len(rows) > limit:
        del rows[limit:]
        _, at, id = rows[-1]
        token = f"{at}:{id}"
    return [body for body, _, _ in rows], token


def _place(token: str, column: Column) -> tuple[Bound, str]:
    """Decode a page token: the column value and the id of the last document of the page before."""
    at, _, id = token.partition(":")
    try:
        return (int(at) if column == "instant" else at), id
    except ValueError:
        raise UsageError(
            f"{token!r} is not a page token", cure="pass the token that was returned with the page before"
        ) from None


def ids(database: Database, user: int, kind: AnyKind, start: int, end: int) -> set[str]:
    """The ids of the documents in a window; see `Archive.ids`."""
    first, last = (start, end) if kind.has_days else table.EVER
    return table.ids_between(database, user, kind.name, first, last)
