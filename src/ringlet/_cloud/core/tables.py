"""The base class of the classes that own tables in the archive's database."""

from __future__ import annotations

from typing import ClassVar

from ..._archive.archive import Archive
from ..._archive.storage.database import Database
from ..._archive.storage.migrations import Migrations, migrate
from .clock import Clock


class Tables:
    """Owns some tables of the archive's database; its constructor creates or migrates them."""

    MIGRATIONS: ClassVar[Migrations]

    def __init__(self, archive: Archive, clock: Clock) -> None:
        migrate(archive.database, self.MIGRATIONS)
        self.archive = archive
        self.clock = clock
        self.db: Database = archive.database
