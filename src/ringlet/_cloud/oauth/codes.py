"""Owns the table `oauth_codes`: authorization codes (RFC 6749 section 4.1.2).

Rules of this file:
* Only the hash of a code is stored. A code has 192 random bits.
* A code can be used once. Of concurrent requests with one code, a single statement lets one succeed: `UPDATE
  ... WHERE used_at IS NULL RETURNING`.
* A used code is remembered, so that a second use is recognised and its grant can be ended.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from ..._api.windows import MILLISECOND
from ..._archive.storage.migrations import Migrations
from ..core.secret_hashes import hash_secret
from ..core.tables import Tables

CODE_LIFE = timedelta(minutes=10)
"""The longest lifetime of a code that RFC 6749 section 4.1.2 recommends."""

MIGRATIONS = Migrations(
    "codes",
    """
CREATE TABLE IF NOT EXISTS oauth_codes (
    hash          BLOB PRIMARY KEY,
    grant_id      TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    user_id       INTEGER NOT NULL,
    redirect_uri  TEXT NOT NULL,
    scope         TEXT NOT NULL,
    challenge     TEXT,
    expires_at    INTEGER NOT NULL,
    used_at       INTEGER
);
CREATE INDEX IF NOT EXISTS oauth_codes_expiring ON oauth_codes (expires_at)
""",
)


@dataclass(frozen=True, kw_only=True)
class Code:
    """What was requested and granted in the authorization request for which a code was issued."""

    grant_id: str
    """The id of the grant that is created when the code is exchanged."""
    client_id: str
    user: int
    redirect_uri: str
    scope: str
    challenge: str | None
    """The `code_challenge` of PKCE (RFC 7636), method S256."""


class Codes(Tables):
    """All authorization codes, in the archive's database."""

    MIGRATIONS = MIGRATIONS

    def create(self, code: Code) -> str:
        """Create a code and return it; only its hash is stored."""
        secret = secrets.token_urlsafe(24)
        self.db.execute(
            "INSERT INTO oauth_codes (hash, grant_id, client_id, user_id, redirect_uri, scope, challenge,"
            " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                hash_secret(secret),
                code.grant_id,
                code.client_id,
                code.user,
                code.redirect_uri,
                code.scope,
                code.challenge,
                self.clock.ms() + CODE_LIFE // MILLISECOND,
            ),
        )
        return secret

    def use(self, secret: str) -> Code | None:
        """Mark a code as used, and return it. None when it is unknown, expired or was used before."""
        now = self.clock.ms()
        row = self.db.one(
            "UPDATE oauth_codes SET used_at = ? WHERE hash = ? AND used_at IS NULL"
            " RETURNING grant_id, client_id, user_id, redirect_uri, scope, challenge, expires_at",
            (now, hash_secret(secret)),
        )
        if row is None:
            return None
        grant_id, client_id, user, redirect_uri, scope, challenge, expires_at = row
        if expires_at < now:
            return None
        return Code(
            grant_id=grant_id,
            client_id=client_id,
            user=user,
            redirect_uri=redirect_uri,
            scope=scope,
            challenge=challenge,
        )

    def grant_id(self, secret: str) -> str | None:
        """The id of the grant of a code, whether or not the code was used; None for an unknown code."""
        row = self.db.one("SELECT grant_id FROM oauth_codes WHERE hash = ?", (hash_secret(secret),))
        return row[0] if row else None

    def cancel(self, user: int, client_id: str) -> None:
        """Mark all codes of a user for an application as used, so that none can be exchanged any more."""
        self.db.execute(
            "UPDATE oauth_codes SET used_at = ? WHERE user_id = ? AND client_id = ? AND used_at IS NULL",
            (self.clock.ms(), user, client_id),
        )

    def users(self, client_id: str) -> set[int]:
        """The users for whom an application has a valid code that it has not exchanged yet."""
        rows = self.db.all(
            "SELECT DISTINCT user_id FROM oauth_codes"
            " WHERE client_id = ? AND used_at IS NULL AND expires_at > ?",
            (client_id, self.clock.ms()),
        )
        return {user for (user,) in rows}

    def prune(self, before: int) -> None:
        """Delete codes that expired before an instant (epoch ms)."""
        self.db.execute("DELETE FROM oauth_codes WHERE expires_at < ?", (before,))
