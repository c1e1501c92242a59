"""Owns the table `lapsed_memberships`: the users whose Oura membership has ended.

The real service answers requests for the data of such a user with 403, while the tokens stay valid. In this
cloud the control API ends and renews memberships.
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
    """All lapsed memberships, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def has_lapsed(self, user: int) -> bool:
        """Whether a user's membership has ended."""
        return self.db.one("SELECT 1 FROM lapsed_memberships WHERE user_id = ?", (user,)) is not None

    def end(self, user: int) -> None:
        """End a user's membership. Does nothing if it has ended already."""
        with self.archive.transaction():
            self.db.execute(
                "INSERT INTO lapsed_memberships (user_id, since) VALUES (?, ?)"
                " ON CONFLICT (user_id) DO NOTHING",
                (user, self.clock.ms()),
            )
        self.access_changed.emit()

    def renew(self, user: int) -> None:
        """Renew a user's membership. Does nothing if it has not ended."""
        with self.archive.transaction():
            self.db.execute("DELETE FROM lapsed_memberships WHERE user_id = ?", (user,))
        self.access_changed.emit()
