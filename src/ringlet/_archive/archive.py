"""The archive: a database with all documents and samples of the user, byte for byte as Oura sent them.

    with Archive.open("oura.db") as archive:
        me = archive.user("me")
        archive.put(me, TYPES["sleep"], b'[{"id": ...}, ...]')
        rows, after = archive.page(me, TYPES["sleep"], Span(start, end))

This class only passes each call on: to `documents`, `chunks` (samples), `revisions`, `overview`, `users`,
`coverage` and `settings`, which own the tables. `storage` opens the database and creates the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from .._api.catalog import AnyKind
from .._api.windows import Dialect, Span, now_ms
from . import coverage, document_table, documents, revisions, users
from . import overview as overviews
from .document_keys import SINGLE_ID
from .documents import Change, Notify
from .overview import TypeOverview
from .series import chunks
from .series.sorted_rows import SortedRows as Packed
from .storage import settings
from .storage.counts import Counts
from .storage.database import Database
from .storage.opening import connect, default_place
from .storage.settings import Key, Setting
from .users import User

__all__ = ["Archive", "Change", "Counts", "Observer", "Packed", "TypeOverview", "User", "default_place"]

Observer: TypeAlias = Callable[[int, AnyKind, Sequence[Change]], object]
"""Called with a user, a kind and the changed documents, in the transaction that changes them."""


class Archive:
    """One open archive, which is one connection: use it from one thread at a time.

    Made by `Archive.open`. A `user` is a number (see `user`), a `kind` a value of `TYPES`; times are
    milliseconds UTC. Every method raises ArchiveError where the database cannot do what was asked (it is
    locked by another program, full, damaged, read-only, or the connection is lost), with what to do about it
    as its `cure`. Other errors are listed at each method. `close` closes the connection `database`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.observer: Observer | None = None
        """Called for every document created, updated or deleted through this object. An exception that it
        raises undoes the change."""

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        create: bool = True,
        read_only: bool = False,
        timeout: float = 5.0,
        durable: bool = True,
    ) -> Self:
        """Open an archive: a file or a database on a PostgreSQL server.

        An archive that an older ringlet wrote is upgraded, unless `read_only`. If it is a file, a copy of it
        is left beside it (`oura.db.before-2`).

        Args:
            path: a path or `sqlite:///PATH` for a file, `postgresql://HOST/DATABASE` for a database, or
                `:memory:` for an archive that is gone when it is closed.
            create: whether to create an archive where none exists yet.
            read_only: whether every write is refused with ArchiveError; implies `create=False`.
            timeout: seconds to wait for a lock of another program that is writing.
            durable: whether every commit is flushed to the disk. Without, the last commits may be lost when
                the power fails, though not when the process ends: right for a writer that can fetch
                them again.

        Raises:
            ArchiveError: nothing is at `path` and nothing is to be created; it is no archive; a newer ringlet
                wrote it; it is locked by another program for longer than `timeout`; or psycopg, which
                PostgreSQL needs, is not installed. `cure` says what to do.
        """
        return cls(connect(path, create=create, read_only=read_only, timeout=timeout, durable=durable))

    @property
    def path(self) -> str:
        """The path of the archive's file, or the URL of its database without the password."""
        return self._database.path

    @property
    def size(self) -> int:
        """How many bytes the archive takes on the disk, indexes included."""
        return self._database.size

    @property
    def database(self) -> Database:
        """The connection, for packages of ringlet that keep tables of their own beside the archive's."""
        return self._database

    @property
    def generation(self) -> int:
        """A number that grows whenever anything visible may have changed, by this or another connection."""
        return self._database.generation

    def wait_at_most(self, seconds: float) -> None:
        """Change the `timeout` that the archive was opened with."""
        self._database.wait_at_most(seconds)

    def transaction(self) -> AbstractContextManager[None]:
        """`with archive.transaction():` commits everything in it, or nothing if it raises.

        One inside another undoes only itself when it raises, and is committed with the outer one.
        """
        return self._database.transaction()

    def close(self) -> None:
        """Close the connection; a transaction that is open is undone."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- writing ---

    def put(
        self,
        user: int,
        kind: AnyKind,
        data: bytes,
        *,
        seen_at: int | None = None,
        observer: Observer | None = None,
    ) -> Counts:
        """Store a document or several: the JSON text of one, or of an array (a page's `data`).

        `seen_at` is when the request was sent (default: now). The later request wins: a body that an older
        one brought is left out. `observer` is notified of the changes instead of the archive's own. Raises
        ServerError if it is not JSON, or a document has neither id nor day; nothing of it is stored then.
        """
        seen_at = now_ms() if seen_at is None else seen_at
        return documents.put(self._database, user, kind, data, seen_at, self._notify(user, kind, observer))

    def put_samples(
        self,
        user: int,
        kind: AnyKind,
        pages: Sequence[bytes | Packed | None],
        *,
        seen_at: int | None = None,
    ) -> Counts:
        """Store the rows of one answer: the JSON array (`data`) of each of its pages, or what `pack` gave.

        Rows replace the stored rows of the same instants, unless those were brought by a request sent after
        `seen_at` (default: now); all other rows stay. Raises ServerError if a page is not an array of rows
        with timestamps; nothing of it is stored then.
        """
        seen_at = now_ms() if seen_at is None else seen_at
        return chunks.put(self._database, user, kind.name, pages, seen_at)

    @staticmethod
    def pack(kind: AnyKind, page: bytes) -> Packed | None:
        """A page for `put_samples`, with most of its work done and no database needed; None if it is empty.

        Raises ServerError as `put_samples` does.
        """
        return chunks.pack(kind.name, page)

    def delete(
        self, user: int, kind: AnyKind, id: str, at: int | None = None, *, observer: Observer | None = None
    ) -> bool:
        """Mark a document as deleted at a time (default: now); whether there was one.

        A body that was asked for after `at` stays, and one that comes later revives the document. `observer`
        is notified of the change instead of the archive's own.
        """
        at = now_ms() if at is None else at
        return documents.delete(self._database, user, kind, id, at, self._notify(user, kind, observer))

    def lock_changes(self) -> None:
        """Let no other transaction change observed documents until this one ends; `put` does it itself."""
        documents.lock_changes(self._database)

    def _notify(self, user: int, kind: AnyKind, observer: Observer | None) -> Notify | None:
        observer = observer or self.observer
        return None if observer is None else partial(observer, user, kind)

    # --- reading ---

    def page(
        self,
        user: int,
        kind: AnyKind,
        span: Span,
        dialect: Dialect = "live",
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> tuple[bytes, str | None]:
        """What a window holds: JSON texts joined by commas, and `after` for the next page or None.

        `live` compares a document's instant with the window, as Oura does; `docs` compares its day, as Oura's
        documents say. Both bounds are included. `limit` is in documents or rows; None reads all. Raises
        UsageError if `after` did not come with a page before.
        """
        texts, more = self.texts(user, kind, span, dialect, after=after, limit=limit)
        return b",".join(texts), more

    def texts(
        self,
        user: int,
        kind: AnyKind,
        span: Span,
        dialect: Dialect = "live",
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> tuple[Sequence[bytes | bytearray], str | None]:
        """The same before it is joined: documents one by one, samples in runs that are joined already."""
        if kind.is_series:
            return chunks.page(self._database, user, kind.name, span, after, limit)
        return documents.page(self._database, user, kind, span, dialect, after, limit)

    def document(self, user: int, kind: AnyKind, id: str) -> bytes | None:
        """The JSON text of a document; None if it is not stored, or deleted."""
        return document_table.body(self._database, user, kind.name, id)

    def ids(self, user: int, kind: AnyKind, start: int, end: int) -> set[str]:
        """The ids of documents whose instant lies in [start, end); of an inventory, of all.

        Those of documents that Oura gave no id are left out.
        """
        return documents.ids(self._database, user, kind, start, end)

    def single(self, user: int, kind: AnyKind) -> bytes | None:
        """The JSON text of the one document of a kind like `personal_info`; None if it is not stored."""
        return document_table.body(self._database, user, kind.name, SINGLE_ID)

    def latest(self, user: int, kind: AnyKind) -> bytes | None:
        """The JSON text of the newest document or row, the last among equals; None if there is none."""
        if kind.is_series:
            return chunks.latest(self._database, user, kind.name)
        return document_table.latest(self._database, user, kind.name)

    def revisions(self, user: int, kind: AnyKind, id: str) -> list[tuple[int, bytes]]:
        """A document's earlier bodies, oldest first, each after the time (`seen_at`) it was asked for."""
        return revisions.of(self._database, user, kind.name, id)

    def overview(self, user: int) -> list[TypeOverview]:
        """What is stored, one entry for each data type that has something."""
        return overviews.overview(self._database, user)

    # --- users, coverage, settings ---

    def user(self, name: str) -> int:
        """The number of a user by name (Oura's id, or a local name), who is added if the name is new."""
        return users.number(self._database, name)

    def user_name(self, user: int) -> str | None:
        """The name of a user by number; None if there is no such user."""
        return users.name(self._database, user)

    def users(self) -> list[User]:
        """All users, in the order in which they were added."""
        return users.users(self._database)

    def done(self, user: int, type: str) -> list[tuple[int, int]]:
        """The intervals [start, end) that a backfill has completed, in order; no two of them touch."""
        return coverage.done(self._database, user, type)

    def finish(
        self, user: int, type: str, start: int, end: int, counts: Counts, pages: int, at: int | None = None
    ) -> None:
        """Mark [start, end) as complete at a time (default: now), in the transaction that stores its rows.

        `counts` and `pages` say what the requests brought.
        """
        coverage.finish(self._database, user, type, start, end, counts, pages, now_ms() if at is None else at)

    def reopen(self, user: int, since: int) -> None:
        """Remove the coverage of all data types from `since` on: the next backfill fetches it again."""
        coverage.reopen(self._database, user, since)

    def setting(self, key: Setting | Key) -> str | None:
        """The text of a setting; None if it is not set."""
        return settings.get(self._database, key)

    def set_setting(self, key: Setting | Key, value: str | None) -> None:
        """Store the text of a setting; None removes the setting."""
        settings.put(self._database, key, value)
