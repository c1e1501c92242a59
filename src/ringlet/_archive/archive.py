"""The class `Archive`: a database with documents and samples, byte for byte as Oura sent them.

    with Archive.open("oura.db") as archive:
        me = archive.user("me")
        archive.put(me, TYPES["sleep"], b'[{"id": ...}, ...]')
        rows, after = archive.page(me, TYPES["sleep"], Span(start, end))

Its methods only call functions of other files: `documents`, `chunks` (for samples), `revisions`, `overview`,
`users`, `coverage` and `settings`. The package `storage` opens the database and creates the tables.
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
"""A function that is called with a user, a kind and changes, in the transaction that makes the changes."""


class Archive:
    """An open archive. It has one connection to the database: use it from one thread at a time.

    `Archive.open` opens one. In all methods, `user` is the number of a user (see the method `user`), `kind` a
    value of `TYPES`, `id` the id of a document, and times are milliseconds since 1970 UTC. Every method
    raises ArchiveError if the database is locked by another program, full, damaged or read-only, or the
    connection is lost; its `cure` says what to do. Other errors are listed at each method.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.observer: Observer | None = None
        """Called when documents are changed through this object. If it raises, the change is rolled back."""

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

        An archive that an older ringlet wrote is upgraded, unless `read_only`. Before a file is upgraded, it
        is copied to a new file in the same directory (`oura.db.before-2`).

        Args:
            path: a path or `sqlite:///PATH` for a file, `postgresql://HOST/DATABASE` for a database, or
                `:memory:` for an archive in memory, which is lost when it is closed.
            create: whether to create an archive if none exists at `path`.
            read_only: whether every write is refused with ArchiveError; implies `create=False`.
            timeout: seconds to wait while another program has the database locked.
            durable: whether every commit is flushed to the disk. If not, the last commits may be lost when
                the power fails; a sync requests that data again.

        Raises:
            ArchiveError: nothing is at `path` and `create` is false; the file is not an archive; a newer
                ringlet wrote it; another program has it locked for longer than `timeout`; or psycopg, which
                PostgreSQL needs, is not installed. `cure` says what to do.
        """
        return cls(connect(path, create=create, read_only=read_only, timeout=timeout, durable=durable))

    @property
    def path(self) -> str:
        """The path of the archive's file, or the URL of its database without the password."""
        return self._database.path

    @property
    def size(self) -> int:
        """The bytes that the archive takes on the disk, including its indexes."""
        return self._database.size

    @property
    def database(self) -> Database:
        """The connection, for other packages of ringlet that have tables of their own in the archive."""
        return self._database

    @property
    def generation(self) -> int:
        """A number that grows whenever this or another connection may have changed the archive."""
        return self._database.generation

    def wait_at_most(self, seconds: float) -> None:
        """Change the `timeout` with which the archive was opened, to this number of seconds."""
        self._database.wait_at_most(seconds)

    def transaction(self) -> AbstractContextManager[None]:
        """Make all writes in a `with` block one transaction, which is rolled back if the block raises.

        A transaction inside another is committed with the outer one, but can be rolled back alone.
        """
        return self._database.transaction()

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
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
        """Store documents: the JSON text of one, or of an array of them (such as the `data` of a page).

        `seen_at` is when the request for them was sent (default: now). A document that is stored from a later
        request is not replaced. `observer` is called with the changes, in place of the attribute `observer`.
        Returns how many documents were added, changed or left unchanged. Raises ServerError if `data` is not
        JSON, or a document has neither id nor day; then nothing is stored.
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
        """Store samples: the JSON array `data` of each page of one list, or what `pack` made of a page.

        Samples replace the stored samples of the same instants, unless those are from a request that was sent
        after `seen_at` (default: now); all others stay. Returns how many were added, changed or unchanged.
        Raises ServerError, and stores nothing, if a page is not an array of samples with timestamps.
        """
        seen_at = now_ms() if seen_at is None else seen_at
        return chunks.put(self._database, user, kind.name, pages, seen_at)

    @staticmethod
    def pack(kind: AnyKind, page: bytes) -> Packed | None:
        """Prepare a page for `put_samples`, which is most of the work and needs no database.

        Returns None for an empty page. Raises ServerError as `put_samples` does.
        """
        return chunks.pack(kind.name, page)

    def delete(
        self, user: int, kind: AnyKind, id: str, at: int | None = None, *, observer: Observer | None = None
    ) -> bool:
        """Mark a document as deleted at the time `at` (default: now). Returns whether it was stored.

        A document stays if its body was requested after `at`. A newer body that `put` stores later undoes the
        deletion. `observer` is called with the change, in place of the attribute `observer`.
        """
        at = now_ms() if at is None else at
        return documents.delete(self._database, user, kind, id, at, self._notify(user, kind, observer))

    def lock_changes(self) -> None:
        """Prevent other transactions from changing documents with an `observer`, until this one ends."""
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
        """A page of the documents or samples in a window, as JSON texts joined by commas.

        The dialect `live` compares the time of a document with `span`, as Oura's service does; `docs`
        compares the day, as Oura documents it. `limit` is the most documents or samples; None for all.
        `after` is the token from the page before. Returns the text, and the token of the next page or None.
        Raises UsageError for an invalid token.
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
        """The texts that `page` joins: one for each document, or one for each chunk of many samples."""
        if kind.is_series:
            return chunks.page(self._database, user, kind.name, span, after, limit)
        return documents.page(self._database, user, kind, span, dialect, after, limit)

    def document(self, user: int, kind: AnyKind, id: str) -> bytes | None:
        """The JSON text of a document; None if it is not stored or is deleted."""
        return document_table.body(self._database, user, kind.name, id)

    def ids(self, user: int, kind: AnyKind, start: int, end: int) -> set[str]:
        """The ids of the documents whose time is in [start, end), or of all if `kind.has_days` is false.

        Documents to which Oura gave no id are left out.
        """
        return documents.ids(self._database, user, kind, start, end)

    def single(self, user: int, kind: AnyKind) -> bytes | None:
        """The JSON text of the only document of a kind like `personal_info`; None if it is not stored."""
        return document_table.body(self._database, user, kind.name, SINGLE_ID)

    def latest(self, user: int, kind: AnyKind) -> bytes | None:
        """The JSON text of the newest document or sample; None if none is stored."""
        if kind.is_series:
            return chunks.latest(self._database, user, kind.name)
        return document_table.latest(self._database, user, kind.name)

    def revisions(self, user: int, kind: AnyKind, id: str) -> list[tuple[int, bytes]]:
        """The earlier bodies of a document, oldest first, as (when the body was requested, body)."""
        return revisions.of(self._database, user, kind.name, id)

    def overview(self, user: int) -> list[TypeOverview]:
        """What is stored of a user: one entry for each data type with documents or samples."""
        return overviews.overview(self._database, user)

    # --- users, coverage, settings ---

    def user(self, name: str) -> int:
        """The number of the user with a name (Oura's id or a local name). A new name is added."""
        return users.number(self._database, name)

    def user_name(self, user: int) -> str | None:
        """Return the name of the user with an id, or None if the id does not exist."""
        return users.name(self._database, user)

    def users(self) -> list[User]:
        """All users, in the order in which they were added."""
        return users.users(self._database)

    def done(self, user: int, type: str) -> list[tuple[int, int]]:
        """The intervals [start, end) that backfills of a data type have completed, in order of time."""
        return coverage.done(self._database, user, type)

    def finish(
        self, user: int, type: str, start: int, end: int, counts: Counts, pages: int, at: int | None = None
    ) -> None:
        """Record that a backfill has completed [start, end) of a data type at the time `at` (default: now).

        Call it in the transaction that stores the data. `counts` says what was stored, `pages` is the number
        of pages that were requested.
        """
        coverage.finish(self._database, user, type, start, end, counts, pages, now_ms() if at is None else at)

    def reopen(self, user: int, since: int) -> None:
        """Forget that backfills have completed the time from `since` on; the next requests it again."""
        coverage.reopen(self._database, user, since)

    def setting(self, key: Setting | Key) -> str | None:
        """The text of a setting; None if it is not set."""
        return settings.get(self._database, key)

    def set_setting(self, key: Setting | Key, value: str | None) -> None:
        """Store the text of a setting; None removes the setting."""
        settings.put(self._database, key, value)
