"""Rooms of the cloud that keep something: tables of their own, in the archive's database."""

from __future__ import annotations

from typing import ClassVar

from ..._archive.archive import Archive
from ..._archive.storage.migrations import Migrations, migrate
from .clock import Clock


class Tables:
    """A room with tables of its own, which it makes where they are not there yet."""

    MIGRATIONS: ClassVar[Migrations]

    def __init__(self, archive: Archive, clock: Clock) -> None:
        migrate(archive.database, self.MIGRATIONS)
        self.archive = archive
        self.clock = clock
        self.db = archive.database
