"""Rooms of the cloud that keep something: tables of their own, in the archive's database."""

from __future__ import annotations

from typing import ClassVar

from ..archive import Archive
from .clock import Clock


class Tables:
    """A room with tables of its own, which it makes where they are not there yet."""

    SCHEMA: ClassVar[str]
    """What makes them: statements parted by `;`."""

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self.archive = archive
        self.clock = clock
        self.db = archive.database
        with archive.transaction():
            for statement in self.SCHEMA.split(";"):
                self.db.execute(statement)
