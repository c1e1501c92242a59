"""All or nothing, whatever happens: full disks, other writers, processes that are killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from ringlet._api.catalog import TYPES
from ringlet._archive.storage.opening import connect
from ringlet.archive import Archive
from ringlet.errors import ArchiveError

from ... import forked

DAILY = TYPES["daily_sleep"]
BODY = b'{"id":"a","day":"2026-01-01"}'


def other(id: str, size: int = 0) -> bytes:
    return b'{"id":"' + id.encode() + b'","day":"2026-01-02","pad":"' + b"x" * size + b'"}'


def test_a_transaction_that_fails_leaves_nothing(archive: Archive, me: int) -> None:
    with suppress(RuntimeError), archive.transaction():
        archive.put(me, DAILY, BODY)
        raise RuntimeError
    assert archive.document(me, DAILY, "a") is None


def test_an_inner_transaction_undoes_only_itself(archive: Archive, me: int) -> None:
    with archive.transaction():
        archive.put(me, DAILY, BODY)
        with suppress(RuntimeError), archive.transaction():
            archive.put(me, DAILY, other("b"))
            raise RuntimeError
        archive.put(me, DAILY, other("c"))
    assert [archive.document(me, DAILY, id) is not None for id in "abc"] == [True, False, True]


def test_the_generation_grows_with_every_visible_change(archive: Archive, me: int) -> None:
    seen = [archive.generation]
    assert archive.generation == seen[-1]
    archive.put(me, DAILY, BODY)
    seen.append(archive.generation)
    with suppress(RuntimeError), archive.transaction():
        archive.put(me, DAILY, other("b"))
        seen.append(archive.generation)
        raise RuntimeError
    seen.append(archive.generation)
    with Archive.open(archive.path) as second:
        second.put(me, DAILY, other("c"))
        seen.append(archive.generation)
        assert archive.document(me, DAILY, "c") == other("c")
        before = second.generation
        archive.delete(me, DAILY, "c")
        assert second.generation > before
    assert seen == sorted(set(seen))


def test_a_reader_goes_on_while_another_writes(archive: Archive, me: int) -> None:
    with Archive.open(archive.path) as second, archive.transaction():
        archive.put(me, DAILY, BODY)
        assert second.document(me, DAILY, "a") is None
        with pytest.raises(ArchiveError) as caught, Archive.open(archive.path, timeout=0) as third:
            third.put(me, DAILY, other("b"))
    assert archive.path in caught.value.message
    assert "locked by another program" in caught.value.message
    assert caught.value.cure
    assert archive.document(me, DAILY, "a") == BODY


CHILD = """
import sys
from ringlet.archive import Archive
from ringlet._api.catalog import TYPES
archive = Archive.open(sys.argv[1])
me = archive.user("me")
with archive.transaction():
    for i in range(3000):
        archive.put(me, TYPES["daily_sleep"], b'{"id":"%d","day":"2026-01-01","pad":"%s"}' % (i, b"x" * 3000))
    print("written", flush=True)
    sys.stdin.read()
"""


def test_another_process_in_the_middle_of_writing_is_named_and_when_killed_leaves_the_old_state(
    archive: Archive, me: int
) -> None:
    archive.put(me, DAILY, BODY)
    with forked.start(["-c", CHILD, archive.path], stdin=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        with Archive.open(archive.path, timeout=0) as second:
            with pytest.raises(ArchiveError, match="locked by another program"):
                second.put(me, DAILY, other("b"))
            assert second.document(me, DAILY, "a") == BODY
        os.kill(child.pid, signal.SIGKILL)
    (held,) = archive.overview(me)
    assert held.rows == 1
    assert archive.document(me, DAILY, "a") == BODY
    archive.put(me, DAILY, other("b"))


def fill(path: Path) -> tuple[Archive, int]:
    """An archive whose disk is nearly full."""
    database = connect(path, create=True, read_only=False, timeout=0)
    archive = Archive(database)
    me = archive.user("me")
    archive.put(me, DAILY, BODY)
    (pages,) = database.one("PRAGMA page_count") or (0,)
    database.one(f"PRAGMA max_page_count = {pages + 5}")
    return archive, me


def test_a_full_disk_says_so_and_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    archive, me = fill(tmp_path / "oura.db")

    def write() -> None:
        with archive.transaction():
            archive.put(me, DAILY, other("b"))
            archive.put(me, DAILY, other("big", 1_000_000))

    with archive:
        with pytest.raises(ArchiveError) as caught:
            write()
        assert "no space" in caught.value.message
        assert caught.value.cure == "free some space; what was saved is safe"
        assert archive.document(me, DAILY, "a") == BODY
        assert archive.document(me, DAILY, "b") is None
        archive.put(me, DAILY, other("c"))


def test_a_caller_who_goes_on_after_a_full_disk_gets_all_or_nothing(tmp_path: Path) -> None:
    archive, me = fill(tmp_path / "oura.db")
    with archive:
        with suppress(ArchiveError), archive.transaction():
            archive.put(me, DAILY, other("b"))
            with suppress(ArchiveError):
                archive.put(me, DAILY, other("big", 1_000_000))
            archive.put(me, DAILY, other("c"))
        kept = [archive.document(me, DAILY, id) is not None for id in ("a", "b", "c", "big")]
        assert kept in ([True, True, True, False], [True, False, False, False])


def test_a_transaction_that_the_database_undid_takes_no_more_statements(archive: Archive, me: int) -> None:
    database = connect(archive.path, create=False, read_only=False, timeout=0)

    def write() -> None:
        with second.transaction():
            database.execute("ROLLBACK")  # as SQLite does by itself when some writes fail
            with pytest.raises(ArchiveError, match="undone"):
                second.put(me, DAILY, BODY)

    with Archive(database) as second, pytest.raises(ArchiveError, match="undone"):
        write()
    assert archive.document(me, DAILY, "a") is None


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "oura.db"
    with Archive.open(path) as archive:
        me = archive.user("me")
        archive.put(me, DAILY, b"[" + b",".join(other(str(i), 2000) for i in range(50)) + b"]")
    with path.open("r+b") as file:
        file.seek(4096 * 8)
        file.write(b"\xff" * (path.stat().st_size - 4096 * 8))
    with pytest.raises(ArchiveError) as caught, Archive.open(path) as archive:
        archive.overview(me)
    assert caught.value.cure


def test_a_failure_that_has_no_name_is_an_archive_error_all_the_same(archive: Archive) -> None:
    database = connect(archive.path, create=False, read_only=False, timeout=0)
    with pytest.raises(ArchiveError, match="nowhere"):
        database.all("SELECT * FROM nowhere")
    database.close()
    with pytest.raises(ArchiveError, match=r"closed|lost"):
        database.execute("SELECT 1")


def test_sqlite_is_new_enough() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35), "RETURNING came with 3.35"


def test_other_rooms_may_keep_tables_beside_the_archive(archive: Archive) -> None:
    database = archive.database
    with archive.transaction():
        for _ in range(2):
            database.execute(
                "CREATE TABLE IF NOT EXISTS tokens (hash BLOB PRIMARY KEY, note TEXT, at INTEGER NOT NULL)"
            )
        database.many(
            "INSERT INTO tokens VALUES (?, ?, ?)", [(b"\0a", "100 % sure?", 2**40), (b"b", None, 1)]
        )
    spend = "UPDATE tokens SET at = ? WHERE hash = ? AND at > 0 AND note <> '?' RETURNING hash, note, at"
    assert database.one(spend, (-1, b"\0a")) == (b"\0a", "100 % sure?", -1)
    assert database.one(spend, (-1, b"\0a")) is None
    assert list(database.each("SELECT note FROM tokens ORDER BY at")) == [("100 % sure?",), (None,)]
    assert database.execute("DELETE FROM tokens WHERE at < ?", (5,)) == 2
