"""The rules of the authorization server: how codes, tokens and grants come about and end. No HTTP here.

`connections`, `codes` and `tokens` each own a table; this file says which of them change together.

Rules of this file:
* A code works once and for ten minutes; using it twice ends its grant (RFC 6749 section 4.1.2).
* A spent refresh token that is used again ends its grant, access tokens included (RFC 9700 section 4.14.2),
  because the server cannot know whether the application or a thief uses it.
* One transaction marks a code or refresh token as used and stores the grant and tokens that come of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

import msgspec

from ..._api.windows import MILLISECOND, Dialect
from ..._archive.archive import Archive
from ..._archive.storage.locks import Lock
from ..._oauth.grant import s256
from ..._oauth.scopes import SCOPES, scope_set, scope_text
from ...errors import OAuthError
from ..core.access import Access
from ..core.clock import Clock
from ..core.rate_limit import RateLimit
from ..core.secret_hashes import is_same_secret
from ..core.signals import Signal
from .applications import Application, Applications
from .codes import Code, Codes
from .connections import Connections
from .memberships import Memberships
from .personal_tokens import PersonalTokens
from .tokens import Issued, Rotation, Tokens

KEEP_EXPIRED_FOR = timedelta(days=30)
"""How long expired codes, tokens and grants are still stored, so that a second use is recognised."""
USERS_ON_TRIAL = 10
"""The most users an application may be connected with until it is approved, as at Oura."""


@dataclass(frozen=True, kw_only=True)
class OAuthRules:
    """Settings of the authorization server, some of which are less strict than RFC 9700."""

    rotation: Rotation = "strict"
    """What happens to a refresh token that was used: `strict`, `grace` or `none`."""
    grace: timedelta = timedelta(seconds=60)
    """With `grace`: how long a spent refresh token may still be used, on the cloud's clock."""
    reuses: int = 3
    """With `grace`: how many times a spent refresh token may still be used."""
    implicit: bool = False
    """Whether `response_type=token` is offered (RFC 6749 section 4.2; RFC 9700 advises against it)."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """An application that may read a user's data now."""

    client_id: str
    name: str
    scopes: frozenset[str]
    """The scopes of all the user's grants to this application together."""
    since: int
    """When the oldest of these grants began: epoch milliseconds on the cloud's clock."""


@dataclass(frozen=True, kw_only=True)
class Introspection:
    """Describes a valid token (RFC 7662 section 2.2). Instants are epoch ms on the cloud's clock."""

    use: Literal["access", "refresh"]
    user: int
    scope: str
    since: int
    """When the user granted the access."""
    expires: int


class Grants:
    """Issues, looks up and revokes codes, tokens and grants, which are stored in one archive."""

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        rate_limit: RateLimit,
        dialect: Dialect = "live",
        rules: OAuthRules | None = None,
    ) -> None:
        self.archive = archive
        self.clock = clock
        self.rate_limit = rate_limit
        self.rules: OAuthRules = rules or OAuthRules()
        self.access_changed: Signal = Signal()
        """Emitted when a grant, token, application or membership has ended or begun again."""
        self.apps: Applications = Applications(archive, clock, self.access_changed)
        self.personal: PersonalTokens = PersonalTokens(archive, clock, self.access_changed)
        self.memberships: Memberships = Memberships(archive, clock, self.access_changed)
        self._connections = Connections(archive, clock, self.access_changed)
        self._codes = Codes(archive, clock)
        self._tokens = Tokens(
            archive, clock, dialect, self.rules.rotation, self.rules.grace, self.rules.reuses
        )

    # Issuing codes and tokens

    def authorize(
        self, app: Application, user: int, redirect_uri: str, scopes: Iterable[str], challenge: str | None
    ) -> str:
        """Create an authorization code.

        Raises OAuthError access_denied if the application has too many users.
        """
        with self.archive.transaction():
            self._check_user_limit(app.client_id, user)
            return self._codes.create(
                Code(
                    grant_id=secrets.token_hex(16),
                    client_id=app.client_id,
                    user=user,
                    redirect_uri=redirect_uri,
                    scope=scope_text(scopes),
                    challenge=challenge,
                )
            )

    def exchange(self, app: Application, code: str, redirect_uri: str, verifier: str | None) -> Issued:
        """Exchange a code for tokens (RFC 6749 section 4.1.3). Raises OAuthError invalid_grant."""
        with self.archive.transaction():
            found = self._codes.use(code)
            if found is None:
                replayed = self._codes.grant_id(code)
                if replayed is not None:
                    self._connections.end(replayed)
                refused = "The code is unknown, expired or already used"
            elif found.client_id != app.client_id:
                refused = "The code is unknown, expired or already used"
            elif redirect_uri != found.redirect_uri:
                refused = "Redirect URI does not match"
            elif not _is_verified(found.challenge, verifier):
                refused = "The code_verifier does not match the code_challenge"
            else:
                return self._begin(found.grant_id, app.client_id, found.user, found.scope, refreshable=True)
        # Raised after the transaction is committed, so that the code counts as used after a failed exchange.
        raise OAuthError("invalid_grant", refused)

    def issue(self, client_id: str, user: int, scopes: Iterable[str], *, refreshable: bool = True) -> Issued:
        """Issue tokens without a code, for the implicit grant and the control API.

        Raises OAuthError access_denied if the application has too many users.
        """
        with self.archive.transaction():
            self._check_user_limit(client_id, user)
            return self._begin(
                secrets.token_hex(16), client_id, user, scope_text(scopes), refreshable=refreshable
            )

    def refresh(self, app: Application, refresh_token: str, scope: str | None = None) -> Issued:
        """Spend a refresh token and issue new tokens for it (RFC 6749 section 6).

        Raises OAuthError invalid_grant if the token is not valid, invalid_scope if `scope` exceeds its scope.
        """
        with self.archive.transaction():
            used = self._tokens.use_refresh(refresh_token, app.client_id)
            if used is not None:
                grant_id, granted = used
                narrowed = scope_set(scope) if scope else scope_set(granted)
                if not narrowed <= scope_set(granted):
                    # Raised inside the transaction, which is rolled back: the refresh token stays unspent.
                    raise OAuthError("invalid_scope", "A refresh cannot widen the scope")
                issued = self._issue(
                    grant_id, scope_text(narrowed), granted if self._tokens.rotates else None
                )
                return msgspec.structs.replace(issued, refresh_token=issued.refresh_token or refresh_token)
            replayed = self._tokens.spent_grant_id(refresh_token)
            grant = self._connections.get(replayed) if replayed else None
            if grant is not None and grant.client_id == app.client_id:
                self._connections.end(grant.id)
        raise OAuthError("invalid_grant", "Token Already Used Or Revoked")

    def _begin(self, grant_id: str, client_id: str, user: int, scope: str, *, refreshable: bool) -> Issued:
        self._connections.begin(grant_id, client_id, user, scope)
        return self._issue(grant_id, scope, scope if refreshable else None)

    def _issue(self, grant_id: str, scope: str, refresh_scope: str | None) -> Issued:
        before = self.clock.ms() - KEEP_EXPIRED_FOR // MILLISECOND
        for table in (self._tokens, self._codes, self._connections):
            table.prune(before)
        issued, expires_at = self._tokens.issue(grant_id, scope, refresh_scope)
        self._connections.extend(grant_id, expires_at)
        return issued

    def _check_user_limit(self, client_id: str, user: int) -> None:
        # Without this lock, two concurrent requests could both add a user when only one more is allowed.
        self.archive.database.lock(Lock.APPLICATION_USERS, client_id)
        app = self.apps.get(client_id)
        if app and not app.approved and self.count_users(client_id, besides=user) >= USERS_ON_TRIAL:
            raise OAuthError(
                "access_denied",
                f"The application has {USERS_ON_TRIAL} users and is not approved for more",
                cure="disconnect a user, or have the application approved",
            )

    # Looking up tokens and connections

    def access(self, token: str) -> Access | None:
        """What an access token permits; None when it is unknown, expired or revoked."""
        user, scopes, expires = self.personal.user(token), frozenset(SCOPES), float("inf")
        if user is None:
            found = self.introspect(token)
            if found is None or found.use != "access":
                return None
            user, scopes, expires = found.user, scope_set(found.scope), found.expires / 1000
        return Access(user, scopes, expires, self.rate_limit.of(token), self.memberships.has_lapsed(user))

    def introspect(self, token: str, app: Application | None = None) -> Introspection | None:
        """Describe a valid token; None if it is unknown, expired, revoked or another application's.

        Token, grant and application are read one after the other, without a transaction. That is safe,
        because none of them becomes valid again once it has ended.
        """
        found = self._tokens.find(token)
        if found is None or found.expires_at <= self.clock.ms():
            return None
        grant = self._connections.get(found.grant_id)
        if grant is None or grant.ended or self.apps.get(grant.client_id) is None:
            return None
        if app is not None and app.client_id != grant.client_id:
            return None
        return Introspection(
            use=found.use, user=grant.user, scope=found.scope, since=grant.since, expires=found.expires_at
        )

    def connections(self, user: int) -> list[Connection]:
        """The applications that may read a user's data now, the oldest connection first."""
        found: dict[str, Connection] = {}
        for grant in self._connections.of(user):
            scopes = scope_set(grant.scope)
            if first := found.get(grant.client_id):
                found[grant.client_id] = replace(first, scopes=first.scopes | scopes)
            elif app := self.apps.get(grant.client_id):
                found[grant.client_id] = Connection(
                    client_id=grant.client_id, name=app.name, scopes=scopes, since=grant.since
                )
        return list(found.values())

    def count_users(self, client_id: str, besides: int | None = None) -> int:
        """Count the users who are connected with an application or have a code for it, except `besides`."""
        return len((self._connections.users(client_id) | self._codes.users(client_id)) - {besides})

    # Ending grants

    def revoke(self, token: str, app: Application | None = None) -> bool:
        """End the grant a token belongs to (RFC 7009); False when it is unknown or has ended.

        Raises OAuthError unauthorized_client if `app` is given and the token belongs to another application.
        """
        found = self._tokens.find(token)
        grant = self._connections.get(found.grant_id) if found else None
        if grant is None:
            return False
        if app is not None and app.client_id != grant.client_id:
            raise OAuthError("unauthorized_client", "The token was issued to another application")
        return self._connections.end(grant.id)

    def disconnect(self, user: int, client_id: str) -> bool:
        """End everything a user granted to an application; False when they are not connected."""
        with self.archive.transaction():
            # Codes are cancelled first. A concurrent exchange of a code has then either created its grant,
            # which is ended below, or it will fail.
            self._codes.cancel(user, client_id)
            return self._connections.disconnect(user, client_id)


def _is_verified(challenge: str | None, verifier: str | None) -> bool:
    """Check PKCE: RFC 7636 section 4.6.

    A verifier without a challenge is refused as well, because an attacker may have removed the challenge from
    the authorization request on its way (RFC 9700 section 4.8).
    """
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    fits = verifier.isascii() and 43 <= len(verifier) <= 128
    return fits and is_same_secret(s256(verifier), challenge)
