"""The token and revocation endpoints: RFC 6749 section 3.2, RFC 7009.

Both of Oura's path families lead here: `/oauth/token|revoke` and `/oauth/v2/ext/oauth-token|revoke`.

Rules of this file:
* A refusal is RFC 6749 section 5.2 and RFC 7807 in one body, as Oura's guide shows them.
* Token answers are never stored by anything on the way.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..errors import GrantError
from ..oauth import scope_set, scope_text
from .grants import Grants, Issued, Registered
from .pages import Refused, form_of, single_values
from .usercollection import Usercollection


class Tokens:
    """Give, renew and end tokens."""

    def __init__(self, grants: Grants, data: Usercollection) -> None:
        self.grants = grants
        self.data = data

    def routes(self) -> list[BaseRoute]:
        """The same handlers under both families of paths."""
        return [
            Route(path, handler, methods=methods)
            for handler, methods, paths in (
                (self.token, ["POST"], ("/oauth/token", "/oauth/v2/ext/oauth-token")),
                (self.revoke, ["GET", "POST"], ("/oauth/revoke", "/oauth/v2/ext/oauth-revoke")),
            )
            for path in paths
        ]

    async def token(self, request: Request) -> Response:
        """Exchange a code or a refresh token: RFC 6749 sections 4.1.3 and 6."""
        basic = "authorization" in request.headers
        try:
            form = single_values(await form_of(request))
            app = self._client(request, form)
            issued = self._grant(app, form)
        except GrantError as refused:
            # What came twice has revoked its whole family: the data routes must notice at once.
            self.data.forget()
            return _grant_error(refused, basic)
        except Refused as refused:
            return _grant_error(GrantError("invalid_request", refused.detail), basic)
        if "/ext/" in request.url.path:
            # The newer identity system prefixes every scope and carries an empty id_token.
            scope = scope_text(scope_set(issued.scope), prefix=True)
            body = msgspec.to_builtins(msgspec.structs.replace(issued, scope=scope)) | {"id_token": None}
            return _json(body)
        return _json(issued)

    def _grant(self, app: Registered, form: Mapping[str, str]) -> Issued:
        grant_type = form.get("grant_type")
        if grant_type == "authorization_code":
            if not form.get("code"):
                raise GrantError("invalid_request", "code is missing")
            uri = form.get("redirect_uri") or (app.redirect_uris[0] if len(app.redirect_uris) == 1 else "")
            return self.grants.exchange(app, form["code"], uri, form.get("code_verifier"))
        if grant_type == "refresh_token":
            if not form.get("refresh_token"):
                raise GrantError("invalid_request", "refresh_token is missing")
            return self.grants.refresh(app, form["refresh_token"], form.get("scope"))
        raise GrantError(
            "unsupported_grant_type" if grant_type else "invalid_request",
            "grant_type must be either authorization_code or refresh_token",
        )

    def _client(self, request: Request, form: Mapping[str, str]) -> Registered:
        """Client authentication by HTTP Basic or in the body: RFC 6749 section 2.3.1."""
        header = request.headers.get("authorization", "")
        if header.lower().startswith("basic "):
            try:
                id, _, secret = b64decode(header[6:], validate=True).decode().partition(":")
            except ValueError:
                raise GrantError("invalid_client", "The Basic header cannot be read", status=401) from None
            return self.grants.authenticate(unquote_plus(id), unquote_plus(secret))
        return self.grants.authenticate(form.get("client_id", ""), form.get("client_secret", ""))

    # Revoke

    async def revoke(self, request: Request) -> Response:
        """End a grant. Callers in the wild name the token in the query, in the body, or as Authorization."""
        try:
            form = await form_of(request)
        except Refused as refused:
            return _grant_error(GrantError("invalid_request", refused.detail), basic=False)
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1")))
        header = request.headers.get("authorization", "").rpartition(" ")[2]
        named = form.get("token") or form.get("access_token") or [query.get("access_token", "") or header]
        revoked = self.grants.revoke(named[0])
        if revoked:
            self.data.forget()
        # The real service answers 401 for a token that is already revoked, and clients take it as success.
        return Response(status_code=200 if revoked else 401)


def _json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    fixed = {"cache-control": "no-store", "pragma": "no-cache", **(headers or {})}
    return Response(
        msgspec.json.encode(value), status_code=status, media_type="application/json", headers=fixed
    )


def _grant_error(refused: GrantError, basic: bool) -> Response:
    """RFC 6749 section 5.2 and RFC 7807 in one body, as Oura's guide shows them."""
    body = {
        "error": refused.error,
        "error_description": refused.description,
        "status": refused.status,
        "title": HTTPStatus(refused.status).phrase,
        "detail": refused.description,
    }
    challenge = {"www-authenticate": "Basic realm=oauth"} if refused.status == 401 and basic else {}
    return _json(body, refused.status, challenge)
