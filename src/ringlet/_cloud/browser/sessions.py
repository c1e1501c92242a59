"""Who is signed in to the pages: sessions, and the proofs that a form came from a page of ours.

Rules of this file:
* Nothing secret is stored: of a session only a SHA-256 is kept, of its cookie and the passphrase of its time.
  So a new passphrase ends all sessions. No passphrase can be guessed from it without the cookie.
* A form token is bound to one cookie and one purpose. Its key is the cookie itself, 256 random bits that only
  this browser and this cloud have seen: it survives a restart, and several clouds on one archive agree.
* A ticket is a form token that works once. Only spent ones are remembered: looking at a page writes nothing.
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
    """Somebody who was let in. `user` is None until they said which wearer they are."""

    user: int | None


class Sessions(Tables):
    """Sessions and spent tickets, in the archive's database, on the cloud's clock.

    `secret` is the passphrase that lets people in, where there is one.
    """

    MIGRATIONS = MIGRATIONS

    def __init__(self, archive: Archive, clock: Clock, secret: str | None = None) -> None:
        super().__init__(archive, clock)
        self._secret = secret or ""

    def begin(self, user: int | None, *, instead_of: str = "") -> str:
        """Starts a session in place of the one an older cookie names; returns its cookie."""
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
        """The session a cookie names; None when there is none, or it has ended."""
        row = self.db.one(
            "SELECT user_id FROM oauth_sessions WHERE hash = ? AND expires_at > ?",
            (self._digest(cookie), self.clock.ms()),
        )
        return Session(row[0]) if row else None

    def end(self, cookie: str) -> None:
        """Sign out."""
        self.db.execute("DELETE FROM oauth_sessions WHERE hash = ?", (self._digest(cookie),))

    def _digest(self, cookie: str) -> bytes:
        return hash_secret(cookie + self._secret)

    def ticket(self, cookie: str, purpose: str) -> str:
        """A form token for this cookie and purpose that works once, for an hour."""
        begun = f"{self.clock.ms() + TICKET_LIFE // _MS}.{secrets.token_urlsafe(16)}"
        return f"{begun}.{form_token(cookie, f'{begun} {purpose}')}"

    def spend(self, ticket: str, cookie: str, purpose: str) -> bool:
        """Use a ticket; False when it is forged, another's, for something else, too old or already used."""
        shape = TICKET_SHAPE.fullmatch(ticket)
        if shape is None or not is_same_secret(shape[3], form_token(cookie, f"{shape[1]} {purpose}")):
            return False
        now, expires = self.clock.ms(), int(shape[2])
        # Who holds the cookie could make a ticket for later; it would be remembered for as long.
        if not now < expires <= now + TICKET_LIFE // _MS:
            return False
        with self.archive.transaction():
            self.db.execute("DELETE FROM oauth_tickets WHERE expires_at <= ?", (now,))
            # One statement decides: of two that come at once, one finds the row there.
            spent = self.db.execute(
                "INSERT INTO oauth_tickets (hash, expires_at) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING",
                (hash_secret(ticket), expires),
            )
        return spent == 1


_MS = timedelta(milliseconds=1)


def new_cookie() -> str:
    """The cookie of somebody new: 256 random bits."""
    return secrets.token_urlsafe(32)


def form_token(cookie: str, purpose: str) -> str:
    """Proof that a form with this purpose was given to whoever holds this cookie."""
    return hmac.new(cookie.encode(), purpose.encode(), hashlib.sha256).hexdigest()
