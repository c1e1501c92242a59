"""Which files are archives, how they are made, and what other SQLite programs see in them."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Samples
from ringlet._archive.storage.schema import STEPS
from ringlet.archive import Archive
from ringlet.errors import ArchiveError


def test_a_new_archive_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "oura.db"
    with Archive.open(path) as archive:
        archive.user("me")
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for directory in (path.parent, path.parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("spelling", ["{}", "sqlite:///{}"])
def test_a_path_and_a_url_name_the_same_file(tmp_path: Path, spelling: str) -> None:
    path = tmp_path / "my oura #1?.db"
    with Archive.open(path) as archive:
        me = archive.user("me")
    with Archive.open(spelling.format(path), create=False) as archive:
        assert archive.users() == [(me, "me")]


def test_an_archive_in_memory_forgets() -> None:
    for _ in range(2):
        with Archive.open(":memory:") as archive:
            assert archive.users() == []
            archive.user("me")


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///", ""])
def test_other_places_are_refused(url: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        Archive.open(url)
    assert caught.value.cure == "name a file, sqlite:///PATH or postgresql://HOST/DATABASE"


def test_a_missing_file_is_not_made_unless_asked_for(tmp_path: Path) -> None:
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(ArchiveError, match="no archive exists at"):
            Archive.open(tmp_path / "x" / "oura.db", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_not_an_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is a directory"):
        Archive.open(tmp_path)


def test_a_place_where_nothing_can_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError, match="cannot be created"):
        Archive.open(tmp_path / "file" / "oura.db")


def test_a_file_of_another_kind_is_left_untouched(tmp_path: Path) -> None:
    text, database = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("not a database, but long enough to be taken for one " * 100)
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(ArchiveError, match="not a ringlet archive"):
            Archive.open(path)
        assert path.read_bytes() == before


def test_an_archive_of_a_newer_ringlet_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "oura.db"
    Archive.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    connection.close()
    with pytest.raises(ArchiveError, match="newer ringlet") as caught:
        Archive.open(path)
    assert "upgrade" in caught.value.cure


def test_an_empty_file_becomes_an_archive_only_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "oura.db"
    path.touch()
    with pytest.raises(ArchiveError, match="is empty"):
        Archive.open(path, create=False)
    Archive.open(path).close()
    Archive.open(path, create=False).close()


def test_a_read_only_archive_is_read_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "oura.db"
    with Archive.open(path) as archive:
        me = archive.user("me")
        archive.put(me, TYPES["daily_sleep"], b'{"id":"a","day":"2026-01-01"}')
    with Archive.open(path, read_only=True) as archive:
        assert archive.document(me, TYPES["daily_sleep"], "a") is not None
        with pytest.raises(ArchiveError, match="may only be read"):
            archive.user("somebody else")


def test_another_program_sees_a_view_of_each_document_type_with_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "oura.db"
    with Archive.open(path) as archive:
        me = archive.user("me")
        archive.put(me, TYPES["daily_sleep"], b'{"id":"a","day":"2026-01-01","score":81}')
        archive.put(me, TYPES["daily_sleep"], b'{"id":"b","day":"2026-01-02","score":82}')
        archive.delete(me, TYPES["daily_sleep"], "b")
        archive.delete(me, TYPES["daily_sleep"], "never seen")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT user_id, id, day, score FROM daily_sleep").fetchall() == [
        (me, "a", "2026-01-01", 81)
    ]
    for name, kind in TYPES.items():
        if not isinstance(kind, Samples):
            connection.execute(f'SELECT * FROM "{name}"').fetchall()
    columns = {row[1] for row in connection.execute("PRAGMA table_info(sleep)")}
    assert {"bedtime_start", "total_sleep_duration"} <= columns
    assert not {"movement_30_sec", "heart_rate"} & columns
    connection.close()


def test_views_of_an_older_ringlet_are_renewed(tmp_path: Path) -> None:
    path = tmp_path / "oura.db"
    Archive.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP VIEW sleep")
        connection.execute("CREATE VIEW sleep AS SELECT 1 AS old")
    connection.close()
    Archive.open(path).close()
    connection = sqlite3.connect(path)
    assert "bedtime_start" in {row[1] for row in connection.execute("PRAGMA table_info(sleep)")}
    connection.close()
