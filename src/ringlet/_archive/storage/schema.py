"""What an archive looks like, in whatever database it lives.

The tables, in plain words:

    users       who: Oura's id of a person, or a local name
    documents   each document as it came (`body`), and beside it what finds it again
    revisions   earlier bodies of documents, compressed, append only
    chunks      runs of about a thousand samples, compressed (see `packing`)
    windows     which stretches of time a backfill has completed
    settings    small texts by name

Rules of this file:
* An archive says which version of these tables it holds; one that we do not read is refused, untouched.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..._api.catalog import TYPES
from ...errors import Action, ArchiveError, Cure
from .database import Database
from .locks import Lock

VERSION = 1

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


def settle(database: Database, *, create: bool) -> None:
    """See that an archive stands here, and make one in an empty place if asked to. Raises ArchiveError."""
    if _stands(database):
        return
    if not create:
        raise ArchiveError(f"{database.path} is empty", cure=Cure("fill it with a sync first", Action.SYNC))
    with database.transaction():
        database.lock(Lock.SCHEMA)
        if not _stands(database):  # another process may have been quicker
            for statement in TABLES:
                database.execute(statement)
            database.mark(VERSION)


def _stands(database: Database) -> bool:
    """Whether an archive of a version that we read stands here; False where there is nothing."""
    version = database.version
    if version is None or version == VERSION:
        return version is not None
    raise ArchiveError(
        f"{database.path} was written by a {'newer' if version > VERSION else 'older'} ringlet"
        f" (schema {version}, this one reads {VERSION})",
        cure="upgrade ringlet: pip install --upgrade ringlet",
    )


def views() -> Iterator[tuple[str, list[str], str]]:
    """A view for each document type: its name, the fields that are its columns, the columns that order it."""
    for name, kind in TYPES.items():
        if not kind.is_series:
            order = "user_id, day, instant" if kind.has_days else "user_id, instant"
            yield name, list(_light_fields(kind.model)), order


def _light_fields(model: type[msgspec.Struct]) -> Iterator[str]:
    """The fields that fit a table cell: not the curves of a night, nor one letter per five minutes."""
    for field in msgspec.structs.fields(model):
        curve = "Sample" in str(field.type) or "list[" in str(field.type)
        if not curve and not field.encode_name.endswith(("_sec", "_min")):
            yield field.encode_name
