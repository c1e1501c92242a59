"""The values of an OAuth2 grant: application, hosts, tokens, PKCE, and the authorize URL. No I/O.

The names are those of RFC 6749 and RFC 7636. Oura has two token hosts, an older one
(`api.ouraring.com/oauth/token`) and one for applications registered at developer.ouraring.com
(`moi.ouraring.com/oauth/v2/ext/oauth-token`). Each refuses the applications of the other. So `Hosts.token`
has both, and `App.token_url` and `Tokens.token_url` store which of them serves an application.
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
    """The OAuth2 URLs of one cloud: authorization, tokens (one URL for each token host), revocation."""

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
    """The OAuth2 URLs that belong to an API base URL: Oura's own, or those of an emulated cloud.

    An emulated cloud serves the paths of both of Oura's token hosts at its one base URL.
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
    """The token host that is known to serve the application. It is tried first, because a refusal by another
    host may use up the authorization code."""


LOCAL_REDIRECT_URIS = ("http://localhost:8766/callback", "http://localhost:8080/callback")
"""The redirect URIs on this machine (RFC 8252 section 7.3). `ringlet login` uses the first by default, and
recommends the second if that port is in use. The application of a demo cloud has both."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The tokens of a grant as they are stored: the token response (RFC 6749 section 5.1), and its origin."""

    access_token: str
    refresh_token: str | None = None
    token_type: str = "bearer"  # noqa: S105  # RFC 6749's word, not a secret
    expires_in: int | None = None
    """Lifetime of the access token in seconds; Oura documents 24 hours and issues 30 days."""
    scope: str = ""
    token_url: str = ""
    """The token host that issued the tokens; "" if unknown."""
    client_id: str = ""
    """The application that the tokens were issued to; "" if unknown."""
    obtained_at: float | None = None
    """When the tokens were requested, in seconds since 1970."""
    tried_at: float | None = None
    """When a renewal was last requested without success, in seconds since 1970."""
    unanswered: int = 0
    """How often the refresh token was sent without an answer; see the docstring of `renewal`."""

    def __repr__(self) -> str:
        return f"Tokens(scope={self.scope!r}, refreshable={self.refresh_token is not None})"

    @property
    def scopes(self) -> frozenset[str]:
        """The granted scopes in the developer portal's spelling; empty if the server did not tell them."""
        return scope_set(self.scope)

    @property
    def expires_at(self) -> float | None:
        """When the access token expires, in seconds since 1970; None if the server did not tell."""
        if self.obtained_at is None or self.expires_in is None:
            return None
        return self.obtained_at + self.expires_in


@dataclass(frozen=True, slots=True)
class Pkce:
    """A PKCE code verifier and its S256 challenge (RFC 7636)."""

    verifier: str = field(repr=False)
    challenge: str

    @classmethod
    def new(cls) -> Pkce:
        """Make a pair from a verifier of 256 random bits."""
        verifier = secrets.token_urlsafe(32)
        return cls(verifier, s256(verifier))


def s256(verifier: str) -> str:
    """The S256 challenge of a verifier: BASE64URL(SHA256(verifier)), unpadded (RFC 7636 section 4.2)."""
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
    """The URL that the user opens in a browser to grant `scopes` (RFC 6749 section 4.1.1).

    The scopes are in the developer portal's spelling. `response_type` is `code`, or `token` for the implicit
    flow.
    """
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
