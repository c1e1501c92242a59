"""PostgreSQL alone: which databases are archives, what is said of others, connections that are lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg
import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.windows import Span
from ringlet._archive.storage.database import Database
from ringlet._archive.storage.locks import Lock
from ringlet._archive.storage.migrations import Migrations, migrate
from ringlet._archive.storage.opening import connect
from ringlet._archive.storage.schema import STEPS
from ringlet.archive import Archive
from ringlet.errors import ArchiveError

DAILY = TYPES["daily_sleep"]
BODY = b'{"id":"a","day":"2026-01-01"}'


@contextmanager
def beside(url: str) -> Iterator[psycopg.Connection]:
    """The same database, for another program."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def tables(connection: psycopg.Connection) -> set[str]:
    return {
        name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:sec@ret@127.0.0.1:1/oura",
        "postgresql://me:sec/ret@127.0.0.1:1/oura",
        "postgresql://me:sec?ret@127.0.0.1:1/oura",
        "postgresql://me:sec#ret@127.0.0.1:1/oura",
        "postgresql://me:sec%40ret@127.0.0.1:1/oura",
        "postgresql://127.0.0.1:1/oura?user=me&password=secret",
        "postgres://me:secret@[::1]:1/oura?sslmode=sideways",
        "postgresql://me:secret@/oura?host=/nowhere&secret=secret",
        "postgresql://me:sec%ret@127.0.0.1/oura",
    ],
)
def test_a_server_that_does_not_answer_is_named_without_the_password(url: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        Archive.open(url)
    assert caught.value.cure
    assert not {"sec", "ret@"} & {
        caught.value.message[at : at + 3] for at in range(len(caught.value.message))
    }


def test_the_error_for_a_missing_database_names_it(postgres: str) -> None:
    with pytest.raises(ArchiveError, match=r'cannot connect to .* database "nowhere.*" does not exist'):
        Archive.open(postgres.replace("@/", "@/nowhere"))


def test_the_path_opens_the_same_place(postgres: str) -> None:
    secret = postgres.replace("postgres@", "postgres:secret@")
    with Archive.open(secret) as archive:
        me = archive.user("me")
        assert archive.path == postgres
        assert archive.size > 100_000
    with Archive.open(archive.path, create=False) as archive:
        assert archive.users() == [(me, "me")]


def test_an_empty_database_becomes_an_archive_only_if_asked_for(postgres: str) -> None:
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(ArchiveError, match="is empty"):
            Archive.open(postgres, **options)
    with beside(postgres) as other:
        assert tables(other) == set()


def test_what_others_keep_is_left_alone_but_a_name_that_is_taken_is_refused(postgres: str) -> None:
    with beside(postgres) as other:
        other.execute("CREATE TABLE mine (x int)")
        other.execute("CREATE TABLE windows (x int)")
        with pytest.raises(ArchiveError, match="other tables with the names of an archive's"):
            Archive.open(postgres)
        assert tables(other) == {"mine", "windows"}
        other.execute("DROP TABLE windows")
        Archive.open(postgres).close()
        assert {"mine", "windows", "documents"} < tables(other)


def test_an_archive_of_a_newer_ringlet_is_refused_with_the_way_out(postgres: str) -> None:
    Archive.open(postgres).close()
    with beside(postgres) as other:
        other.execute("UPDATE ringlet_archive SET version = %s", (len(STEPS) + 1,))
    with pytest.raises(ArchiveError, match="newer ringlet") as caught:
        Archive.open(postgres)
    assert "upgrade" in caught.value.cure


def test_several_may_open_a_new_one_at_once_and_add_the_same_tables(postgres: str) -> None:
    tokens = Migrations(
        "tokens",
        "CREATE TABLE IF NOT EXISTS tokens (hash BLOB PRIMARY KEY, at INTEGER);"
        "CREATE INDEX IF NOT EXISTS tokens_at ON tokens (at)",
    )
    failures: list[ArchiveError] = []

    def open_it() -> None:
        try:
            with Archive.open(postgres) as archive:
                migrate(archive.database, tokens)
        except ArchiveError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_read_only_archive_is_read_and_not_written(postgres: str) -> None:
    with Archive.open(postgres) as archive:
        me = archive.user("me")
        archive.put(me, DAILY, BODY)
    with Archive.open(postgres, read_only=True) as archive:
        assert archive.document(me, DAILY, "a") == BODY
        with pytest.raises(ArchiveError, match="may only be read"):
            archive.user("somebody else")


def test_a_database_user_without_write_permission_gets_an_error(postgres: str) -> None:
    Archive.open(postgres).close()
    with beside(postgres) as other:
        try:
            other.execute("CREATE ROLE guest LOGIN")
            with pytest.raises(ArchiveError, match="does not let this user do that"):
                Archive.open(postgres.replace("postgres@", "guest@"))
        finally:
            other.execute("DROP ROLE guest")


def test_a_commit_waits_for_the_disk_unless_the_writer_can_fetch_again(postgres: str) -> None:
    for durable, waits in ((True, "on"), (False, "off")):
        with Archive.open(postgres, durable=durable) as archive:
            assert archive.database.one("SHOW synchronous_commit") == (waits,)


def test_texts_compare_by_their_bytes_in_every_collation(postgres: str) -> None:
    with Archive.open(postgres) as archive:
        collations = archive.database.all(
            "SELECT DISTINCT collation_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'text'"
        )
        assert collations == [("C",)]


def test_reading_moves_no_generation_and_leaves_no_transaction(postgres: str) -> None:
    heart = TYPES["heartrate"]
    with Archive.open(postgres) as archive:
        me = archive.user("me")
        page = b",".join(b'{"timestamp":"2026-01-%02dT00:00:00Z"}' % day for day in range(1, 32))
        archive.put_samples(me, heart, [b"[" + page + b"]"])
        before = archive.generation
        assert archive.page(me, heart, Span(0, 2**60), limit=3)[1]
        assert archive.overview(me)
        with archive.transaction():
            assert archive.latest(me, heart)
        assert archive.generation == before
        with beside(postgres) as other:
            idle = other.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"
            ).fetchone()
            assert idle == (0,)


def cut(database: Database, url: str) -> None:
    """End a connection from the other side, as a server that restarts does."""
    (pid,) = database.one("SELECT pg_backend_pid()") or (0,)
    with beside(url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def test_a_lost_connection_fails_once_and_is_made_again_as_it_was(postgres: str) -> None:
    with Archive.open(postgres, durable=False) as archive:
        archive.wait_at_most(0.25)
        cut(archive.database, postgres)
        with pytest.raises(ArchiveError, match=r"connection to .* is lost"):
            archive.user("me")
        me = archive.user("me")
        archive.put(me, DAILY, BODY)
        assert archive.document(me, DAILY, "a") == BODY
        assert archive.database.one("SHOW lock_timeout") == ("250ms",)
        assert archive.database.one("SHOW synchronous_commit") == ("off",)


def test_a_connection_lost_in_a_transaction_takes_all_of_it_along(postgres: str) -> None:
    with Archive.open(postgres) as archive:
        me = archive.user("me")

        def write() -> None:
            with archive.transaction():
                archive.put(me, DAILY, BODY)
                cut(archive.database, postgres)
                with suppress(ArchiveError):
                    archive.put(me, DAILY, b'{"id":"b","day":"2026-01-02"}')
                archive.set_setting("zone", "UTC")

        with pytest.raises(ArchiveError):
            write()
        assert archive.overview(me) == []
        assert archive.setting("zone") is None


def test_a_transaction_whose_error_was_suppressed_commits_nothing(postgres: str) -> None:
    with closing(connect(postgres, create=True, read_only=False, timeout=1)) as database:
        archive = Archive(database)

        def write() -> None:
            with archive.transaction():
                archive.set_setting("zone", "UTC")
                with suppress(ArchiveError):
                    database.execute("SELECT 1 / 0")

        with pytest.raises(ArchiveError, match="undone"):
            write()
        assert archive.setting("zone") is None


def test_one_of_two_deadlocked_transactions_fails_and_can_be_retried(postgres: str) -> None:
    both_hold = threading.Barrier(2)
    failures: list[ArchiveError] = []

    def write(*keys: int) -> None:
        with closing(connect(postgres, create=True, read_only=False, timeout=10)) as database:
            database.execute("SET deadlock_timeout = '20ms'")
            try:
                with database.transaction():
                    database.lock(Lock.COVERAGE, keys[0])
                    both_hold.wait(timeout=10)
                    database.lock(Lock.COVERAGE, keys[1])
            except ArchiveError as failure:
                failures.append(failure)

    threads = [threading.Thread(target=write, args=keys) for keys in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [failure.cure for failure in failures] == ["run it again"]


def test_a_text_that_postgres_cannot_store_is_refused_without_being_quoted(postgres: str) -> None:
    with Archive.open(postgres) as archive, pytest.raises(ArchiveError) as caught:
        archive.user("secret\0")
    assert "secret" not in caught.value.message


def test_without_psycopg_the_extra_is_named() -> None:
    program = """
import sys
sys.modules["psycopg"] = None
from ringlet.archive import Archive
try:
    Archive.open("postgresql://me:secret@127.0.0.1/oura")
except Exception as error:
    print(error.message, error.cure, sep="; ")
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("pip install 'ringlet[postgres]'\n")
    assert "secret" not in done.stdout
