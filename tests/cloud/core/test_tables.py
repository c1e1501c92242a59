"""Every room that keeps tables: its steps are counted under a name of its own, and begin where none were."""

from __future__ import annotations

from collections.abc import Iterator

from ringlet._archive.storage.migrations import Migrations
from ringlet._cloud.core.access import AccessTables
from ringlet._cloud.core.tables import Tables
from ringlet._receiver import inbox
from ringlet.archive import Archive
from ringlet.cloud import Cloud


def below(one: type[Tables]) -> Iterator[type[Tables]]:
    for kind in one.__subclasses__():
        yield kind
        yield from below(kind)


def rooms() -> set[Migrations]:
    owners = {kind.MIGRATIONS for kind in below(Tables) if kind is not AccessTables}
    return owners | {inbox.MIGRATIONS}


def test_each_package_names_its_tables_differently() -> None:
    names = [room.name for room in rooms()]
    assert len(names) == len(set(names)) >= 8


def test_the_first_step_accepts_tables_that_exist_without_a_version() -> None:
    with Archive.open(":memory:") as archive:
        Cloud(archive)
        inbox.Inbox(archive)
        for room in rooms():
            assert archive.setting(room.setting) == str(len(room.steps)), room.name
            for statement in room.steps[0].split(";"):
                archive.database.execute(statement)


def test_a_cloud_that_starts_again_writes_nothing() -> None:
    with Archive.open(":memory:") as archive:
        Cloud(archive)
        before = archive.generation
        Cloud(archive)
        assert archive.generation == before
