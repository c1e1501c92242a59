"""Owns the table `oauth_grants`: which user granted which application which scopes.

A *grant* is one decision of a user on the consent page. A user is *connected* with an application while at
least one grant between them has neither ended nor expired. Every token belongs to a grant and is valid
only with it, so ending a grant takes one UPDATE, however many tokens were issued under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..._archive.storage.migrations import Migrations
from ..core.access import AccessTables

# Archives store the name "grants" of this migration. In older versions it created codes and tokens, too.
MIGRATIONS = Migrations(
    "grants",
    """
CREATE TABLE IF NOT EXISTS oauth_grants (
    id            TEXT PRIMARY KEY,
    client_id     TEXT NOT NULL,
    user_id       INTEGER NOT NULL,
    scope         TEXT NOT NULL,
    since         INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    ended_at      INTEGER
);
CREATE INDEX IF NOT EXISTS oauth_grants_expiring ON oauth_grants (expires_at);
CREATE INDEX IF NOT EXISTS oauth_grants_of_app ON oauth_grants (client_id);
CREATE INDEX IF NOT EXISTS oauth_grants_of_user ON oauth_grants (user_id)
""",
)

# These subqueries go inside `IN (...)`. Other files use them in statements that check and write in one step.
# Each docstring lists the values for the placeholders, in order.
CONNECTED_CLIENT_IDS: Final = (
    "SELECT client_id FROM oauth_grants WHERE user_id = ? AND ended_at IS NULL AND expires_at > ?"
)
"""The applications a user is connected with. Values: the user, now (epoch ms on the cloud's clock)."""
CONNECTED_USERS: Final = (
    "SELECT user_id FROM oauth_grants WHERE client_id = ? AND ended_at IS NULL AND expires_at > ?"
)
"""The users an application is connected with. Values: the client_id, now (epoch ms on the cloud's clock)."""
OPEN_GRANT_IDS: Final = "SELECT id FROM oauth_grants WHERE client_id = ? AND ended_at IS NULL"
"""An application's grants that have not been ended, expired or not. Value: the client_id."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a user granted to an application. Instants are epoch milliseconds on the cloud's clock."""

    id: str
    client_id: str
    user: int
    scope: str
    since: int
    ended: bool = False


class Connections(AccessTables):
    """All grants of users to applications, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def begin(self, grant_id: str, client_id: str, user: int, scope: str) -> None:
        """Store a grant. It is valid only after `extend` has set when it expires."""
        now = self.clock.ms()
        self.db.execute(
            "INSERT INTO oauth_grants (id, client_id, user_id, scope, since, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (grant_id, client_id, user, scope, now, now),
        )

    def extend(self, grant_id: str, expires_at: int) -> None:
        """Set when a grant expires (epoch ms), unless it expires later already."""
        self.db.execute(
            "UPDATE oauth_grants SET expires_at = ? WHERE id = ? AND expires_at < ?",
            (expires_at, grant_id, expires_at),
        )

    def get(self, grant_id: str) -> Grant | None:
        """A grant by its id, ended or not; None if it does not exist."""
        row = self.db.one(
            "SELECT client_id, user_id, scope, since, ended_at FROM oauth_grants WHERE id = ?", (grant_id,)
        )
        if row is None:
            return None
        client_id, user, scope, since, ended_at = row
        return Grant(
            id=grant_id,
            client_id=client_id,
            user=user,
            scope=scope,
            since=since,
            ended=ended_at is not None,
        )

    def of(self, user: int) -> list[Grant]:
        """The grants of a user that have neither ended nor expired, oldest first."""
        rows = self.db.all(
            "SELECT id, client_id, scope, since FROM oauth_grants"
            " WHERE user_id = ? AND ended_at IS NULL AND expires_at > ? ORDER BY since, id",
            (user, self.clock.ms()),
        )
        return [
            Grant(id=id, client_id=client_id, user=user, scope=scope, since=since)
            for id, client_id, scope, since in rows
        ]

    def users(self, client_id: str) -> set[int]:
        """The users an application is connected with."""
        return {user for (user,) in self.db.all(CONNECTED_USERS, (client_id, self.clock.ms()))}

    def end(self, grant_id: str) -> bool:
        """End a grant; False if it does not exist or has ended already."""
        ended = self.db.execute(
            "UPDATE oauth_grants SET ended_at = ? WHERE id = ? AND ended_at IS NULL",
            (self.clock.ms(), grant_id),
        )
        self.access_changed.emit()
        return ended > 0

    def disconnect(self, user: int, client_id: str) -> bool:
        """End all grants between a user and an application; False if all had ended or expired already."""
        now = self.clock.ms()
        ended = self.db.execute(
            "UPDATE oauth_grants SET ended_at = ?"
            " WHERE user_id = ? AND client_id = ? AND ended_at IS NULL AND expires_at > ?",
            (now, user, client_id, now),
        )
        self.access_changed.emit()
        return ended > 0

    def prune(self, before: int) -> None:
        """Delete grants that expired before an instant (epoch ms)."""
        self.db.execute("DELETE FROM oauth_grants WHERE expires_at < ?", (before,))
