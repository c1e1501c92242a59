"""The memory and the rules of the OAuth2 server: codes, tokens and the grants they belong to. No HTTP here.

A *grant* is one decision of a wearer: to let one application read some scopes. Every token lives under the
grant it came from, and dies with it.

Rules of this file:
* Nothing secret is stored: codes and tokens are random and long; only their digests are kept.
* A code works once and for ten minutes; using it twice ends its grant (RFC 6749 section 4.1.2).
* Refresh tokens rotate and work once; a spent one that comes back ends its grant, access tokens included
  (RFC 9700 section 4.14.2). `Rules` can be kinder.
* What may happen once is decided by one statement, `UPDATE ... WHERE <not yet> RETURNING`, in the transaction
  that writes what follows from it: so it is right in many hands, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, TypeAlias

import msgspec

from ..._api.windows import Dialect
from ..._archive.archive import Archive
from ..._archive.storage.migrations import Migrations
from ..._oauth.flows import SCOPES, s256, scope_set, scope_text
from ...errors import OAuthError
from ..core.answers import access_life
from ..core.clock import Clock
from ..core.rate_limit import Limits
from ..core.secret_hashes import digest, is_same
from ..core.tables import Tables
from ..data.routes import Access
from .applications import Applications, Registered
from .memberships import Memberships
from .personal_tokens import PersonalTokens

CODE_LIFE = timedelta(minutes=10)
REFRESH_LIFE = timedelta(days=365)
MEMORY = timedelta(days=30)
"""How long something expired is remembered, so that using it twice is still noticed."""
ON_TRIAL = 10
"""How many wearers an application has at most until it is approved."""

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
CREATE INDEX IF NOT EXISTS oauth_grants_of_user ON oauth_grants (user_id);
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
CREATE TABLE IF NOT EXISTS oauth_tokens (
    hash          BLOB PRIMARY KEY,
    use           TEXT NOT NULL CHECK (use IN ('access', 'refresh')),
    grant_id      TEXT NOT NULL,
    scope         TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    spent_at      INTEGER,
    uses          INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS oauth_codes_expiring ON oauth_codes (expires_at);
CREATE INDEX IF NOT EXISTS oauth_tokens_expiring ON oauth_tokens (expires_at)
""",
)

Rotation: TypeAlias = Literal["strict", "grace", "none"]
"""What becomes of a refresh token that was used: it is spent; it is spent, and forgiven for a while if the
answer was lost; it stays."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Where the server may be kinder than RFC 9700 asks."""

    rotation: Rotation = "strict"
    grace: timedelta = timedelta(seconds=60)
    """With `grace`: for how long a spent refresh token may come back, on the cloud's clock."""
    reuses: int = 3
    """With `grace`: how many times it may."""
    implicit: bool = False
    """Whether `response_type=token` is offered."""


class Issued(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the token endpoint answers: RFC 6749 section 5.1."""

    token_type: str
    access_token: str
    expires_in: int
    refresh_token: str | None = None
    scope: str

    def __repr__(self) -> str:
        return f"Issued(scope={self.scope!r})"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """An application that may read a wearer's data now."""

    client_id: str
    name: str
    scopes: frozenset[str]
    since: int
    """Epoch milliseconds on the cloud's clock."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What introspection says of a live token: RFC 7662 section 2.2."""

    use: Literal["access", "refresh"]
    user: int
    scope: str
    since: int
    expires: int
    """Epoch milliseconds on the cloud's clock, as `since` is: when the wearer granted it."""


class Grants(Tables):
    """Codes, tokens and grants, in the archive's database; what else opens or closes doors beside them."""

    MIGRATIONS = MIGRATIONS

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        limits: Limits,
        dialect: Dialect = "live",
        rules: Rules | None = None,
    ) -> None:
        super().__init__(archive, clock)
        self.limits = limits
        self.dialect: Dialect = dialect
        self.rules = rules or Rules()
        self.apps = Applications(archive, clock)
        self.personal = PersonalTokens(archive, clock)
        self.memberships = Memberships(archive, clock)

    # Codes

    def authorize(
        self, app: Registered, user: int, redirect_uri: str, scopes: Iterable[str], challenge: str | None
    ) -> str:
        """A code for what the wearer granted. Raises OAuthError access_denied: too many wearers."""
        code = secrets.token_urlsafe(24)
        with self.archive.transaction():
            self._admit(app.client_id, user)
            self.db.execute(
                "INSERT INTO oauth_codes (hash, grant_id, client_id, user_id, redirect_uri, scope, challenge,"
                " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    digest(code),
                    secrets.token_hex(16),
                    app.client_id,
                    user,
                    redirect_uri,
                    scope_text(scopes),
                    challenge,
                    self.clock.ms() + CODE_LIFE // _MS,
                ),
            )
        return code

    def exchange(self, app: Registered, code: str, redirect_uri: str, verifier: str | None) -> Issued:
        """Tokens for a code. Raises OAuthError invalid_grant."""
        refused: OAuthError | None = None
        with self.archive.transaction():
            now = self.clock.ms()
            row = self.db.one(
                "UPDATE oauth_codes SET used_at = ? WHERE hash = ? AND used_at IS NULL"
                " RETURNING client_id, user_id, redirect_uri, scope, challenge, grant_id, expires_at",
                (now, digest(code)),
            )
            if row is None:
                self._end_replayed(code)
                refused = OAuthError("invalid_grant", "The code is unknown, expired or already used")
            elif row[0] != app.client_id or row[6] < now:
                refused = OAuthError("invalid_grant", "The code is unknown, expired or already used")
            elif redirect_uri != row[2]:
                refused = OAuthError("invalid_grant", "Redirect URI does not match")
            elif not _verified(row[4], verifier):
                refused = OAuthError("invalid_grant", "The code_verifier does not match the code_challenge")
            else:
                return self._begin(app.client_id, row[1], row[3], row[5], refreshable=True)
        raise refused

    def _end_replayed(self, code: str) -> None:
        row = self.db.one("SELECT grant_id FROM oauth_codes WHERE hash = ?", (digest(code),))
        if row is not None:
            self._end(row[0])

    # Tokens

    def issue(self, client_id: str, user: int, scopes: Iterable[str], *, refreshable: bool = True) -> Issued:
        """Tokens without a code: the implicit grant, and whoever runs the cloud.

        Raises OAuthError access_denied: too many wearers.
        """
        with self.archive.transaction():
            self._admit(client_id, user)
            return self._begin(
                client_id, user, scope_text(scopes), secrets.token_hex(16), refreshable=refreshable
            )

    def refresh(self, app: Registered, refresh_token: str, scope: str | None = None) -> Issued:
        """New tokens for a refresh token, which is spent by it. Raises OAuthError."""
        with self.archive.transaction():
            row = self._spend(app, refresh_token)
            if row is not None:
                grant, held = row
                narrowed = scope_set(scope) if scope else scope_set(held)
                if not narrowed <= scope_set(held):
                    # Raised inside the transaction: a slip in the request spends nothing.
                    raise OAuthError("invalid_scope", "A refresh cannot widen the scope")
                renewed = self._tokens(grant, scope_text(narrowed), held if self._rotates else None)
                kept = renewed.refresh_token or refresh_token
                return msgspec.structs.replace(renewed, refresh_token=kept)
            spent = self.db.one(
                "SELECT t.grant_id FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id"
                " WHERE t.hash = ? AND t.spent_at IS NOT NULL AND g.client_id = ?",
                (digest(refresh_token), app.client_id),
            )
            if spent is not None:
                self._end(spent[0])
        raise OAuthError("invalid_grant", "Token Already Used Or Revoked")

    @property
    def _rotates(self) -> bool:
        return self.rules.rotation != "none"

    def _spend(self, app: Registered, refresh_token: str) -> tuple[str, str] | None:
        """The grant and the scope of a refresh token that may be used now; by that it has been used."""
        now = self.clock.ms()
        forgiving = self.rules.rotation == "grace"
        row = self.db.one(
            "UPDATE oauth_tokens SET spent_at = COALESCE(spent_at, ?), uses = uses + ?"
            " WHERE hash = ? AND use = 'refresh' AND expires_at >= ?"
            " AND uses <= ? AND COALESCE(spent_at, ?) >= ?"
            " AND grant_id IN (SELECT id FROM oauth_grants WHERE client_id = ? AND ended_at IS NULL)"
            " RETURNING grant_id, scope",
            (
                now if self._rotates else None,
                1 if self._rotates else 0,
                digest(refresh_token),
                now,
                self.rules.reuses if forgiving else 0,
                now,
                now - self.rules.grace // _MS if forgiving else now,
                app.client_id,
            ),
        )
        return (row[0], row[1]) if row else None

    def revoke(self, token: str, app: Registered | None = None) -> bool:
        """End the grant a token belongs to; False when there is none (any more).

        An application that proved itself ends its own grants alone. Raises OAuthError unauthorized_client.
        """
        row = self.db.one(
            "SELECT g.id, g.client_id FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id"
            " WHERE t.hash = ? AND t.spent_at IS NULL",
            (digest(token),),
        )
        if row is None:
            return False
        if app is not None and app.client_id != row[1]:
            raise OAuthError("unauthorized_client", "The token was issued to another application")
        with self.archive.transaction():
            return self._end(row[0])

    def access(self, token: str) -> Access | None:
        """What an access token opens; None when it is unknown, expired or revoked."""
        user, scopes, expires = self.personal.user(token), frozenset(SCOPES), float("inf")
        if user is None:
            told = self.look(token)
            if told is None or told.use != "access":
                return None
            user, scopes, expires = told.user, scope_set(told.scope), told.expires / 1000
        return Access(user, scopes, expires, self.limits.of(token), self.memberships.has_lapsed(user))

    def look(self, token: str, app: Registered | None = None) -> Told | None:
        """What a live token of an application is, of any if none is named; None when there is no such."""
        row = self.db.one(
            "SELECT t.use, g.user_id, t.scope, g.since, t.expires_at, g.client_id"
            " FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id"
            " JOIN oauth_apps a ON a.client_id = g.client_id"
            " WHERE t.hash = ? AND t.spent_at IS NULL AND t.expires_at > ? AND g.ended_at IS NULL",
            (digest(token), self.clock.ms()),
        )
        if row is None or (app is not None and row[5] != app.client_id):
            return None
        return Told(use=row[0], user=row[1], scope=row[2], since=row[3], expires=row[4])

    # Who is connected

    def connections(self, user: int) -> list[Connection]:
        """The applications that may read a wearer's data now, the oldest connection first."""
        rows = self.db.all(
            "SELECT g.client_id, a.name, g.scope, g.since"
            " FROM oauth_grants g JOIN oauth_apps a ON a.client_id = g.client_id"
            " WHERE g.user_id = ? AND g.ended_at IS NULL AND g.expires_at > ? ORDER BY g.since, g.id",
            (user, self.clock.ms()),
        )
        found: dict[str, Connection] = {}
        for client_id, name, scope, since in rows:
            one = Connection(client_id=client_id, name=name, scopes=scope_set(scope), since=since)
            first = found.setdefault(client_id, one)
            found[client_id] = replace(first, scopes=first.scopes | one.scopes)
        return list(found.values())

    def disconnect(self, user: int, client_id: str) -> bool:
        """End all that a wearer granted to an application; False when there was nothing."""
        with self.archive.transaction():
            now = self.clock.ms()
            # The codes first: whoever is just exchanging one has then either made its grant, or cannot.
            self.db.execute(
                "UPDATE oauth_codes SET used_at = ? WHERE user_id = ? AND client_id = ? AND used_at IS NULL",
                (now, user, client_id),
            )
            ended = self.db.execute(
                "UPDATE oauth_grants SET ended_at = ?"
                " WHERE user_id = ? AND client_id = ? AND ended_at IS NULL AND expires_at > ?",
                (now, user, client_id, now),
            )
        return ended > 0

    def wearers(self, client_id: str, besides: int | None = None) -> int:
        """How many wearers an application has, or is about to have; `besides` one of them."""
        now = self.clock.ms()
        row = self.db.one(
            "SELECT count(*) FROM (SELECT user_id FROM oauth_grants"
            " WHERE client_id = ? AND ended_at IS NULL AND expires_at > ?"
            " UNION SELECT user_id FROM oauth_codes"
            " WHERE client_id = ? AND used_at IS NULL AND expires_at > ?) AS wearer WHERE user_id <> ?",
            (client_id, now, client_id, now, -1 if besides is None else besides),
        )
        assert row
        return int(row[0])

    def _admit(self, client_id: str, user: int) -> None:
        self.db.lock("wearers", client_id)  # two at once would both take the last place
        app = self.apps.get(client_id)
        if app and not app.approved and self.wearers(client_id, besides=user) >= ON_TRIAL:
            raise OAuthError(
                "access_denied",
                f"The application has {ON_TRIAL} users and is not approved for more",
                cure="disconnect a wearer, or have the application approved",
            )

    # Making and ending

    def _begin(self, client_id: str, user: int, scope: str, grant: str, *, refreshable: bool) -> Issued:
        self.db.execute(
            "INSERT INTO oauth_grants (id, client_id, user_id, scope, since, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (grant, client_id, user, scope, self.clock.ms(), self.clock.ms()),
        )
        return self._tokens(grant, scope, scope if refreshable else None)

    def _tokens(self, grant: str, scope: str, renews: str | None) -> Issued:
        """Tokens for a scope; `renews` is the refresh token's, which never narrows (RFC 6749 section 6)."""
        life = access_life(self.dialect)
        access = "_0XRNGLT_" + secrets.token_urlsafe(27)
        refresh = None
        now = self.clock.ms()
        rows = [(digest(access), "access", grant, scope, now + life // _MS)]
        if renews is not None:
            refresh = "_1XRNGLT_" + secrets.token_urlsafe(27)
            rows.append((digest(refresh), "refresh", grant, renews, now + REFRESH_LIFE // _MS))
        for table in ("oauth_tokens", "oauth_codes", "oauth_grants"):
            self.db.execute(f"DELETE FROM {table} WHERE expires_at < ?", (now - MEMORY // _MS,))
        self.db.many(
            "INSERT INTO oauth_tokens (hash, use, grant_id, scope, expires_at, uses)"
            " VALUES (?, ?, ?, ?, ?, 0)",
            rows,
        )
        until = max(expires for *_, expires in rows)
        self.db.execute(
            "UPDATE oauth_grants SET expires_at = ? WHERE id = ? AND expires_at < ?", (until, grant, until)
        )
        return Issued(
            token_type="bearer",  # noqa: S106  # RFC 6749's word
            access_token=access,
            expires_in=int(life.total_seconds()),
            refresh_token=refresh,
            scope=scope,
        )

    def _end(self, grant: str) -> bool:
        return bool(
            self.db.execute(
                "UPDATE oauth_grants SET ended_at = ? WHERE id = ? AND ended_at IS NULL",
                (self.clock.ms(), grant),
            )
        )


_MS = timedelta(milliseconds=1)


def _verified(challenge: str | None, verifier: str | None) -> bool:
    """PKCE (RFC 7636): a challenge asks for a verifier, and a verifier without a challenge is a downgrade."""
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    fits = verifier.isascii() and 43 <= len(verifier) <= 128
    return fits and is_same(s256(verifier), challenge)
