"""The authorization endpoint and its consent page: RFC 6749 section 3.1.

Both of Oura's path families lead here: `/oauth/authorize` and `/oauth/v2/ext/oauth-authorize`.

Rules of this file:
* Until client_id and redirect_uri are known to belong together nothing redirects: an error is a page
  (RFC 6749 section 4.1.2.1). The redirect URI must equal a registered one, character by character.
* Consent is a POST that proves it came from our page: a token bound to a cookie and to the very request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..archive import Archive
from ..oauth import SCOPES, scope_set, scope_text
from .grants import Grants, Issued, Registered
from .pages import Refused, form_of, is_foreign, once, page_headers, pages, refusal_page

COOKIE = "ringlet_consent"
PATHS = ("/oauth/authorize", "/oauth/v2/ext/oauth-authorize")


class Authorization:
    """Ask the wearer, and send the browser back with what was decided."""

    def __init__(self, archive: Archive, grants: Grants) -> None:
        self.archive = archive
        self.grants = grants
        self._key = secrets.token_bytes(32)

    def routes(self) -> list[BaseRoute]:
        """The same page under both families of paths."""
        return [
            Route(path, handler, methods=[method])
            for path in PATHS
            for handler, method in ((self.ask, "GET"), (self.consent, "POST"))
        ]

    async def ask(self, request: Request) -> Response:
        """Show the consent page."""
        try:
            params = once(request.scope["query_string"])
            app, redirect_uri = self._who(params)
        except Refused as refused:
            return refusal_page(refused)
        problem = _flaw(params, app)
        if problem:
            return _send_back(params, redirect_uri, {"error": problem[0], "error_description": problem[1]})
        cookie = request.cookies.get(COOKIE) or secrets.token_urlsafe(16)
        wanted = _wanted(params)
        page = pages.get_template("consent.html").render(
            app=app,
            users=[name for _, name in self.archive.users()],
            scopes=[(name, SCOPES[name]) for name in SCOPES if name in wanted],
            hidden=[("csrf", self._csrf(cookie, request.scope["query_string"]))],
        )
        response = HTMLResponse(page, headers=page_headers(redirect_uri))
        response.set_cookie(COOKIE, cookie, max_age=3600, httponly=True, samesite="lax", path="/oauth")
        return response

    async def consent(self, request: Request) -> Response:
        """Take the wearer's decision and send the browser back to the application."""
        try:
            params = once(request.scope["query_string"])
            app, redirect_uri = self._who(params)
            form = await form_of(request)
            if is_foreign(request):
                raise Refused("Not from here", "The decision must be taken on this cloud's own page.")
            cookie = request.cookies.get(COOKIE, "")
            expected = self._csrf(cookie, request.scope["query_string"])
            if not cookie or not hmac.compare_digest(expected.encode(), form.get("csrf", [""])[0].encode()):
                raise Refused("This page has expired", "Go back to the application and start again.")
            user = self._user(form)
        except Refused as refused:
            return refusal_page(refused)
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
            raise Refused("Invalid Client ID", "No application with this client_id is registered here.")
        uri = params.get("redirect_uri") or (app.redirect_uris[0] if len(app.redirect_uris) == 1 else "")
        if not uri:
            raise Refused("Missing Redirect URI Parameter", "The application has several; it must name one.")
        if uri not in app.redirect_uris:
            raise Refused(
                "Redirect URI Not Found",
                f"{uri} is not registered for this application; a redirect URI must match to the character.",
            )
        return app, uri

    def _user(self, form: Mapping[str, list[str]]) -> int:
        users = {name: id for id, name in self.archive.users()}
        name = form.get("user", [""])[0]
        if name not in users:
            raise Refused("Nobody to sign in", "This cloud holds no such wearer.")
        return users[name]

    def _csrf(self, cookie: str, query: bytes) -> str:
        return hmac.new(self._key, cookie.encode() + b"\0" + query, hashlib.sha256).hexdigest()


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
