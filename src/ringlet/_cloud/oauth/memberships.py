"""Whose Oura membership has ended: their data is refused, their tokens live on.

The real service answers 403 then; a cloud of one's own has no memberships, so whoever runs it says who plays
that part.
"""

from __future__ import annotations

from ..._archive.storage.migrations import Migrations
from ..core.access import AccessTables

MIGRATIONS = Migrations(
    "memberships",
    """
CREATE TABLE IF NOT EXISTS lapsed_memberships (
    user_id       INTEGER PRIMARY KEY,
    since         INTEGER NOT NULL
)
""",
)


class Memberships(AccessTables):
    """Who has none, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def has_lapsed(self, user: int) -> bool:
        """Whether a wearer's membership has ended."""
        return self.db.one("SELECT 1 FROM lapsed_memberships WHERE user_id = ?", (user,)) is not None

    def end(self, user: int) -> None:
        """Let it lapse; it may have already."""
        with self.archive.transaction():
            self.db.execute(
                "INSERT INTO lapsed_memberships (user_id, since) VALUES (?, ?)"
                " ON CONFLICT (user_id) DO NOTHING",
                (user, self.clock.ms()),
            )
        self.access_changed.emit()

    def renew(self, user: int) -> None:
        """Let it begin again."""
        with self.archive.transaction():
            self.db.execute("DELETE FROM lapsed_memberships WHERE user_id = ?", (user,))
        self.access_changed.emit()
