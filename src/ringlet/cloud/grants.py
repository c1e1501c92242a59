"""The memory and the rules of the OAuth2 server: applications, codes, tokens. No HTTP here.

Rules of this file:
* Nothing secret is stored: codes, tokens and client secrets are random and long; only their SHA-256 is kept.
* A code works once and for ten minutes; using it twice revokes what it gave (RFC 6749 section 4.1.2).
* Refresh tokens rotate and work once; a spent one that comes back revokes its whole family, access tokens
  included (RFC 9700 section 4.14.2). What is spent is spent in the transaction that makes the new one.
* Every token of a family lives under one `family`: the authorization it came from.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from ..archive import Archive
from ..errors import GrantError
from ..oauth import s256, scope_set, scope_text
from ..windows import Profile
from .clock import Clock
from .limits import Limits
from .profiles import access_life
from .usercollection import Access

CODE_LIFE = timedelta(minutes=10)
REFRESH_LIFE = timedelta(days=365)
MEMORY = timedelta(days=30)
"""How long something expired is remembered, so that using it twice is still noticed."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS oauth_app (
    client_id     TEXT PRIMARY KEY,
    secret_hash   BLOB,
    name          TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    created_at    INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS oauth_code (
    hash          BLOB PRIMARY KEY,
    client_id     TEXT NOT NULL REFERENCES oauth_app (client_id),
    user          INTEGER NOT NULL,
    redirect_uri  TEXT NOT NULL,
    scope         TEXT NOT NULL,
    challenge     TEXT,
    family        TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    used_at       INTEGER
);
CREATE TABLE IF NOT EXISTS oauth_token (
    hash          BLOB PRIMARY KEY,
    use           TEXT NOT NULL CHECK (use IN ('access', 'refresh')),
    family        TEXT NOT NULL,
    client_id     TEXT NOT NULL REFERENCES oauth_app (client_id),
    user          INTEGER NOT NULL,
    scope         TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    spent_at      INTEGER
);
CREATE INDEX IF NOT EXISTS oauth_token_family ON oauth_token (family);
"""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """An application the cloud knows."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    confidential: bool
    """Whether it has a secret, and so must prove it."""


class Issued(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the token endpoint answers: RFC 6749 section 5.1."""

    token_type: str
    access_token: str
    expires_in: int
    refresh_token: str | None = None
    scope: str

    def __repr__(self) -> str:
        return f"Issued(scope={self.scope!r})"


class Grants:
    """Applications, codes and tokens, in the archive's database."""

    def __init__(self, archive: Archive, clock: Clock, limits: Limits, profile: Profile = "live") -> None:
        self.archive = archive
        self.clock = clock
        self.limits = limits
        self.profile: Profile = profile
        self.db = archive.database
        with archive.transaction():
            for statement in SCHEMA.split(";"):
                self.db.execute(statement)

    # Applications

    def register(self, name: str, redirect_uris: Sequence[str], *, public: bool = False) -> tuple[str, str]:
        """A new application: its client_id and, unless `public`, its secret, told only now."""
        client_id = secrets.token_urlsafe(16)
        secret = "" if public else secrets.token_urlsafe(32)
        with self.archive.transaction():
            self.db.execute(
                "INSERT INTO oauth_app VALUES (?, ?, ?, ?, ?)",
                (client_id, _hash(secret) if secret else None, name, "\n".join(redirect_uris), self._now()),
            )
        return client_id, secret

    def app(self, client_id: str) -> Registered | None:
        """An application by its id."""
        row = self.db.one("SELECT * FROM oauth_app WHERE client_id = ?", (client_id,))
        if row is None:
            return None
        uris = tuple(str(row[3]).split("\n"))
        return Registered(client_id=row[0], name=row[2], redirect_uris=uris, confidential=row[1] is not None)

    def authenticate(self, client_id: str, client_secret: str) -> Registered:
        """The application, having proved itself. Raises GrantError invalid_client."""
        row = self.db.one("SELECT secret_hash FROM oauth_app WHERE client_id = ?", (client_id,))
        expected = row[0] if row else _hash("no such application")
        proved = hmac.compare_digest(_hash(client_secret), expected) if expected else not client_secret
        app = self.app(client_id) if row and proved else None
        if app is None:
            raise GrantError("invalid_client", "Client authentication failed", status=401)
        return app

    # Codes

    def authorize(
        self, app: Registered, user: int, redirect_uri: str, scopes: Iterable[str], challenge: str | None
    ) -> str:
        """A code for what the wearer granted."""
        code = secrets.token_urlsafe(24)
        expires = self._now() + CODE_LIFE // timedelta(milliseconds=1)
        with self.archive.transaction():
            self.db.execute(
                "INSERT INTO oauth_code VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    _hash(code),
                    app.client_id,
                    user,
                    redirect_uri,
                    scope_text(scopes),
                    challenge,
                    secrets.token_hex(16),
                    expires,
                ),
            )
        return code

    def exchange(self, app: Registered, code: str, redirect_uri: str, verifier: str | None) -> Issued:
        """Tokens for a code. Raises GrantError invalid_grant."""
        refused: GrantError | None = None
        with self.archive.transaction():
            row = self.db.one(
                "UPDATE oauth_code SET used_at = ? WHERE hash = ? AND used_at IS NULL"
                " RETURNING client_id, user, redirect_uri, scope, challenge, family, expires_at",
                (self._now(), _hash(code)),
            )
            if row is None:
                self._revoke_replayed(code)
                refused = GrantError("invalid_grant", "The code is unknown, expired or already used")
            elif row[0] != app.client_id or row[6] < self._now():
                refused = GrantError("invalid_grant", "The code is unknown, expired or already used")
            elif redirect_uri != row[2]:
                refused = GrantError("invalid_grant", "Redirect URI does not match")
            elif not _verified(row[4], verifier):
                refused = GrantError("invalid_grant", "The code_verifier does not match the code_challenge")
            else:
                return self._issue(app.client_id, row[1], row[3], row[5], renews=row[3])
        raise refused

    def _revoke_replayed(self, code: str) -> None:
        row = self.db.one("SELECT family FROM oauth_code WHERE hash = ?", (_hash(code),))
        if row is not None:
            self._revoke_family(row[0])

    # Tokens

    def issue(self, client_id: str, user: int, scopes: Iterable[str], *, refreshable: bool = True) -> Issued:
        """Tokens without a code: the implicit grant, and whoever runs the cloud."""
        with self.archive.transaction():
            scope = scope_text(scopes)
            family = secrets.token_hex(16)
            return self._issue(client_id, user, scope, family, renews=scope if refreshable else None)

    def refresh(self, app: Registered, refresh_token: str, scope: str | None = None) -> Issued:
        """New tokens for a refresh token, which is spent by it. Raises GrantError."""
        with self.archive.transaction():
            row = self.db.one(
                "UPDATE oauth_token SET spent_at = ? WHERE hash = ? AND use = 'refresh'"
                " AND client_id = ? AND spent_at IS NULL RETURNING user, scope, family, expires_at",
                (self._now(), _hash(refresh_token), app.client_id),
            )
            if row is not None and row[3] >= self._now():
                narrowed = scope_set(scope) if scope else scope_set(row[1])
                if not narrowed <= scope_set(row[1]):
                    # Raised inside the transaction: a slip in the request spends nothing.
                    raise GrantError("invalid_scope", "A refresh cannot widen the scope")
                return self._issue(app.client_id, row[0], scope_text(narrowed), row[2], renews=row[1])
            refused = GrantError("invalid_grant", "Token Already Used Or Revoked")
            spent = self.db.one(
                "SELECT family FROM oauth_token WHERE hash = ? AND use = 'refresh' AND client_id = ?",
                (_hash(refresh_token), app.client_id),
            )
            if spent is not None:
                self._revoke_family(spent[0])
        raise refused

    def revoke(self, token: str) -> bool:
        """End the grant a token belongs to; False when there is none (any more)."""
        row = self.db.one(
            "SELECT family FROM oauth_token WHERE hash = ? AND spent_at IS NULL", (_hash(token),)
        )
        if row is None:
            return False
        with self.archive.transaction():
            self._revoke_family(row[0])
        return True

    def access(self, token: str) -> Access | None:
        """What an access token opens; None when it is unknown, expired or revoked."""
        row = self.db.one(
            "SELECT user, scope, expires_at FROM oauth_token"
            " WHERE hash = ? AND use = 'access' AND spent_at IS NULL AND expires_at > ?",
            (_hash(token), self._now()),
        )
        if row is None:
            return None
        return Access(row[0], scope_set(row[1]), row[2] / 1000, self.limits.of(token))

    def _issue(self, client_id: str, user: int, scope: str, family: str, *, renews: str | None) -> Issued:
        """Tokens for a scope; `renews` is the refresh token's, which never narrows (RFC 6749 section 6)."""
        life = access_life(self.profile)
        access = "_0XRNGLT_" + secrets.token_urlsafe(27)
        refresh = None
        now = self._now()
        rows = [(_hash(access), "access", family, client_id, user, scope, now + life // _MS)]
        if renews is not None:
            refresh = "_1XRNGLT_" + secrets.token_urlsafe(27)
            until = now + REFRESH_LIFE // _MS
            rows.append((_hash(refresh), "refresh", family, client_id, user, renews, until))
        for table in ("oauth_token", "oauth_code"):
            self.db.execute(f"DELETE FROM {table} WHERE expires_at < ?", (now - MEMORY // _MS,))
        self.db.many("INSERT INTO oauth_token VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", rows)
        return Issued(
            token_type="bearer",  # noqa: S106  # RFC 6749's word
            access_token=access,
            expires_in=int(life.total_seconds()),
            refresh_token=refresh,
            scope=scope,
        )

    def _revoke_family(self, family: str) -> None:
        self.db.execute(
            "UPDATE oauth_token SET spent_at = ? WHERE family = ? AND spent_at IS NULL", (self._now(), family)
        )

    def _now(self) -> int:
        return int(self.clock.seconds() * 1000)


_MS = timedelta(milliseconds=1)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _verified(challenge: str | None, verifier: str | None) -> bool:
    """PKCE (RFC 7636): a challenge asks for a verifier, and a verifier without a challenge is a downgrade."""
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    fits = verifier.isascii() and 43 <= len(verifier) <= 128
    return fits and hmac.compare_digest(s256(verifier).encode(), challenge.encode())
