"""Rooms of the cloud that keep something: tables of their own, in the archive's database."""

from __future__ import annotations

from typing import ClassVar

from ..._archive.archive import Archive
from ..._archive.storage.migrations import Room, furnish
from .clock import Clock


class Tables:
    """A room with tables of its own, which it makes where they are not there yet."""

    ROOM: ClassVar[Room]

    def __init__(self, archive: Archive, clock: Clock) -> None:
        furnish(archive, self.ROOM)
        self.archive = archive
        self.clock = clock
        self.db = archive.database
