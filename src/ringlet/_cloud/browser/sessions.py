"""Sessions of browsers, and tokens that protect forms against cross-site request forgery (CSRF).

Rules of this file:
* The archive stores only a SHA-256 hash of a session's cookie and the passphrase together. So a new
  passphrase ends all sessions, and nobody can guess the passphrase from the hash without the cookie.
* A form token is an HMAC of the form's purpose, such as its path. The key of the HMAC is the cookie: 256
  random bits that only this browser and this cloud have seen. So form tokens stay valid over a restart.
* A ticket is a form token that can be used once. Only used tickets are stored, so showing a page writes
  nothing to the archive.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from ..._archive.archive import Archive
from ..._archive.storage.migrations import Migrations
from ..core.clock import Clock
from ..core.secret_hashes import hash_secret, is_same_secret
from ..core.tables import Tables

SESSION_LIFE = timedelta(hours=12)
TICKET_LIFE = timedelta(hours=1)
COOKIE_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")
TICKET_SHAPE = re.compile(r"((\d{1,15})\.[A-Za-z0-9_-]{22})\.([0-9a-f]{64})")

MIGRATIONS = Migrations(
    "sessions",
    """
CREATE TABLE IF NOT EXISTS oauth_sessions (
    hash       BLOB PRIMARY KEY,
    user_id    INTEGER,
    expires_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS oauth_tickets (
    hash       BLOB PRIMARY KEY,
    expires_at INTEGER NOT NULL
)
""",
)


@dataclass(frozen=True)
class Session:
    """The session of a browser. `user` is None from the right passphrase until the choice of a user."""

    user: int | None


class Sessions(Tables):
    """Owns the tables of sessions and of spent tickets. They expire by the cloud's clock.

    `secret` is the passphrase of the cloud, or None.
    """

    MIGRATIONS = MIGRATIONS

    def __init__(self, archive: Archive, clock: Clock, secret: str | None = None) -> None:
        super().__init__(archive, clock)
        self._secret = secret or ""

    def begin(self, user: int | None, *, instead_of: str = "") -> str:
        """Start a session and return its cookie. Ends the session of the cookie `instead_of`, if any."""
        cookie = new_cookie()
        now = self.clock.ms()
        with self.archive.transaction():
            self.db.execute("DELETE FROM oauth_sessions WHERE expires_at <= ?", (now,))
            self.end(instead_of)
            self.db.execute(
                "INSERT INTO oauth_sessions (hash, user_id, expires_at) VALUES (?, ?, ?)",
                (self._digest(cookie), user, now + SESSION_LIFE // _MS),
            )
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie; None for an unknown cookie and for a session that has ended."""
        row = self.db.one(
            "SELECT user_id FROM oauth_sessions WHERE hash = ? AND expires_at > ?",
            (self._digest(cookie), self.clock.ms()),
        )
        return Session(row[0]) if row else None

    def end(self, cookie: str) -> None:
        """End the session of a cookie."""
        self.db.execute("DELETE FROM oauth_sessions WHERE hash = ?", (self._digest(cookie),))

    def _digest(self, cookie: str) -> bytes:
        return hash_secret(cookie + self._secret)

    def ticket(self, cookie: str, purpose: str) -> str:
        """Create a ticket for a cookie and purpose: a form token that is valid once and for an hour."""
        begun = f"{self.clock.ms() + TICKET_LIFE // _MS}.{secrets.token_urlsafe(16)}"
        return f"{begun}.{form_token(cookie, f'{begun} {purpose}')}"

    def spend(self, ticket: str, cookie: str, purpose: str) -> bool:
        """Use a ticket. False when it is forged, expired, used already, or of another cookie or purpose."""
        shape = TICKET_SHAPE.fullmatch(ticket)
        if shape is None or not is_same_secret(shape[3], form_token(cookie, f"{shape[1]} {purpose}")):
            return False
        now, expires = self.clock.ms(), int(shape[2])
        # A client knows its cookie, and so can compute a ticket with any expiry. The archive would store a
        # spent ticket with a late expiry for too long.
        if not now < expires <= now + TICKET_LIFE // _MS:
            return False
        with self.archive.transaction():
            self.db.execute("DELETE FROM oauth_tickets WHERE expires_at <= ?", (now,))
            # Of two concurrent requests only one inserts the row, and only that one may use the ticket.
            spent = self.db.execute(
                "INSERT INTO oauth_tickets (hash, expires_at) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING",
                (hash_secret(ticket), expires),
            )
        return spent == 1


_MS = timedelta(milliseconds=1)


def new_cookie() -> str:
    """Create a cookie for a browser that has none: 256 random bits as text."""
    return secrets.token_urlsafe(32)


def form_token(cookie: str, purpose: str) -> str:
    """Return the token that proves that a form with this purpose was served to the browser of this cookie."""
    return hmac.new(cookie.encode(), purpose.encode(), hashlib.sha256).hexdigest()
