"""An archive in a file: SQLite, which comes with Python.

Rules of this file:
* A file is an archive by its application id; the file of another program is refused, untouched.
* The file holds health data: it is created with mode 0600, its directory with 0700.
* Before an older archive is upgraded, a copy of the file is made beside it: `oura.db.before-2`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from ...errors import Action, ArchiveError, Cure
from . import views
from .database import Database, Row
from .locks import Lock
from .schema import prepare

APPLICATION_ID = int.from_bytes(b"ring")
MEMORY = ":memory:"

# By SQLite's primary result code: the message (with `{path}`) and the cure.
FAILURES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: (
        "{path} is locked by another program",
        "let it finish or close it, then run it again",
    ),
    sqlite3.SQLITE_LOCKED: ("{path} is locked by this program", "finish the other use of the archive first"),
    sqlite3.SQLITE_FULL: ("no space is left for {path}", "free some space; what was saved is safe"),
    sqlite3.SQLITE_IOERR: ("{path} could not be read or written", "check the disk and its free space"),
    sqlite3.SQLITE_READONLY: ("{path} may only be read", "make the file and its directory writable"),
    sqlite3.SQLITE_CANTOPEN: ("{path} cannot be opened", "see that its directory exists and is yours"),
    sqlite3.SQLITE_PERM: ("{path} is not accessible", "see that the file is yours"),
    sqlite3.SQLITE_NOTADB: ("{path} is not a ringlet archive", "name another file"),
    sqlite3.SQLITE_CORRUPT: ("{path} is damaged", "put a backup in its place, or sync into a new file"),
}


def failure(error: sqlite3.Error, path: str) -> ArchiveError:
    """The ArchiveError that a failure of SQLite means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # The upper bits are details of the same error.
    what, cure = FAILURES.get(code, ("{path}: " + str(error).replace("{", "{{").replace("}", "}}"), ""))
    return ArchiveError(what.format(path=path), cure=cure)


class SqliteDatabase(Database):
    """One connection to a file, or to memory."""

    # Takes the write lock at once, so that a transaction cannot fail half way for want of it.
    begin = "BEGIN IMMEDIATE"

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        super().__init__(path)
        self._connection = connection

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        try:
            return self._connection.execute(sql, values).rowcount
        except sqlite3.Error as error:
            raise failure(error, self.path) from error

    def many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise failure(error, self.path) from error

    def all(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise failure(error, self.path) from error

    def one(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        try:
            row: Row | None = self._connection.execute(sql, values).fetchone()
        except sqlite3.Error as error:
            raise failure(error, self.path) from error
        return row

    def each(self, sql: str, values: Sequence[object] = ()) -> Generator[Row]:
        try:
            yield from self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise failure(error, self.path) from error

    def _lock(self, lock: Lock, *key: int | str) -> None:
        """Do nothing: a transaction is the only writer as long as it is open."""

    def wait_at_most(self, seconds: float) -> None:
        self.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    @property
    def version(self) -> int | None:
        if self._pragma("application_id") == APPLICATION_ID:
            return self._pragma("user_version")
        if self._pragma("schema_version") or self._pragma("application_id"):
            raise ArchiveError(f"{self.path} is not a ringlet archive", cure="name another file")
        return None

    def set_version(self, version: int) -> None:
        self.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self.execute(f"PRAGMA user_version = {version}")

    def prepare_upgrade(self, version: int) -> Callable[[], None]:
        copy = None if self.path == MEMORY else _copy(Path(self.path), version)
        views.drop(self)

        def undo() -> None:
            # The archive is as before: without this, a program that is started again and again would fill
            # the disk with copies.
            if copy is not None:
                copy.unlink(missing_ok=True)

        return undo

    @property
    def generation(self) -> int:
        # `data_version` grows with commits of other connections only.
        return self._connection.total_changes + self._rollbacks + self._pragma("data_version")

    @property
    def size(self) -> int:
        """Bytes on the disk, the write-ahead log included."""
        files = (Path(self.path + tail) for tail in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    @property
    def _can_commit(self) -> bool:
        return self._connection.in_transaction

    @property
    def _in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()

    def _pragma(self, name: str) -> int:
        row = self.one(f"PRAGMA {name}")
        return int(row[0]) if row else 0


def connect(
    place: str | Path, *, create: bool, read_only: bool, timeout: float, durable: bool
) -> SqliteDatabase:
    """Open the archive at a path, a `sqlite:///` URL or `:memory:`. Raises ArchiveError."""
    if sqlite3.sqlite_version_info < (3, 35):
        raise ArchiveError(
            f"SQLite {sqlite3.sqlite_version} is too old for an archive",
            cure="use a Python that brings SQLite 3.35 or newer",
        )
    path = _path(place)
    create = create and not read_only
    if path != MEMORY:
        _prepare_file(Path(path), create=create)
    uri = path if path == MEMORY else f"{Path(path).absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    try:
        connection = sqlite3.connect(
            uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise failure(error, path) from error
    database = SqliteDatabase(connection, path)
    try:
        _prepare_archive(database, create=create, read_only=read_only)
        if not durable:
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA wal_autocheckpoint = 8000")
    except BaseException:
        database.close()
        raise
    return database


def _path(place: str | Path) -> str:
    text = str(place)
    if text in (MEMORY, "sqlite://", "sqlite:///:memory:"):
        return MEMORY
    path = text.removeprefix("sqlite:///")
    if not path or "://" in path:
        # The message does not quote the text, which may contain a password.
        raise ArchiveError(
            "this does not name an archive", cure="name a file, sqlite:///PATH or postgresql://HOST/DATABASE"
        )
    return str(Path(path).expanduser())


def _prepare_file(path: Path, *, create: bool) -> None:
    """See that the file is there, readable by its owner alone if we make it."""
    try:
        if path.is_dir():
            raise ArchiveError(f"{path} is a directory", cure="name a file in it")
        if path.exists():
            return
        if not create:
            raise ArchiveError(
                f"no archive exists at {path}", cure=Cure("fill one with a sync first", Action.SYNC)
            )
        for parent in reversed([one for one in path.parents if not one.exists()]):
            parent.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be created: {error.strerror}", cure="name a file in a directory that is yours"
        ) from error


def _prepare_archive(database: SqliteDatabase, *, create: bool, read_only: bool) -> None:
    # SQLite's own page size and no mapped memory: 4 to 32 kB and mmap made no difference to a page of nights,
    # and larger pages take more room. The cache (16 MB) holds what a dashboard reads.
    database.execute("PRAGMA cache_size = -16384")
    # Looked at before anything is written: the file of another program stays untouched.
    is_archive = database.version is not None
    if not read_only and (is_archive or create):
        # WAL: readers go on while a sync writes. FULL: a client that was answered (with a token, a 200 to an
        # event) relies on what was committed.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
    prepare(database, create=create, read_only=read_only)
    if not read_only:
        views.refresh(database)


def _copy(path: Path, version: int) -> Path:
    """Copy the file of an archive that is about to be upgraded to a version; the path of the copy.

    A copy that is there already is never overwritten, and one that is not whole never has the name of one.
    """
    whole = path.with_name(f"{path.name}.before-{version}")
    partial = path.with_name(f"{whole.name}.partial")
    number = 1
    while whole.exists():
        number += 1
        whole = path.with_name(f"{path.name}.before-{version}.{number}")
    try:
        partial.unlink(missing_ok=True)  # A killed process may have left the file.
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        # Another connection reads what was last committed, while the one that upgrades keeps writers out.
        source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(partial)) as target:
            source.backup(target)
        partial.rename(whole)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, sqlite3.Error):
            raise failure(error, str(partial)) from error
        raise ArchiveError(
            f"{partial} cannot be written: {error.strerror}",
            cure="make the directory writable: the archive is upgraded once a copy of it is made",
        ) from error
    return whole
