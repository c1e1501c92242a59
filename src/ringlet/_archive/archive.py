"""The archive: one place with all that Oura answered, byte for byte, owned by the wearer.

    with Archive.open("oura.db") as archive:
        me = archive.user("me")
        archive.put(me, TYPES["sleep"], b'[{"id": ...}, ...]')
        rows, more = archive.page(me, TYPES["sleep"], span, "live")

This face only sends each call to its room: `documents`, `chunks` (samples), `progress`, `overview`;
`database` is the port they share, `opening` opens it on SQLite or PostgreSQL, `packing` packs samples.

An Archive is one connection: use it from one thread at a time, and open another for another thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from .._api.catalog import AnyKind
from .._api.windows import Dialect, Span
from . import coverage as progress
from . import documents
from . import overview as overviews
from .coverage import User
from .documents import Change, Counts, Tell
from .overview import TypeOverview
from .series import chunks
from .series.runs import Run as Packed
from .storage import settings
from .storage.database import Database
from .storage.opening import connect, default_place
from .storage.settings import Key, Setting

__all__ = ["Archive", "Change", "Counts", "Observer", "Packed", "TypeOverview", "User", "default_place"]

Observer: TypeAlias = Callable[[int, AnyKind, Sequence[Change]], None]
"""Who is told of a user's changed documents of a kind, in the transaction that changes them."""


def now_ms() -> int:
    """The time by this machine's clock."""
    return time.time_ns() // 1_000_000


class Archive:
    """One open archive."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.observer: Observer | None = None
        """Hears of every document created, updated or deleted through this Archive; None: nobody does."""

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
        """Open a file (a path, or `sqlite:///PATH`) or a database on a server (`postgresql://HOST/DATABASE`).

        `:memory:` is an archive that forgets. One that is not there is made, if `create`.

        `timeout` is how many seconds to wait for another program that is writing. Every commit survives the
        end of the program; unless `durable`, the last ones may go with the power, which is right for a writer
        that can fetch them again. Raises ArchiveError.
        """
        return cls(connect(path, create=create, read_only=read_only, timeout=timeout, durable=durable))

    @property
    def path(self) -> str:
        """Where it is: a file, or a URL without its password."""
        return self._database.path

    @property
    def size(self) -> int:
        """Bytes it takes on the disk."""
        return self._database.size

    @property
    def database(self) -> Database:
        """The port, for rooms that keep tables of their own beside the archive's."""
        return self._database

    @property
    def generation(self) -> int:
        """A number that grows whenever anything visible may have changed, by this or another connection."""
        return self._database.generation

    def wait_at_most(self, seconds: float) -> None:
        """How long to wait from now on for another program that is writing."""
        self._database.wait_at_most(seconds)

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: `with archive.transaction(): put ...; finish ...`. May be nested."""
        return self._database.transaction()

    def close(self) -> None:
        """Close it."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- writing ---

    def put(self, user: int, kind: AnyKind, data: bytes, *, seen_at: int | None = None) -> Counts:
        """Keep a document or an array of them: the JSON text of one, or of a page's `data`.

        `seen_at` is when the request was sent (milliseconds UTC; default now): what was asked for later wins.
        """
        seen_at = now_ms() if seen_at is None else seen_at
        return documents.put(self._database, user, kind, data, seen_at, self._tell(user, kind))

    def put_samples(
        self,
        user: int,
        kind: AnyKind,
        pages: Sequence[bytes | Packed | None],
        *,
        seen_at: int | None = None,
    ) -> Counts:
        """Keep the rows of one answer: the JSON text of `data` of each of its pages, all in one call.

        A page may come packed already (see `pack`).
        """
        seen_at = now_ms() if seen_at is None else seen_at
        return chunks.put(self._database, user, kind.name, pages, seen_at)

    @staticmethod
    def pack(kind: AnyKind, page: bytes) -> Packed | None:
        """The JSON text of a page's `data`, packed: most of the work of `put_samples`, without a database."""
        return chunks.pack(kind.name, page)

    def delete(self, user: int, kind: AnyKind, id: str, at: int | None = None) -> bool:
        """Mark a document as deleted at a time (milliseconds UTC; default now); whether there was one."""
        at = now_ms() if at is None else at
        return documents.delete(self._database, user, kind, id, at, self._tell(user, kind))

    def lock_changes(self) -> None:
        """Let nobody else change what is observed until this transaction ends; `put` and `delete` do so."""
        documents.lock_changes(self._database)

    def _tell(self, user: int, kind: AnyKind) -> Tell | None:
        return None if self.observer is None else partial(self.observer, user, kind)

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
        """What a window holds, JSON texts joined by commas, and where to go on (`after`) if there is more."""
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
        """The same before it is joined: documents one by one, samples in runs with their commas."""
        if kind.is_series:
            return chunks.page(self._database, user, kind.name, span, after, limit)
        return documents.page(self._database, user, kind, span, dialect, after, limit)

    def document(self, user: int, kind: AnyKind, id: str) -> bytes | None:
        """One document by its id."""
        return documents.document(self._database, user, kind, id)

    def ids(self, user: int, kind: AnyKind, start: int, end: int) -> set[str]:
        """The ids of the documents whose instant lies in [start, end); all of an inventory, which has none.

        One that goes by its day, for want of an id, is not among them.
        """
        return documents.ids(self._database, user, kind, start, end)

    def single(self, user: int, kind: AnyKind) -> bytes | None:
        """The one object of its kind."""
        return documents.document(self._database, user, kind, documents.SINGLE)

    def latest(self, user: int, kind: AnyKind) -> bytes | None:
        """The newest document or row; the last among equals."""
        if kind.is_series:
            return chunks.latest(self._database, user, kind.name)
        return documents.latest(self._database, user, kind)

    def revisions(self, user: int, kind: AnyKind, id: str) -> list[tuple[int, bytes]]:
        """The earlier bodies of a document, oldest first, each with when it was asked for."""
        return documents.revisions(self._database, user, kind, id)

    def overview(self, user: int) -> list[TypeOverview]:
        """What is held, type by type."""
        return overviews.overview(self._database, user)

    # --- people and progress ---

    def user(self, name: str) -> int:
        """The number of a user (Oura's id of a person, or a local name), given on first sight."""
        return progress.user(self._database, name)

    def users(self) -> list[User]:
        """Everybody, in order of arrival."""
        return progress.users(self._database)

    def done(self, user: int, type: str) -> list[tuple[int, int]]:
        """The stretches [start, end) that a backfill has completed, milliseconds UTC; no two touch."""
        return progress.done(self._database, user, type)

    def finish(
        self, user: int, type: str, start: int, end: int, counts: Counts, pages: int, at: int | None = None
    ) -> None:
        """Mark [start, end) as complete; call it in the transaction that brought the documents."""
        progress.finish(self._database, user, type, start, end, counts, pages, now_ms() if at is None else at)

    def reopen(self, user: int, since: int) -> None:
        """Take back what was marked complete from `since` on, so that it is asked for again."""
        progress.reopen(self._database, user, since)

    def setting(self, key: Setting | Key) -> str | None:
        """The text of a setting; None if it is not set."""
        return settings.get(self._database, key)

    def set_setting(self, key: Setting | Key, value: str | None) -> None:
        """Set it; None removes it."""
        settings.put(self._database, key, value)
