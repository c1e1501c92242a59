"""Tables that other rooms keep beside the archive's own: made step by step, and never guessed at.

A room's tables are a list of steps. The archive remembers how many of them it has, so that one that an older
ringlet made gets what is missing, and one that a newer ringlet wrote is refused.

Rules of this file:
* A step that people have is never changed: what is to be otherwise is one more step, at the end.
* Archives from before the steps were counted have the tables of the first one, and no number. So the first
  step says IF NOT EXISTS; later ones need not.
* Whatever is missing is made in one transaction, or nothing is. Where nothing is missing, nothing is written.
"""

from __future__ import annotations

from ...errors import ArchiveError
from ..archive import Archive


class Migrations:
    """A room by its name, and what makes its tables: each step is statements parted by `;`."""

    def __init__(self, name: str, *steps: str) -> None:
        self.name = name
        self.steps = steps

    @property
    def setting(self) -> str:
        """Where an archive remembers how many of the steps it has."""
        return f"room {self.name}"


def migrate(archive: Archive, room: Migrations) -> None:
    """See that the tables of a room are there, whole. Raises ArchiveError."""
    if _steps_of(archive, room) == len(room.steps):
        return
    with archive.transaction():
        archive.database.lock("schema")
        done = _steps_of(archive, room)  # another process may have been quicker
        for step in room.steps[done:]:
            for statement in step.split(";"):
                archive.database.execute(statement)
        archive.set_setting(room.setting, str(len(room.steps)))


def _steps_of(archive: Archive, room: Migrations) -> int:
    """How many steps an archive has. Raises where those are more than we know."""
    done = int(archive.setting(room.setting) or 0)
    if done > len(room.steps):
        raise ArchiveError(
            f"{archive.path} was written by a newer ringlet"
            f" (step {done} of its {room.name}, this one knows {len(room.steps)})",
            cure="upgrade ringlet: pip install --upgrade ringlet",
        )
    return done
