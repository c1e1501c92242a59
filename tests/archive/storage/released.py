"""Archives as released ringlets wrote them, made by hand: no code of the package is used.

A released schema is never edited here. Whoever adds one to `schema.STEPS` adds a writer of it to `WRITERS`.
"""

from __future__ import annotations

import sqlite3
from base64 import b85decode
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final

import psycopg

ROWS = tuple(
    b'{"timestamp":"2025-03-01T%02d:%02d:00.000Z","bpm":%d,"source":"rest"}'
    % (i // 12, i % 12 * 5, 55 + i % 7)
    for i in range(24)
)
BEATS = (
    b'{"timestamp":"2025-03-01T00:00:00Z","x":[1,2]}',
    b'{"x":null,"timestamp":"2025-03-01T00:00:01Z"}',
)
OLD_BODY = b'{"id":"a","day":"2025-03-01","score":70}'
BODY = b'{"id":"a","day":"2025-03-01","score":71}'

# Compressed by the zstandard package (1.5.x of the library, level 1, with a checksum).
PLANES: Final = (
    "D77#BB+JbM0I~)dAdsuY@9v_YTXR8)1j$-1kLzo{U~MOfT>1p_F%(Pp9m|M=!8!N;|DUHd#@4czZ33WzDL4Z`;G!s<5=MQ6k4O@c"
    "RsU;*993o5cAmXhZkn4jv%W&HF(r(U*-0W}Nhv7;2LNC$DxT$P@NyDou0fS~IWkz-lp6"
)
TEXT: Final = (
    "D77#BBxF4T00IOL7m&p{3jpdS4LIj+pnkNbZIjTzOzzB5?MDxxfU;j_*9>!7?APySGYL%;5(ks!`z0L;fTTp7*+$zz0sw5)gI<md"
    "`^n_9"
)
REVISION: Final = "D77#BBq%`v0DB^7WFk5uVInLdWMO$CIwCSKGBqtQGc7PNA}k_vV{dY0B04uPed|8jEC"

SCHEMA_1 = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    (
        "CREATE TABLE documents (user_id INTEGER NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, day TEXT,"
        " instant BIGINT, version INTEGER NOT NULL, seen_at BIGINT NOT NULL, deleted_at BIGINT,"
        " hash BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (user_id, type, id))"
    ),
    "CREATE INDEX documents_by_instant ON documents (user_id, type, instant, id)",
    "CREATE INDEX documents_by_day ON documents (user_id, type, day, id)",
    (
        "CREATE TABLE revisions (user_id INTEGER NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,"
        " version INTEGER NOT NULL, seen_at BIGINT NOT NULL, body BLOB NOT NULL,"
        " PRIMARY KEY (user_id, type, id, version))"
    ),
    (
        "CREATE TABLE chunks (user_id INTEGER NOT NULL, type TEXT NOT NULL, t0 BIGINT NOT NULL,"
        " t1 BIGINT NOT NULL, n INTEGER NOT NULL, seen_at BIGINT NOT NULL, encoding TEXT NOT NULL,"
        " body BLOB NOT NULL, PRIMARY KEY (user_id, type, t0))"
    ),
    (
        "CREATE TABLE windows (user_id INTEGER NOT NULL, type TEXT NOT NULL, start_at BIGINT NOT NULL,"
        " end_at BIGINT NOT NULL, pages INTEGER NOT NULL, added INTEGER NOT NULL, changed INTEGER NOT NULL,"
        " at BIGINT NOT NULL, PRIMARY KEY (user_id, type, start_at))"
    ),
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    # Tables of other packages, which have steps of their own.
    (
        "CREATE TABLE webhook_inbox (key TEXT PRIMARY KEY, body BLOB NOT NULL, received_at INTEGER NOT NULL,"
        " due_at INTEGER, attempts INTEGER NOT NULL)"
    ),
    "CREATE INDEX webhook_inbox_due ON webhook_inbox (due_at) WHERE due_at IS NOT NULL",
    (
        "CREATE TABLE webhook_work (user_id TEXT NOT NULL, data_type TEXT NOT NULL, object_id TEXT NOT NULL,"
        " event_type TEXT NOT NULL, gen INTEGER NOT NULL, due_at INTEGER NOT NULL, fence INTEGER NOT NULL,"
        " leased_until INTEGER NOT NULL, attempts INTEGER NOT NULL, looks INTEGER NOT NULL,"
        " PRIMARY KEY (user_id, data_type, object_id))"
    ),
    "CREATE INDEX webhook_work_due ON webhook_work (user_id, due_at)",
    (
        "CREATE TABLE oauth_apps (client_id TEXT PRIMARY KEY, secret_hash BLOB, name TEXT NOT NULL,"
        " redirect_uris TEXT NOT NULL, owner INTEGER, approved_at INTEGER, created_at INTEGER NOT NULL)"
    ),
)

CONTENTS_1: dict[str, list[tuple[Any, ...]]] = {
    "users": [(1, "me"), (2, "other")],
    "documents": [
        (1, "daily_sleep", "a", "2025-03-01", 1740787200000, 2, 1740873600000, None, b"\1" * 16, BODY),
        (
            1,
            "daily_sleep",
            "b",
            "2025-03-02",
            1740873600000,
            1,
            1740873600000,
            1740873600001,
            b"\2" * 16,
            b"{}",
        ),
        (1, "daily_sleep", "c", None, None, 0, 5, 5, b"", b""),
        (1, "personal_info", "", None, 0, 1, 5, None, b"\3" * 16, b'{"id":"me"}'),
        (2, "daily_sleep", "a", "2025-03-01", 1740787200000, 1, 7, None, b"\4" * 16, OLD_BODY),
    ],
    "revisions": [(1, "daily_sleep", "a", 1, 1740787200001, b85decode(REVISION))],
    "chunks": [
        (1, "heartrate", 1740787200000, 1740794100000, 24, 7, "planes", b85decode(PLANES)),
        (1, "interbeat_interval", 1740787200000, 1740787201000, 2, 8, "text", b85decode(TEXT)),
    ],
    "windows": [(1, "daily_sleep", 1730000000000, 1740960000000, 3, 2, 1, 1740960000001)],
    "settings": [("room inbox", "1"), ("sync.1.begun", "2025-03-03T00:00:00+00:00")],
    "webhook_inbox": [("2025 a", b'{"event_type":"update"}', 1740960000000, None, 1)],
    "webhook_work": [("me", "sleep", "a", "update", 1, 1740960000000, 0, 0, 0, 0)],
    "oauth_apps": [("app", b"\5" * 32, "An app", "[]", 1, None, 1740960000000)],
}


def write_1(place: str) -> None:
    """An archive of schema version 1."""
    if not place.startswith("postgres"):
        with closing(sqlite3.connect(place, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            for statement in SCHEMA_1:
                connection.execute(statement)
            connection.execute('CREATE VIEW "daily_sleep" AS SELECT user_id FROM documents')
            for table, rows in CONTENTS_1.items():
                connection.executemany(f"INSERT INTO {table} VALUES ({marks('?', rows)})", rows)
            connection.execute(f"PRAGMA application_id = {0x72696E67}")  # "ring"
            connection.execute("PRAGMA user_version = 1")
        return
    with psycopg.connect(place, autocommit=True) as server, server.cursor() as cursor:
        for statement in SCHEMA_1:
            cursor.execute(in_postgres(statement).encode())
        for table, rows in CONTENTS_1.items():
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks('%s', rows)})".encode(), rows)
        cursor.execute("SELECT setval(pg_get_serial_sequence('users', 'id'), 2)")
        cursor.execute("CREATE TABLE ringlet_archive (version BIGINT NOT NULL)")
        cursor.execute("INSERT INTO ringlet_archive VALUES (1)")


def marks(mark: str, rows: Sequence[tuple[Any, ...]]) -> str:
    return ", ".join([mark] * len(rows[0]))


def in_postgres(statement: str) -> str:
    for here, there in (
        (" INTEGER PRIMARY KEY", " BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
        (" INTEGER", " BIGINT"),
        (" TEXT", ' TEXT COLLATE "C"'),
        (" BLOB", " BYTEA"),
    ):
        statement = statement.replace(here, there)
    return statement


def contents(place: str) -> dict[str, list[tuple[Any, ...]]]:
    """What an archive holds in the tables and columns of schema version 1, in the order of `CONTENTS_1`."""
    columns = {
        name: [one.split()[0] for one in body.split(" PRIMARY KEY (")[0].rstrip(",").rstrip(")").split(", ")]
        for statement in SCHEMA_1
        if statement.startswith("CREATE TABLE ")
        for name, body in [statement.removeprefix("CREATE TABLE ").split(" (", 1)]
    }
    asked = {
        table: f"SELECT {', '.join(columns[table])} FROM {table} ORDER BY {', '.join(columns[table][:3])}"
        for table in CONTENTS_1
    }
    if not place.startswith("postgres"):
        with closing(sqlite3.connect(place)) as connection:
            return {table: connection.execute(sql).fetchall() for table, sql in asked.items()}
    with psycopg.connect(place) as server:
        return {table: server.execute(sql.encode()).fetchall() for table, sql in asked.items()}


WRITERS: dict[int, Callable[[str], None]] = {1: write_1}
"""By schema version; every version that was released."""
