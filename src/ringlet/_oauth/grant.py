"""The values of an OAuth2 grant: application, hosts, tokens, PKCE, and the authorize URL. No I/O.

Names are those of RFC 6749 and RFC 7636. Oura has two identity systems side by side: the older host
(`api.ouraring.com/oauth/token`) and the one that serves applications registered at developer.ouraring.com
(`moi.ouraring.com/oauth/v2/ext/oauth-token`). Each refuses the applications of the other. So `Hosts.token` is
a list, and an application or a grant remembers which host serves it (`App.token_url`, `Tokens.token_url`).
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec

from .scopes import SCOPES, scope_set, scope_text


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Where one deployment of Oura answers."""

    authorize: str
    token: tuple[str, ...]
    revoke: str


OURA_HOSTS = Hosts(
    authorize="https://cloud.ouraring.com/oauth/authorize",
    token=(
        "https://api.ouraring.com/oauth/token",
        "https://moi.ouraring.com/oauth/v2/ext/oauth-token",
    ),
    revoke="https://api.ouraring.com/oauth/revoke",
)


def hosts_at(base_url: str) -> Hosts:
    """The OAuth endpoints that go with an API base URL: Oura's own, or those of a cloud on one port.

    A cloud on one port answers under the paths of both of Oura's hosts.
    """
    if base_url.rstrip("/") == "https://api.ouraring.com":
        return OURA_HOSTS
    root = base_url.rstrip("/")
    return Hosts(
        authorize=f"{root}/oauth/authorize",
        token=(f"{root}/oauth/token", f"{root}/oauth/v2/ext/oauth-token"),
        revoke=f"{root}/oauth/revoke",
    )


@dataclass(frozen=True, kw_only=True)
class App:
    """An application registered with Oura (the OAuth2 client)."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    redirect_uri: str = ""
    token_url: str = ""
    """The token host that is known to serve it. Asked first: a refused attempt may use up the code."""


LOCAL_REDIRECT_URIS = ("http://localhost:8766/callback", "http://localhost:8080/callback")
"""Where the browser comes back to on this machine (RFC 8252 section 7.3): the first unless another is named,
the second where that port is taken. The application of a demo cloud has both."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A grant as it is stored: RFC 6749 section 5.1, and which token host gave it."""

    access_token: str
    refresh_token: str | None = None
    token_type: str = "bearer"  # noqa: S105  # RFC 6749's word, not a secret
    expires_in: int | None = None
    """Lifetime in seconds at issue; Oura documents 24 hours and issues 30 days."""
    scope: str = ""
    token_url: str = ""
    client_id: str = ""
    """The application that got it, where that is known."""
    obtained_at: float | None = None
    """When it was asked for, in seconds since 1970."""
    tried_at: float | None = None
    """When a renewal was last asked for without success."""
    unanswered: int = 0
    """How often the refresh token was sent without an answer; see the top of `renewal`."""

    def __repr__(self) -> str:
        return f"Tokens(scope={self.scope!r}, refreshable={self.refresh_token is not None})"

    @property
    def scopes(self) -> frozenset[str]:
        """What was granted, in portal names; empty when the server did not say."""
        return scope_set(self.scope)

    @property
    def expires_at(self) -> float | None:
        """When the access token expires, in seconds since 1970; None where the server did not say."""
        if self.obtained_at is None or self.expires_in is None:
            return None
        return self.obtained_at + self.expires_in


@dataclass(frozen=True, slots=True)
class Pkce:
    """A verifier and its S256 challenge (RFC 7636)."""

    verifier: str = field(repr=False)
    challenge: str

    @classmethod
    def new(cls) -> Pkce:
        """A fresh pair; the verifier holds 256 random bits."""
        verifier = secrets.token_urlsafe(32)
        return cls(verifier, s256(verifier))


def s256(verifier: str) -> str:
    """BASE64URL(SHA256(verifier)) without padding: RFC 7636 section 4.2."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_url(
    app: App,
    hosts: Hosts,
    *,
    state: str,
    scopes: Iterable[str] = SCOPES,
    pkce: Pkce | None = None,
    response_type: str = "code",
) -> str:
    """Where to send the user's browser (RFC 6749 section 4.1.1); `scopes` are portal names."""
    query = {
        "response_type": response_type,
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "scope": scope_text(scopes),
        "state": state,
    }
    if pkce:
        query |= {"code_challenge": pkce.challenge, "code_challenge_method": "S256"}
    return f"{hosts.authorize}?{urlencode({k: v for k, v in query.items() if v})}"
