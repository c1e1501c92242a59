"""The OAuth2 server's HTTP face: authorize (with its consent page), token, revoke.

Both of Oura's path families lead here: `/oauth/authorize|token|revoke` and `/oauth/v2/ext/oauth-...`.

Rules of this file:
* Until client_id and redirect_uri are known to belong together nothing redirects: an error is a page
  (RFC 6749 section 4.1.2.1). The redirect URI must equal a registered one, character by character.
* Consent is a POST that proves it came from our page: a token bound to a cookie and to the very request.
* Token answers are never stored by anything on the way.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import jinja2
import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..archive import Archive
from ..errors import GrantError
from ..oauth import SCOPES, scope_set, scope_text
from .grants import Grants, Issued, Registered
from .usercollection import Usercollection

COOKIE = "ringlet_consent"
MAX_BODY = 64 * 1024

_pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True
)


class _Refused(Exception):
    """An authorization request that must not redirect."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail


class Endpoints:
    """Authorize, token, revoke."""

    def __init__(self, archive: Archive, grants: Grants, data: Usercollection) -> None:
        self.archive = archive
        self.grants = grants
        self.data = data
        self._key = secrets.token_bytes(32)

    def routes(self) -> list[BaseRoute]:
        """The same handlers under both families of paths."""
        return [
            Route(path, handler, methods=methods)
            for handler, methods, paths in (
                (self.ask, ["GET"], ("/oauth/authorize", "/oauth/v2/ext/oauth-authorize")),
                (self.consent, ["POST"], ("/oauth/authorize", "/oauth/v2/ext/oauth-authorize")),
                (self.token, ["POST"], ("/oauth/token", "/oauth/v2/ext/oauth-token")),
                (self.revoke, ["GET", "POST"], ("/oauth/revoke", "/oauth/v2/ext/oauth-revoke")),
            )
            for path in paths
        ]

    # Authorize

    async def ask(self, request: Request) -> Response:
        """Show the consent page."""
        try:
            params = _once(request.scope["query_string"])
            app, redirect_uri = self._who(params)
        except _Refused as refused:
            return _refusal_page(refused)
        problem = _flaw(params, app)
        if problem:
            return _send_back(params, redirect_uri, {"error": problem[0], "error_description": problem[1]})
        cookie = request.cookies.get(COOKIE) or secrets.token_urlsafe(16)
        wanted = _wanted(params)
        page = _pages.get_template("consent.html").render(
            app=app,
            users=[name for _, name in self.archive.users()],
            scopes=[(name, SCOPES[name]) for name in SCOPES if name in wanted],
            hidden=[("csrf", self._csrf(cookie, request.scope["query_string"]))],
        )
        response = HTMLResponse(page, headers=_page_headers(redirect_uri))
        response.set_cookie(COOKIE, cookie, max_age=3600, httponly=True, samesite="lax", path="/oauth")
        return response

    async def consent(self, request: Request) -> Response:
        """Take the wearer's decision and send the browser back to the application."""
        try:
            params = _once(request.scope["query_string"])
            app, redirect_uri = self._who(params)
            form = await _form(request)
            if _is_foreign(request):
                raise _Refused("Not from here", "The decision must be taken on this cloud's own page.")
            cookie = request.cookies.get(COOKIE, "")
            expected = self._csrf(cookie, request.scope["query_string"])
            if not cookie or not hmac.compare_digest(expected.encode(), form.get("csrf", [""])[0].encode()):
                raise _Refused("This page has expired", "Go back to the application and start again.")
            user = self._user(form)
        except _Refused as refused:
            return _refusal_page(refused)
        problem = _flaw(params, app)
        if problem:
            return _send_back(params, redirect_uri, {"error": problem[0], "error_description": problem[1]})
        if form.get("decision") != ["allow"]:
            denied = {"error": "access_denied", "error_description": "The user denied the request."}
            return _send_back(params, redirect_uri, denied)
        granted = _wanted(params) & set(form.get("granted", []))
        if params.get("response_type") == "token":
            issued = self.grants.issue(app.client_id, user, granted, refreshable=False)
            return _send_back(params, redirect_uri, _fragment(issued))
        code = self.grants.authorize(app, user, redirect_uri, granted, params.get("code_challenge"))
        return _send_back(params, redirect_uri, {"code": code, "scope": scope_text(granted)})

    def _who(self, params: Mapping[str, str]) -> tuple[Registered, str]:
        app = self.grants.app(params.get("client_id", ""))
        if app is None:
            raise _Refused("Invalid Client ID", "No application with this client_id is registered here.")
        uri = params.get("redirect_uri") or (app.redirect_uris[0] if len(app.redirect_uris) == 1 else "")
        if not uri:
            raise _Refused("Missing Redirect URI Parameter", "The application has several; it must name one.")
        if uri not in app.redirect_uris:
            raise _Refused(
                "Redirect URI Not Found",
                f"{uri} is not registered for this application; a redirect URI must match to the character.",
            )
        return app, uri

    def _user(self, form: Mapping[str, list[str]]) -> int:
        users = {name: id for id, name in self.archive.users()}
        name = form.get("user", [""])[0]
        if name not in users:
            raise _Refused("Nobody to sign in", "This cloud holds no such wearer.")
        return users[name]

    def _csrf(self, cookie: str, query: bytes) -> str:
        return hmac.new(self._key, cookie.encode() + b"\0" + query, hashlib.sha256).hexdigest()

    # Token

    async def token(self, request: Request) -> Response:
        """Exchange a code or a refresh token: RFC 6749 sections 4.1.3 and 6."""
        basic = "authorization" in request.headers
        try:
            form = _single_values(await _form(request))
            app = self._client(request, form)
            issued = self._grant(app, form)
        except GrantError as refused:
            # What came twice has revoked its whole family: the data routes must notice at once.
            self.data.forget()
            return _grant_error(refused, basic)
        except _Refused as refused:
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
            form = await _form(request)
        except _Refused as refused:
            return _grant_error(GrantError("invalid_request", refused.detail), basic=False)
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1")))
        header = request.headers.get("authorization", "").rpartition(" ")[2]
        named = form.get("token") or form.get("access_token") or [query.get("access_token", "") or header]
        revoked = self.grants.revoke(named[0])
        if revoked:
            self.data.forget()
        # The real service answers 401 for a token that is already revoked, and clients take it as success.
        return Response(status_code=200 if revoked else 401)


def _once(query: bytes) -> dict[str, str]:
    """Query parameters, none given twice (RFC 6749 section 3.1)."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    params = dict(pairs)
    if len(params) != len(pairs):
        raise _Refused("Repeated parameter", "Each parameter may be given once.")
    return params


async def _form(request: Request) -> dict[str, list[str]]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise _Refused("Too large", "The request body is too large.")
    form: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        form.setdefault(name, []).append(value)
    return form


def _single_values(form: Mapping[str, list[str]]) -> dict[str, str]:
    twice = [name for name, values in form.items() if len(values) > 1]
    if twice:
        raise GrantError("invalid_request", f"{twice[0]} is given twice")
    return {name: values[0] for name, values in form.items()}


def _is_foreign(request: Request) -> bool:
    """Whether a browser says that another site sent this form.

    `Origin: null` is what our own page sends, because it asks for no referrer.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin", "null")
    return origin != "null" and urlsplit(origin).netloc != request.headers.get("host", "")


def _flaw(params: Mapping[str, str], app: Registered) -> tuple[str, str] | None:
    if params.get("response_type") not in ("code", "token"):
        return "unsupported_response_type", "response_type must be code or token"
    if params.get("code_challenge") and params.get("code_challenge_method") != "S256":
        return "invalid_request", "code_challenge_method must be S256"
    if not app.confidential and params.get("response_type") == "code" and not params.get("code_challenge"):
        return "invalid_request", "An application without a secret needs PKCE: code_challenge is missing"
    return None


def _wanted(params: Mapping[str, str]) -> set[str]:
    """The scopes asked for, unknown ones dropped as Oura does; none named means all."""
    asked = scope_set(params.get("scope", ""))
    return set(SCOPES) & asked if asked else set(SCOPES)


def _fragment(issued: Issued) -> dict[str, str]:
    return {
        "access_token": issued.access_token,
        "token_type": issued.token_type,
        "expires_in": str(issued.expires_in),
        "scope": issued.scope,
    }


def _send_back(params: Mapping[str, str], uri: str, result: dict[str, str]) -> Response:
    if "state" in params:
        result["state"] = params["state"]
    if params.get("response_type") == "token":
        target = f"{uri}#{urlencode(result)}"
    else:
        target = f"{uri}{'&' if '?' in uri else '?'}{urlencode(result)}"
    return RedirectResponse(target, status_code=302, headers={"cache-control": "no-store"})


def _page_headers(redirect_uri: str = "") -> dict[str, str]:
    # Browsers apply form-action to the redirect that follows a form, so the application's origin is named.
    parts = urlsplit(redirect_uri)
    origin = (
        f" {parts.scheme}://{parts.netloc}" if parts.netloc else f" {parts.scheme}:" if parts.scheme else ""
    )
    return {
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline';"
        f" form-action 'self'{origin}; frame-ancestors 'none'; base-uri 'none'",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }


def _refusal_page(refused: _Refused) -> Response:
    page = _pages.get_template("refusal.html").render(title=refused.title, detail=refused.detail)
    return HTMLResponse(page, status_code=400, headers=_page_headers())


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
