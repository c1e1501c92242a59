"""Documents: each as it came, byte for byte, with its earlier bodies and its end.

Rules of this file:
* The body is never changed. The index columns beside it are read from it once, on the way in.
* The same body again changes nothing. Another body moves the old one to `revisions`.
* What was asked for later wins: an answer to an older request that arrives late is left out, as is a
  deletion older than the body. A deletion is a tombstone; a newer body revives the document.
* A document without an `id` (Oura's cardiovascular age had none in 2024) goes by its day, until it has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Protocol, TypeAlias, cast

import msgspec

from .._api.catalog import AnyKind
from .._api.windows import Dialect, Span, parse_instant
from .._webhooks.events import EventType
from ..errors import ServerError, UsageError
from .series.layout import split
from .series.zstd import compress, decompress
from .storage.database import Database, Row
from .storage.locks import Lock

SINGLE = ""
"""The key of the one document of a Single."""

Change: TypeAlias = tuple[EventType, str]
"""What happened to a document, and its id."""
Tell: TypeAlias = Callable[[Sequence[Change]], None]
"""Who hears of changes in the transaction that makes them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a write did, in documents or rows."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.added + other.added, self.changed + other.changed, self.unchanged + other.unchanged
        )


class _Index(Protocol):
    id: str | None
    day: str | None
    instant: str | None


@lru_cache(maxsize=64)
def _index_decoder(day: str, instant: str) -> msgspec.json.Decoder[_Index]:
    """Reads the index fields of a document and skips the rest."""
    names = {"id": "id", "day": day, "instant": instant}
    fields = [(name, str | None, None) for name in names if name != "instant" or instant != day]
    index = msgspec.defstruct(
        "Index", fields, rename=names, namespace={"instant": None} if instant == day else {}
    )
    return cast("msgspec.json.Decoder[_Index]", msgspec.json.Decoder(index))


def put(
    database: Database, user: int, kind: AnyKind, data: bytes, seen_at: int, tell: Tell | None = None
) -> Counts:
    """Keep a document (`{...}`) or an array of them (`[...]`), asked for at `seen_at`."""
    try:
        bodies = split(data) if data.lstrip()[:1] == b"[" else [data]
        keyed = [(*_key(kind, body), body) for body in bodies]
    except (msgspec.MsgspecError, ValueError) as error:
        raise ServerError(
            f"{kind.name}: this is not a document: {error}", status=502, cure="nothing of it was saved"
        ) from error
    unchanged = 0
    changes: list[Change] = []
    with database.transaction():
        _hold(database, user, kind, tell)
        known = _known(database, user, kind, keyed)
        for key, day, instant, body in keyed:
            if key in known or day in known:
                happened = _put(database, user, kind, key, day, instant, body, seen_at)
                if happened:
                    changes.append((happened, key))
                else:
                    unchanged += 1
        fresh = [
            (user, kind.name, key, day, instant, 1, seen_at, _digest(body), body)
            for key, day, instant, body in keyed
            if key not in known and day not in known
        ]
        database.many(_INSERT, fresh)
        changes.extend(("create", row[2]) for row in fresh)
        if tell is not None and changes:
            tell(changes)
    added = sum(happened == "create" for happened, _ in changes)
    return Counts(added, len(changes) - added, unchanged)


def lock_changes(database: Database) -> None:
    """What is observed changes in one transaction at a time, from here to its end."""
    database.lock(Lock.EVENTS)


def _hold(database: Database, user: int, kind: AnyKind, tell: Tell | None) -> None:
    # An observer holds what it writes. Held before any document, it is held in one order by all: else one who
    # changes two kinds and one who changes the second of them would wait for each other.
    if tell is not None:
        lock_changes(database)
    database.lock(Lock.DOCUMENTS, user, kind.name)


_INSERT = (
    "INSERT INTO documents (user_id, type, id, day, instant, version, seen_at, deleted_at, hash, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)"
)
_BATCH = 500


def _known(
    database: Database, user: int, kind: AnyKind, keyed: Sequence[tuple[str, str | None, int | None, bytes]]
) -> set[str | None]:
    """Which documents cannot simply be added: those whose id or day names a stored one, or that come twice.

    A backfill brings hardly anything but new documents, and asking once for hundreds halves what it costs.
    """
    if not kind.has_days:
        return {key for key, *_ in keyed}
    times = Counter(key for key, *_ in keyed)
    known: set[str | None] = {key for key, count in times.items() if count > 1}
    names = [*times, *{day for _, day, *_ in keyed if day}]
    for start in range(0, len(names), _BATCH):
        some = names[start : start + _BATCH]
        marks = ", ".join("?" * len(some))
        found = database.all(
            f"SELECT id FROM documents WHERE user_id = ? AND type = ? AND id IN ({marks})",
            (user, kind.name, *some),
        )
        known.update(row[0] for row in found)
    return known


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


def _key(kind: AnyKind, body: bytes) -> tuple[str, str | None, int | None]:
    """What finds a document again: its key, its day, its instant."""
    if not kind.has_days:
        decoder = _index_decoder("day", "day")
        return (SINGLE if kind.is_single else decoder.decode(body).id or _unnamed()), None, None
    index = _index_decoder(kind.day, kind.instant).decode(body)
    when = index.instant or index.day
    return index.id or index.day or _unnamed(), index.day, parse_instant(when) if when else None


def _unnamed() -> str:
    raise ValueError("it has neither an id nor a day")


def _put(
    database: Database,
    user: int,
    kind: AnyKind,
    key: str,
    day: str | None,
    instant: int | None,
    body: bytes,
    seen_at: int,
) -> EventType | None:
    """What that did to the document; None where nothing."""
    happened: EventType
    digest = _digest(body)
    row = _state(database, user, kind, key)
    if row is None and day and _rename(database, user, kind, day, key):
        row = _state(database, user, kind, key)
    if row is None:
        version, happened = 1, "create"
    else:
        version, stored_at, deleted_at, stored, place = row
        if seen_at < max(stored_at, deleted_at or stored_at):
            return None
        if digest == stored and deleted_at is None:
            # Confirmed: an answer to a request sent before this one is older news than what stands here.
            if seen_at > stored_at:
                database.execute(
                    "UPDATE documents SET seen_at = ? WHERE user_id = ? AND type = ? AND id = ?",
                    (seen_at, user, kind.name, key),
                )
            return None
        happened = "update"
        if not kind.has_days:
            instant = place
        if digest != stored and stored:
            _keep_revision(database, user, kind, key)
            version += 1
    if instant is None and not kind.has_days:
        instant = _next_place(database, user, kind)
    database.execute(
        f"{_INSERT} ON CONFLICT (user_id, type, id) DO UPDATE SET day = excluded.day,"
        " instant = excluded.instant, version = excluded.version, seen_at = excluded.seen_at,"
        " deleted_at = NULL, hash = excluded.hash, body = excluded.body",
        (user, kind.name, key, day, instant, version, seen_at, digest, body),
    )
    return happened


def _state(database: Database, user: int, kind: AnyKind, key: str) -> Row | None:
    return database.one(
        "SELECT version, seen_at, deleted_at, hash, instant FROM documents"
        " WHERE user_id = ? AND type = ? AND id = ?",
        (user, kind.name, key),
    )


def _rename(database: Database, user: int, kind: AnyKind, day: str, id: str) -> bool:
    """Let a document that went by its day go by the id it has been given since."""
    names = id, user, kind.name, day
    renamed = database.execute("UPDATE documents SET id = ? WHERE user_id = ? AND type = ? AND id = ?", names)
    if renamed:
        database.execute("UPDATE revisions SET id = ? WHERE user_id = ? AND type = ? AND id = ?", names)
    return bool(renamed)


def _keep_revision(database: Database, user: int, kind: AnyKind, key: str) -> None:
    for version, seen_at, body in database.all(
        "SELECT version, seen_at, body FROM documents WHERE user_id = ? AND type = ? AND id = ?",
        (user, kind.name, key),
    ):
        database.execute(
            "INSERT INTO revisions (user_id, type, id, version, seen_at, body) VALUES (?, ?, ?, ?, ?, ?)",
            (user, kind.name, key, version, seen_at, compress(body)),
        )


def _next_place(database: Database, user: int, kind: AnyKind) -> int:
    """Inventories list in order of arrival: rings oldest first, as Oura lists them."""
    row = database.one(
        "SELECT coalesce(max(instant), -1) + 1 FROM documents WHERE user_id = ? AND type = ?",
        (user, kind.name),
    )
    return row[0] if row else 0


def delete(database: Database, user: int, kind: AnyKind, id: str, at: int, tell: Tell | None = None) -> bool:
    """Mark a document as deleted at `at`; whether that took anything away. One never seen stays away, too."""
    with database.transaction():
        _hold(database, user, kind, tell)
        row = database.one(
            "SELECT deleted_at FROM documents WHERE user_id = ? AND type = ? AND id = ?",
            (user, kind.name, id),
        )
        if row is None:
            database.execute(
                "INSERT INTO documents (user_id, type, id, version, seen_at, deleted_at, hash, body)"
                " VALUES (?, ?, ?, 0, ?, ?, ?, ?)",
                (user, kind.name, id, at, at, b"", b""),
            )
            return False
        gone = row[0] is None and bool(
            database.execute(
                "UPDATE documents SET deleted_at = ?"
                " WHERE user_id = ? AND type = ? AND id = ? AND seen_at <= ?",
                (at, user, kind.name, id, at),
            )
        )
        if gone and tell is not None:
            tell([("delete", id)])
        return gone


_OF = "FROM documents WHERE user_id = ? AND type = ? AND deleted_at IS NULL "


def _statements(column: str) -> tuple[str, str, str]:
    """A whole window, its first page, and a later one. The column that orders the page also continues it."""
    place = f"{_OF} AND {column} BETWEEN ? AND ?"
    order = f"ORDER BY {column}, id"
    return (
        f"SELECT body {place} {order}",
        f"SELECT body, {column}, id {place} {order} LIMIT ?",
        f"SELECT body, {column}, id {place} AND ({column}, id) > (?, ?) {order} LIMIT ?",
    )


_PAGES = {column: _statements(column) for column in ("instant", "day")}
_EVER = (-(2**63), 2**63 - 1)


def page(
    database: Database,
    user: int,
    kind: AnyKind,
    span: Span,
    dialect: Dialect,
    after: str | None,
    limit: int | None,
) -> tuple[list[bytes], str | None]:
    """The bodies in a window, and where to go on if there are more than `limit`."""
    column = "instant"
    bounds: tuple[int | str, int | str] = _EVER
    if kind.has_days:
        if dialect == "docs":
            column, bounds = "day", span.days()
        else:
            bounds = span.start, span.end
    whole, first, later = _PAGES[column]
    asked = (user, kind.name, *bounds)
    if limit is None and after is None:
        return [row[0] for row in database.all(whole, asked)], None
    most = _EVER[1] if limit is None else limit + 1
    if after is None:
        rows = database.all(first, (*asked, most))
    else:
        rows = database.all(later, (*asked, *_place(after, column), most))
    token = None
    if limit is not None and len(rows) > limit:
        del rows[limit:]
        token = f"{rows[-1][1]}:{rows[-1][2]}"
    return [row[0] for row in rows], token


def _place(after: str, column: str) -> tuple[int | str, str]:
    place, _, id = after.partition(":")
    try:
        return (int(place) if column == "instant" else place), id
    except ValueError:
        raise UsageError(
            f"{after!r} does not continue a page", cure="pass the token that came with the page before"
        ) from None


def document(database: Database, user: int, kind: AnyKind, id: str) -> bytes | None:
    """One document by its id."""
    row = database.one(f"SELECT body {_OF} AND id = ?", (user, kind.name, id))
    return row[0] if row else None


def ids(database: Database, user: int, kind: AnyKind, start: int, end: int) -> set[str]:
    """The ids of what a window holds; see `Archive.ids`."""
    first, last = (start, end) if kind.has_days else _EVER
    rows = database.all(
        f"SELECT id {_OF} AND instant >= ? AND instant < ? AND id <> coalesce(day, '')",
        (user, kind.name, first, last),
    )
    return {row[0] for row in rows}


def latest(database: Database, user: int, kind: AnyKind) -> bytes | None:
    """The document with the newest instant."""
    row = database.one(f"SELECT body {_OF} ORDER BY instant DESC, id DESC LIMIT 1", (user, kind.name))
    return row[0] if row else None


def revisions(database: Database, user: int, kind: AnyKind, id: str) -> list[tuple[int, bytes]]:
    """The earlier bodies of a document, oldest first, each with when it was asked for."""
    rows = database.all(
        "SELECT seen_at, body FROM revisions WHERE user_id = ? AND type = ? AND id = ? ORDER BY version",
        (user, kind.name, id),
    )
    return [(seen_at, decompress(body)) for seen_at, body in rows]
