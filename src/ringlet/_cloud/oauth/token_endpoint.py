"""The token, revocation and introspection endpoints: RFC 6749 section 3.2, RFC 7009, RFC 7662.

Each is served at both of Oura's paths, such as the older `/oauth/token` and the newer
`/oauth/v2/ext/oauth-token`.

Rules of this file:
* The body of an error has the members of RFC 6749 section 5.2 and of RFC 7807, as in Oura's guide.
* No cache stores an answer (RFC 6749 section 5.1).
* An application authenticates in the Authorization header or in the body, never in both and never in the
  query (RFC 6749 section 2.3.1). Failures are throttled.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..._oauth.scopes import scope_set, scope_text
from ...errors import ArchiveError, OAuthError
from ..core.answers import Refused
from ..core.forms import is_cross_site, read_form, single_values
from ..core.throttle import Throttle, throttle_key
from .applications import Application
from .grants import Grants

TOKEN = ("/oauth/token", "/oauth/v2/ext/oauth-token")
REVOKE = ("/oauth/revoke", "/oauth/v2/ext/oauth-revoke")
INTROSPECT = ("/oauth/introspect", "/oauth/v2/ext/oauth-introspect")

THROTTLED_ERRORS = {"invalid_client", "invalid_grant"}
"""The errors that wrong secrets, codes and tokens cause. They are counted as attempts to guess."""

Handler = Callable[[Request, Mapping[str, str]], Awaitable[Response]]


log = logging.getLogger("ringlet")


@dataclass(frozen=True)
class TokenEndpoint:
    """Issues, refreshes, revokes and introspects tokens."""

    grants: Grants
    throttle: Throttle

    def routes(self) -> list[BaseRoute]:
        """The routes of the three endpoints, each under both of Oura's paths."""
        return [
            Route(path, self._answering(handler), methods=methods)
            for handler, methods, paths in (
                (self.token, ["POST"], TOKEN),
                (self.revoke, ["GET", "POST"], REVOKE),
                (self.introspect, ["POST"], INTROSPECT),
            )
            for path in paths
        ]

    def _answering(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            try:
                return await handler(request, single_values(await read_form(request)))
            except OAuthError as refused:
                return _grant_error(refused, request)
            except Refused as refused:
                wrong = OAuthError("invalid_request", refused.detail, status=refused.status)
                return _grant_error(wrong, request)
            except ArchiveError as busy:
                log.error("%s", busy)
                return _grant_error(
                    _RetryLater("The archive cannot be used right now", 1, status=503), request
                )

        return answered

    async def token(self, request: Request, form: Mapping[str, str]) -> Response:
        """Issue tokens for a code or a refresh token: RFC 6749 sections 4.1.3 and 6."""
        with self._throttled(request, form):
            app = self.grants.apps.authenticate(*_credentials(request, form))
            return _json(self._grant(app, form, prefix=_is_newer(request)))

    def _grant(self, app: Application, form: Mapping[str, str], *, prefix: bool) -> dict[str, object]:
        grant_type = form.get("grant_type")
        if grant_type == "authorization_code":
            if not app.redirect_uris:
                raise OAuthError("unauthorized_client", "No redirect URI is registered for the application")
            if not form.get("code"):
                raise OAuthError("invalid_request", "code is missing")
            uri = form.get("redirect_uri") or (app.redirect_uris[0] if len(app.redirect_uris) == 1 else "")
            issued = self.grants.exchange(app, form["code"], uri, form.get("code_verifier"))
        elif grant_type == "refresh_token":
            if not form.get("refresh_token"):
                raise OAuthError("invalid_request", "refresh_token is missing")
            issued = self.grants.refresh(app, form["refresh_token"], form.get("scope"))
        else:
            raise OAuthError(
                "unsupported_grant_type" if grant_type else "invalid_request",
                "grant_type must be either authorization_code or refresh_token",
            )
        answer: dict[str, object] = msgspec.to_builtins(issued)
        # Oura's newer identity system puts a prefix before every scope, and also sends `"id_token": null`.
        return answer | {"scope": _scope(issued.scope), "id_token": None} if prefix else answer

    async def revoke(self, request: Request, form: Mapping[str, str]) -> Response:
        """Revoke a token: as RFC 7009 says if the application authenticates, otherwise as Oura's service.

        Existing clients of Oura do not authenticate, and send the token in the query, the body or the header.
        """
        if _is_basic(request) or "client_id" in form or "client_secret" in form:
            app = self._authenticated(request, form)
            self.grants.revoke(_named(form), app)
            return Response(status_code=200)  # also if the token is unknown (RFC 7009 section 2.2)
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1")))
        header = request.headers.get("authorization", "").rpartition(" ")[2]
        named = form.get("token") or form.get("access_token") or query.get("access_token") or header
        revoked = self.grants.revoke(named)
        # The real service answers 401 if the token was revoked before, and clients treat 401 as success.
        return Response(status_code=200 if revoked else 401)

    async def introspect(self, request: Request, form: Mapping[str, str]) -> Response:
        """Describe a token to the application it was issued to: RFC 7662."""
        app = self._authenticated(request, form)
        if not app.confidential:
            raise OAuthError(
                "invalid_client", "Only an application with a secret may introspect tokens", status=401
            )
        found = self.grants.introspect(_named(form), app)
        if found is None:
            return _json({"active": False})
        name = dict(self.grants.archive.users()).get(found.user)
        return _json(
            {
                "active": True,
                "client_id": app.client_id,
                "scope": _scope(found.scope) if _is_newer(request) else found.scope,
                "username": name,
                "sub": name,
                "exp": found.expires // 1000,
            }
            | ({"token_type": "bearer"} if found.use == "access" else {})
        )

    def _authenticated(self, request: Request, form: Mapping[str, str]) -> Application:
        """Authenticate the application of a request. Raises OAuthError."""
        with self._throttled(request, form):
            return self.grants.apps.authenticate(*_credentials(request, form))

    @contextmanager
    def _throttled(self, request: Request, form: Mapping[str, str]) -> Generator[None]:
        """Count wrong credentials in a `with` block as guesses.

        Raises OAuthError 429 while the client must wait because of earlier guesses.
        """
        key = throttle_key(request, _credentials(request, form)[0])
        if seconds := self.throttle.check(key):
            raise _RetryLater("Too many attempts failed; wait a little", seconds, status=429)
        try:
            yield
        except OAuthError as refused:
            # A page of another site cannot read the answer, so it gains nothing by guessing. If its failures
            # were counted, it could lock out the user's own programs, which have the same address.
            if refused.error in THROTTLED_ERRORS and not is_cross_site(request):
                self.throttle.failed(key)
            raise
        self.throttle.passed(key)


class _RetryLater(OAuthError):
    """Raised to refuse a request that may succeed after `seconds`; sets `Retry-After`."""

    def __init__(self, description: str, seconds: int, *, status: int) -> None:
        super().__init__("temporarily_unavailable", description, status=status)
        self.seconds = seconds


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """The client_id and secret of a request: RFC 6749 section 2.3.1. Raises OAuthError."""
    if not _is_basic(request):
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        text = b64decode(request.headers["authorization"][6:], validate=True).decode()
    except ValueError:
        raise OAuthError("invalid_client", "The Basic header cannot be read", status=401) from None
    client_id, _, secret = (unquote_plus(part) for part in text.partition(":"))
    if "client_secret" in form or form.get("client_id", client_id) != client_id:
        raise OAuthError(
            "invalid_request", "Client authentication belongs in the header or the body, not both"
        )
    return client_id, secret


def _is_basic(request: Request) -> bool:
    scheme, _, _ = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "basic"


def _is_newer(request: Request) -> bool:
    """Whether a request was sent to a path of the newer family (`/oauth/v2/ext/...`)."""
    return "/ext/" in request.url.path


def _scope(scope: str) -> str:
    """Add to each scope the prefix that Oura's newer identity system gives it."""
    return scope_text(scope_set(scope), prefix=True)


def _named(form: Mapping[str, str]) -> str:
    """The `token` parameter of a form. Raises OAuthError invalid_request if it is missing."""
    if not form.get("token"):
        raise OAuthError("invalid_request", "token is missing")
    return form["token"]


def _json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    fixed = {"cache-control": "no-store", "pragma": "no-cache", **(headers or {})}
    return Response(
        msgspec.json.encode(value), status_code=status, media_type="application/json", headers=fixed
    )


def _grant_error(refused: OAuthError, request: Request) -> Response:
    """Return an error whose body has the members of RFC 6749 section 5.2 and RFC 7807, as in Oura's guide."""
    body = {
        "error": refused.error,
        "error_description": refused.description,
        "status": refused.status,
        "title": HTTPStatus(refused.status).phrase,
        "detail": refused.description,
    }
    headers: dict[str, str] = {}
    if refused.status == 401 and "authorization" in request.headers:
        headers["www-authenticate"] = "Basic realm=oauth"
    if isinstance(refused, _RetryLater):
        headers["retry-after"] = str(refused.seconds)
    return _json(body, refused.status, headers)
