"""An archive in a SQLite file.

Rules of this file:
* SQLite's application id marks a file as an archive. A file of another program is refused, and not changed.
* The file contains health data, so it is created with mode 0600, and its directory with 0700.
* Before an older archive is upgraded, the file is copied to a new one in its directory: `oura.db.before-2`.
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

# For a primary result code of SQLite: the message (with `{path}`) and the cure.
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
    """The ArchiveError for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # The upper bits are details of the same error.
    what, cure = FAILURES.get(code, ("{path}: " + str(error).replace("{", "{{").replace("}", "}}"), ""))
    return ArchiveError(what.format(path=path), cure=cure)


class SqliteDatabase(Database):
    """One connection to a SQLite file, or to a database in memory."""

    # IMMEDIATE takes the write lock at the beginning. Otherwise a transaction that has read could fail at its
    # first write, because another program has written meanwhile.
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
        """Do nothing, because SQLite allows no other writer while a transaction is open."""

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
            # The archive is as before the upgrade. If the copy stayed, each start of a program whose upgrade
            # fails would add one, and fill the disk.
            if copy is not None:
                copy.unlink(missing_ok=True)

        return undo

    @property
    def generation(self) -> int:
        # `total_changes` counts the writes of this connection, `data_version` the commits of others.
        return self._connection.total_changes + self._rollbacks + self._pragma("data_version")

    @property
    def size(self) -> int:
        """The bytes of the file and its write-ahead log."""
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
            "this is not the path or URL of an archive",
            cure="name a file, sqlite:///PATH or postgresql://HOST/DATABASE",
        )
    return str(Path(path).expanduser())


def _prepare_file(path: Path, *, create: bool) -> None:
    """Create the file if it does not exist and `create` is true, readable by its owner only."""
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
    # The page size stays SQLite's default, without memory mapping: larger pages (up to 32 kB) and mmap do not
    # make reading faster, and larger pages take more disk. A cache of 16 MB is enough for what a dashboard
    # reads.
    database.execute("PRAGMA cache_size = -16384")
    # Tested before anything is written, so that a file of another program is not changed.
    is_archive = database.version is not None
    if not read_only and (is_archive or create):
        # With WAL, others can read while a sync writes. With FULL, a commit survives a power cut: a client
        # that was sent a token, or acknowledged an event, relies on it.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
    prepare(database, create=create, read_only=read_only)
    if not read_only:
        views.refresh(database)


def _copy(path: Path, version: int) -> Path:
    """Copy the file of an archive before its upgrade to a schema version. Returns the path of the copy.

    An earlier copy is never overwritten. A copy is written with the suffix `.partial` and renamed when it is
    complete.
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
        # Read by another connection: it sees the last commit, and the open transaction prevents new ones.
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
            cure="make the directory writable: an archive is copied before it is upgraded",
        ) from error
    return whole
