"""Creates and changes the tables that other packages have in an archive, by numbered migration steps.

A setting stores how many steps of each package the archive has applied. An archive that an older ringlet
wrote gets the missing steps, and one that a newer ringlet wrote is refused.

Rules of this file:
* A released step is never changed, because existing archives have applied it. A change is a new step at the
  end.
* The first versions of ringlet did not store the number of steps. Their archives have the tables of the first
  step, so the first step says IF NOT EXISTS; later steps need not.
* All missing steps are applied in one transaction. If no step is missing, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import ArchiveError
from . import settings
from .database import Database
from .locks import Lock
from .settings import Key, Setting


class Migrations:
    """The migration steps of the package `name`. Each is a text of SQL statements, separated by `;`."""

    def __init__(self, name: str, *steps: str) -> None:
        self.name = name
        self.steps = steps

    @property
    def setting(self) -> Key:
        """The key of the setting that stores how many of these steps an archive has applied."""
        return Setting.SCHEMA_STEP.of(self.name)


def migrate(database: Database, migrations: Migrations) -> None:
    """Apply the migration steps that the archive has not applied yet. Raises ArchiveError."""
    if _applied(database, migrations) == len(migrations.steps):
        return
    with database.transaction():
        database.lock(Lock.SCHEMA)
        applied = _applied(database, migrations)  # Another process may have migrated meanwhile.
        run_steps(database, migrations.steps[applied:])
        settings.put(database, migrations.setting, str(len(migrations.steps)))


def run_steps(database: Database, steps: Iterable[str]) -> None:
    """Run every SQL statement of the given migration steps."""
    for step in steps:
        for statement in step.split(";"):
            database.execute(statement)


def _applied(database: Database, migrations: Migrations) -> int:
    """How many steps an archive has applied. Raises ArchiveError if a newer ringlet has applied more."""
    applied = int(settings.get(database, migrations.setting) or 0)
    if applied > len(migrations.steps):
        raise ArchiveError(
            f"{database.path} was written by a newer ringlet"
            f" (step {applied} of its {migrations.name}, this one knows {len(migrations.steps)})",
            cure="upgrade ringlet: pip install --upgrade ringlet",
        )
    return applied
