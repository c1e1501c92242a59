"""Owns the table `oauth_tokens`: access and refresh tokens (RFC 6749 sections 1.4 and 1.5).

Rules of this file:
* Only the hash of a token is stored. A token has a prefix, by which secret scanners find it, and 216 random
  bits.
* Refresh tokens rotate: using one spends it and issues another (RFC 9700 section 4.14.2). `Rotation` says
  how strictly.
* Of concurrent requests with one refresh token, a single statement lets one succeed: `UPDATE ... WHERE <not
  spent> RETURNING`. That holds for several processes on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

import msgspec

from ..._api.windows import MILLISECOND, Dialect
from ..._archive.archive import Archive
from ..._archive.storage.migrations import Migrations
from ..core.clock import Clock
from ..core.secret_hashes import hash_secret
from ..core.tables import Tables
from .connections import OPEN_GRANT_IDS

ACCESS_PREFIX = "_0XRNGLT_"
REFRESH_PREFIX = "_1XRNGLT_"
ACCESS_LIFE: dict[Dialect, timedelta] = {
    "live": timedelta(days=30) - timedelta(seconds=1),  # as recorded from Oura's service
    "docs": timedelta(hours=24),  # as Oura's documentation says
}
REFRESH_LIFE = timedelta(days=365)

MIGRATIONS = Migrations(
    "tokens",
    """
CREATE TABLE IF NOT EXISTS oauth_tokens (
    hash          BLOB PRIMARY KEY,
    use           TEXT NOT NULL CHECK (use IN ('access', 'refresh')),
    grant_id      TEXT NOT NULL,
    scope         TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    spent_at      INTEGER,
    uses          INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS oauth_tokens_expiring ON oauth_tokens (expires_at)
""",
)

Rotation: TypeAlias = Literal["strict", "grace", "none"]
"""What happens to a refresh token that was used. `strict`: it is spent. `grace`: it is spent, and may still
be used a few times for a short while, in case the answer was lost. `none`: it stays valid."""


class Issued(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of the token endpoint: RFC 6749 section 5.1."""

    token_type: str
    access_token: str
    expires_in: int
    refresh_token: str | None = None
    scope: str

    def __repr__(self) -> str:
        return f"Issued(scope={self.scope!r})"


@dataclass(frozen=True, kw_only=True)
class Token:
    """A stored token that has not been spent."""

    use: Literal["access", "refresh"]
    grant_id: str
    scope: str
    expires_at: int
    """When the token expires: epoch milliseconds on the cloud's clock."""


class Tokens(Tables):
    """All access and refresh tokens, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        dialect: Dialect,
        rotation: Rotation,
        grace: timedelta,
        reuses: int,
    ) -> None:
        super().__init__(archive, clock)
        self.access_life = ACCESS_LIFE[dialect]
        self.rotates = rotation != "none"
        self._grace = grace if rotation == "grace" else timedelta(0)
        self._reuses = reuses if rotation == "grace" else 0

    def issue(self, grant_id: str, scope: str, refresh_scope: str | None) -> tuple[Issued, int]:
        """Issue tokens of a grant. Returns them, and when the last of them expires (epoch ms).

        The access token has `scope`; the refresh token has `refresh_scope`, which stays the same at every
        refresh (RFC 6749 section 6). If `refresh_scope` is None, only an access token is issued.
        """
        now = self.clock.ms()
        access = ACCESS_PREFIX + secrets.token_urlsafe(27)
        refresh = None
        rows = [(hash_secret(access), "access", grant_id, scope, now + self.access_life // MILLISECOND)]
        if refresh_scope is not None:
            refresh = REFRESH_PREFIX + secrets.token_urlsafe(27)
            expires_at = now + REFRESH_LIFE // MILLISECOND
            rows.append((hash_secret(refresh), "refresh", grant_id, refresh_scope, expires_at))
        self.db.many(
            "INSERT INTO oauth_tokens (hash, use, grant_id, scope, expires_at, uses)"
            " VALUES (?, ?, ?, ?, ?, 0)",
            rows,
        )
        issued = Issued(
            token_type="bearer",  # noqa: S106  # RFC 6749's word
            access_token=access,
            expires_in=int(self.access_life.total_seconds()),
            refresh_token=refresh,
            scope=scope,
        )
        return issued, max(expires_at for *_, expires_at in rows)

    def find(self, secret: str) -> Token | None:
        """Find a token, which may have expired; None if it is unknown or has been spent."""
        row = self.db.one(
            "SELECT use, grant_id, scope, expires_at FROM oauth_tokens WHERE hash = ? AND spent_at IS NULL",
            (hash_secret(secret),),
        )
        if row is None:
            return None
        use, grant_id, scope, expires_at = row
        return Token(use=use, grant_id=grant_id, scope=scope, expires_at=expires_at)

    def use_refresh(self, secret: str, client_id: str) -> tuple[str, str] | None:
        """Use a refresh token. Returns the grant's id and the scope; None if the token is not valid.

        A valid token belongs to this application and to a grant that has not ended, has not expired, and is
        unspent or within the grace period. If tokens rotate, this call spends it.
        """
        now = self.clock.ms()
        row = self.db.one(
            "UPDATE oauth_tokens SET spent_at = COALESCE(spent_at, ?), uses = uses + ?"
            " WHERE hash = ? AND use = 'refresh' AND expires_at >= ?"
            " AND uses <= ? AND COALESCE(spent_at, ?) >= ?"
            f" AND grant_id IN ({OPEN_GRANT_IDS})"
            " RETURNING grant_id, scope",
            (
                now if self.rotates else None,
                1 if self.rotates else 0,
                hash_secret(secret),
                now,
                self._reuses,
                now,
                now - self._grace // MILLISECOND,
                client_id,
            ),
        )
        return (row[0], row[1]) if row else None

    def spent_grant_id(self, secret: str) -> str | None:
        """The id of the grant of a token that was spent; None for any other token."""
        row = self.db.one(
            "SELECT grant_id FROM oauth_tokens WHERE hash = ? AND spent_at IS NOT NULL",
            (hash_secret(secret),),
        )
        return row[0] if row else None

    def prune(self, before: int) -> None:
        """Delete tokens that expired before an instant (epoch ms)."""
        self.db.execute("DELETE FROM oauth_tokens WHERE expires_at < ?", (before,))
