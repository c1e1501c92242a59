"""Rooms that keep tables: an archive of an older ringlet gets what is missing; a newer one is left alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from ringlet._archive.storage.migrations import Migrations, migrate
from ringlet.archive import Archive
from ringlet.errors import ArchiveError

FIRST_STEP = (
    "CREATE TABLE IF NOT EXISTS shelf (name TEXT PRIMARY KEY); CREATE INDEX IF NOT EXISTS i ON shelf (name)"
)
SECOND_STEP = "ALTER TABLE shelf ADD COLUMN at INTEGER NOT NULL DEFAULT 0"
OLD, NEW = Migrations("shelf", FIRST_STEP), Migrations("shelf", FIRST_STEP, SECOND_STEP)


def names(archive: Archive) -> list[str]:
    return [row[0] for row in archive.database.all("SELECT name FROM shelf ORDER BY name")]


def test_a_database_of_an_older_version_gets_the_missing_steps_and_keeps_its_rows(
    archive: Archive,
) -> None:
    migrate(archive.database, OLD)
    archive.database.execute("INSERT INTO shelf (name) VALUES ('a')")
    migrate(archive.database, NEW)
    assert archive.database.all("SELECT name, at FROM shelf") == [("a", 0)]


def test_tables_from_before_the_steps_were_counted_are_the_first_of_them(archive: Archive) -> None:
    for statement in FIRST_STEP.split(";"):
        archive.database.execute(statement)
    archive.database.execute("INSERT INTO shelf (name) VALUES ('a')")
    migrate(archive.database, NEW)
    assert archive.database.all("SELECT name, at FROM shelf") == [("a", 0)]


def test_a_column_that_is_added_holds_what_one_of_a_new_table_would(archive: Archive) -> None:
    migrate(archive.database, NEW)
    archive.database.execute("INSERT INTO shelf (name, at) VALUES ('a', ?)", (2**41,))
    assert archive.database.all("SELECT at FROM shelf") == [(2**41,)]


def test_what_a_newer_ringlet_wrote_is_refused_untouched(archive: Archive) -> None:
    migrate(archive.database, NEW)
    before = archive.generation
    with pytest.raises(ArchiveError, match="newer ringlet") as caught:
        migrate(archive.database, OLD)
    assert "upgrade" in caught.value.cure
    assert archive.generation == before


def test_where_nothing_is_missing_nothing_is_written(archive: Archive, place: str) -> None:
    migrate(archive.database, NEW)
    before = archive.generation
    migrate(archive.database, NEW)
    assert archive.generation == before
    with Archive.open(place, read_only=True) as reader:
        migrate(reader.database, NEW)
    with archive.transaction():
        archive.user("somebody else is writing")
        with Archive.open(place, timeout=0.1) as other:
            migrate(other.database, NEW)


def test_the_steps_are_made_all_or_none(archive: Archive) -> None:
    migrate(archive.database, OLD)
    archive.database.execute("INSERT INTO shelf (name) VALUES ('a')")
    broken = Migrations(
        "shelf", FIRST_STEP, "INSERT INTO shelf (name) VALUES ('b')", "INSERT INTO nowhere VALUES (1)"
    )
    for _ in range(2):
        with pytest.raises(ArchiveError):
            migrate(archive.database, broken)
        assert names(archive) == ["a"]
    migrate(archive.database, NEW)


def test_rooms_are_counted_each_by_itself(archive: Archive) -> None:
    migrate(archive.database, NEW)
    migrate(archive.database, Migrations("cellar", "CREATE TABLE IF NOT EXISTS cellar (name TEXT)"))
    assert archive.setting(NEW.setting) == "2"
    assert archive.database.all("SELECT name FROM cellar") == []


@pytest.mark.parametrize("known", [None, OLD], ids=["anew", "older"])
def test_of_those_who_start_at_once_one_makes_the_tables_and_the_others_find_them(
    archive: Archive, place: str, known: Migrations | None
) -> None:
    if known:
        migrate(archive.database, known)
    many = 4
    ready = Barrier(many)

    def start(_: int) -> None:
        with Archive.open(place, timeout=30) as mine:
            ready.wait()
            migrate(mine.database, NEW)
            migrate(mine.database, NEW)

    with ThreadPoolExecutor(many) as pool:
        list(pool.map(start, range(many)))
    assert names(archive) == []
