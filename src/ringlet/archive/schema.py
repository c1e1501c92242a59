"""What the archive file looks like, and how it is opened.

The tables, in plain words:

    users       who: Oura's id of a person, or a local name
    documents   each document as it came (`body`), and beside it what finds it again
    revisions   earlier bodies of documents, compressed, append only
    chunks      runs of about a thousand samples, compressed (see `packing`)
    windows     which stretches of time a backfill has completed
    settings    small texts by name

and one view per document type (`sleep`, `workout`, ...) that shows the fields as columns, for people with
another SQLite program. Nothing of ringlet reads the views.

Rules of this file:
* A file is ours by its application id and readable by its user version; any other is refused, untouched.
* The file holds health data: it is created with mode 0600, its directory with 0700.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..catalog import TYPES
from ..errors import ArchiveError
from ..kinds import Documents, Samples
from .database import Database, failure

APPLICATION_ID = int.from_bytes(b"ring")
VERSION = 1
MEMORY = ":memory:"

TABLES = (
    """CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    )""",
    # `instant` is what a window compares, in milliseconds UTC; for an inventory, the order of arrival.
    # `seen_at` is when the request that brought this body was sent.
    """CREATE TABLE documents (
        user_id INTEGER NOT NULL,
        type TEXT NOT NULL,
        id TEXT NOT NULL,
        day TEXT,
        instant BIGINT,
        version INTEGER NOT NULL,
        seen_at BIGINT NOT NULL,
        deleted_at BIGINT,
        hash BLOB NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (user_id, type, id)
    )""",
    "CREATE INDEX documents_by_instant ON documents (user_id, type, instant, id)",
    "CREATE INDEX documents_by_day ON documents (user_id, type, day, id)",
    """CREATE TABLE revisions (
        user_id INTEGER NOT NULL,
        type TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        seen_at BIGINT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (user_id, type, id, version)
    )""",
    """CREATE TABLE chunks (
        user_id INTEGER NOT NULL,
        type TEXT NOT NULL,
        t0 BIGINT NOT NULL,
        t1 BIGINT NOT NULL,
        n INTEGER NOT NULL,
        seen_at BIGINT NOT NULL,
        encoding TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (user_id, type, t0)
    )""",
    """CREATE TABLE windows (
        user_id INTEGER NOT NULL,
        type TEXT NOT NULL,
        start_at BIGINT NOT NULL,
        end_at BIGINT NOT NULL,
        pages INTEGER NOT NULL,
        added INTEGER NOT NULL,
        changed INTEGER NOT NULL,
        at BIGINT NOT NULL,
        PRIMARY KEY (user_id, type, start_at)
    )""",
    """CREATE TABLE settings (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    )""",
)


def connect(
    place: str | Path, *, create: bool, read_only: bool, timeout: float, durable: bool = True
) -> Database:
    """Open the archive at a path, a `sqlite:///` URL or `:memory:`. Raises ArchiveError."""
    if sqlite3.sqlite_version_info < (3, 35):
        raise ArchiveError(
            f"SQLite {sqlite3.sqlite_version} is too old for an archive",
            cure="use a Python that brings SQLite 3.35 or newer",
        )
    path = _path(place)
    if path != MEMORY:
        _prepare(Path(path), create=create and not read_only)
    uri = path if path == MEMORY else f"{Path(path).absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    try:
        connection = sqlite3.connect(
            uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise failure(error, path) from error
    database = Database(connection, path)
    try:
        _open(database, create=create and not read_only, read_only=read_only)
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
    if text.startswith(("postgresql://", "postgres://")):
        raise ArchiveError(
            "PostgreSQL archives are not in this version", cure="name a file, or sqlite:///PATH"
        )
    path = text.removeprefix("sqlite:///")
    if not path or "://" in path:
        # Not quoted: such a text may carry a password.
        raise ArchiveError("this does not name an archive", cure="name a file, or sqlite:///PATH")
    return str(Path(path).expanduser())


def _prepare(path: Path, *, create: bool) -> None:
    """See that the file is there, readable by its owner alone if we make it."""
    try:
        if path.is_dir():
            raise ArchiveError(f"{path} is a directory", cure="name a file in it")
        if path.exists():
            return
        if not create:
            raise ArchiveError(f"there is no archive at {path}", cure="fill one first: ringlet sync")
        for parent in reversed([one for one in path.parents if not one.exists()]):
            parent.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be created: {error.strerror}", cure="name a file in a directory that is yours"
        ) from error


def _open(database: Database, *, create: bool, read_only: bool) -> None:
    # SQLite's own page size and no mapped memory: 4 to 32 kB and mmap made no difference to a page of nights,
    # and larger pages take more room. The cache (16 MB) holds what a dashboard reads.
    database.execute("PRAGMA cache_size = -16384")
    if not _is_ours(database):
        if not create:
            raise ArchiveError(f"{database.path} is empty", cure="fill it first: ringlet sync")
        _wal(database)
        with database.transaction():
            if not _is_ours(database):  # another process may have been quicker
                _create(database)
    elif not read_only:
        _wal(database)
    if not read_only:
        _refresh_views(database)


def _wal(database: Database) -> None:
    # Readers go on while a sync writes; FULL, because what is committed is told to others as safe.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")


def _is_ours(database: Database) -> bool:
    """Whether the file holds an archive of a version we read; False for an empty file."""
    if _pragma(database, "application_id") == APPLICATION_ID:
        version = _pragma(database, "user_version")
        if version == VERSION:
            return True
        raise ArchiveError(
            f"{database.path} was written by a {'newer' if version > VERSION else 'older'} ringlet"
            f" (schema {version}, this one reads {VERSION})",
            cure="upgrade ringlet: pip install --upgrade ringlet",
        )
    if _pragma(database, "schema_version") or _pragma(database, "application_id"):
        raise ArchiveError(f"{database.path} is not a ringlet archive", cure="name another file")
    return False


def _pragma(database: Database, name: str) -> int:
    row = database.one(f"PRAGMA {name}")
    return int(row[0]) if row else 0


def _create(database: Database) -> None:
    for statement in TABLES:
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _refresh_views(database: Database) -> None:
    """Make the views what the table says; its fields grow from release to release."""
    wanted = dict(_views())
    found: dict[str, str] = dict(database.all("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    if all(found.get(name) == sql for name, sql in wanted.items()):
        return
    with database.transaction():
        for name, sql in wanted.items():
            database.execute(f'DROP VIEW IF EXISTS "{name}"')
            database.execute(sql)


def _views() -> Iterator[tuple[str, str]]:
    for name, kind in TYPES.items():
        if isinstance(kind, Samples):
            continue
        columns = "".join(
            f""",\n  json_extract(CAST(body AS TEXT), '$."{field}"') AS "{field}\""""
            for field in _light_fields(kind.model)
        )
        order = "user_id, day, instant" if isinstance(kind, Documents) else "user_id, instant"
        sql = (
            f'CREATE VIEW "{name}" AS SELECT user_id{columns}\nFROM documents'
            f" WHERE type = '{name}' AND deleted_at IS NULL ORDER BY {order}"
        )
        yield name, sql


def _light_fields(model: type[msgspec.Struct]) -> Iterator[str]:
    """The fields that fit a table cell: not the curves of a night, nor one letter per five minutes."""
    for field in msgspec.structs.fields(model):
        curve = "Sample" in str(field.type) or "list[" in str(field.type)
        if not curve and not field.encode_name.endswith(("_sec", "_min")):
            yield field.encode_name
