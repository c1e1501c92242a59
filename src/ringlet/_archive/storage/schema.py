"""The archive's own tables, created and changed by numbered migration steps.

    users       the users: Oura's id of a user, or a local name
    documents   each document as Oura sent it (`body`), and the columns by which it is found
    revisions   earlier bodies of documents, compressed; rows are added and never changed
    chunks      about a thousand samples in each row, compressed (see `packing`)
    windows     the intervals of time that a backfill has completed
    settings    short texts by key

Times are milliseconds UTC. `instant` is the time of a document that the live dialect compares with a window;
for a kind without windows it is the order in which documents arrived. `t0` and `t1` are the first and the
last instant of a chunk. `seen_at` is when the request for a body was sent.

The schema version of an archive is the number of migration steps it has applied. It is not stored in the
settings, but where it also shows that a database is an archive (see `Database.version`).

Rules of this file:
* A released step is never changed, because existing archives have applied it. A change is a new step at the
  end.
* An older archive is upgraded in one transaction, on SQLite after a copy was made. A newer archive is
  refused, and not changed.
"""

from __future__ import annotations

from contextlib import ExitStack

from ...errors import Action, ArchiveError, Cure
from .database import Database
from .locks import Lock
from .migrations import run_steps

STEPS: tuple[str, ...] = (
    """
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE documents (
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
);
CREATE INDEX documents_by_instant ON documents (user_id, type, instant, id);
CREATE INDEX documents_by_day ON documents (user_id, type, day, id);
CREATE TABLE revisions (
    user_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    seen_at BIGINT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (user_id, type, id, version)
);
CREATE TABLE chunks (
    user_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    t0 BIGINT NOT NULL,
    t1 BIGINT NOT NULL,
    n INTEGER NOT NULL,
    seen_at BIGINT NOT NULL,
    encoding TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (user_id, type, t0)
);
CREATE TABLE windows (
    user_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    pages INTEGER NOT NULL,
    added INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (user_id, type, start_at)
);
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
)
""",
)
"""The migration steps. Each is a text of SQL statements, separated by `;`."""


def prepare(database: Database, *, create: bool, read_only: bool) -> None:
    """Create the tables if the database is empty, or upgrade an older archive. Raises ArchiveError."""
    version = _version(database)
    if version == len(STEPS):
        return
    if version is None and not create:
        raise ArchiveError(f"{database.path} is empty", cure=Cure("fill it with a sync first", Action.SYNC))
    if version is not None and read_only:
        raise ArchiveError(
            f"{database.path} was written by an older ringlet"
            f" (schema {version}, this one reads {len(STEPS)})",
            cure=Cure("upgrade it with a sync first", Action.SYNC),
        )
    with ExitStack() as undo:
        with database.transaction():
            database.lock(Lock.SCHEMA)
            version = _version(database)  # Another process may have created the tables meanwhile.
            if version == len(STEPS):
                return
            if version is not None:
                undo.callback(database.prepare_upgrade(len(STEPS)))
            run_steps(database, STEPS[version or 0 :])
            database.set_version(len(STEPS))
        undo.pop_all()  # The upgrade is committed and must not be undone.


def _version(database: Database) -> int | None:
    """The schema version of the archive; None for an empty database. Raises ArchiveError if it is newer."""
    version = database.version
    if version is not None and version > len(STEPS):
        raise ArchiveError(
            f"{database.path} was written by a newer ringlet (schema {version}, this one reads {len(STEPS)})",
            cure="upgrade ringlet: pip install --upgrade ringlet",
        )
    return version
