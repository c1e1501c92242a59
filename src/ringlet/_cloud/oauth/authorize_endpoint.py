"""The authorization endpoint and its consent page: RFC 6749 section 3.1.

It is served at both of Oura's paths: the older `/oauth/authorize` and the newer
`/oauth/v2/ext/oauth-authorize`.

Rules of this file:
* The browser is redirected to an application only after the redirect_uri was found among those registered for
  the client_id. Until then an error is shown as a page (RFC 6749 section 4.1.2.1).
* The consent form is sent by POST with a ticket, which is valid once, for one browser and for exactly this
  authorization request. The user is asked at every request, whatever was granted before.
* Unknown parameters (`prompt`, `nonce`, ...) are ignored (RFC 6749 section 3.1).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..._archive.archive import Archive
from ..._oauth.scopes import SCOPES, scope_set, scope_text
from ...errors import ArchiveError, OAuthError
from ..browser.sessions import Sessions
from ..browser.visitor import (
    SIGN_IN,
    Visitor,
    Visitors,
    check_same_site,
    check_throttle,
    page_expired,
    path_and_query,
    redirect_to_sign_in,
)
from ..core.answers import Refused
from ..core.forms import read_form, single_query
from ..core.throttle import Throttle, throttle_key
from .applications import Application
from .grants import Grants
from .tokens import Issued

log = logging.getLogger("ringlet")

PATHS = ("/oauth/authorize", "/oauth/v2/ext/oauth-authorize")


@dataclass(frozen=True)
class AuthorizeEndpoint:
    """Asks the user for consent and redirects to the application with the decision."""

    archive: Archive
    grants: Grants
    sessions: Sessions
    visitors: Visitors
    throttle: Throttle

    def routes(self) -> list[BaseRoute]:
        """The routes of the consent page, under both of Oura's paths."""
        return [
            Route(path, self.visitors.page(handler), methods=[method])
            for path in PATHS
            for handler, method in ((self.ask, "GET"), (self.consent, "POST"))
        ]

    async def ask(self, request: Request, visitor: Visitor) -> Response:
        """Show the consent page."""
        params = single_query(request.scope["query_string"])
        app, redirect_uri = self._application_and_uri(params)
        # Checked before sign-in: browsers apply the form-action policy of the sign-in page to redirects after
        # its form, and that page does not allow any application's origin.
        if flaw := self._request_error(params, app):
            return _send_back(request, params, redirect_uri, flaw)
        if self.visitors.needs_passphrase and visitor.user is None:
            return redirect_to_sign_in(request)
        wanted = _requested_scopes(params)
        return visitor.page(
            request,
            "consent.html",
            leads_to=redirect_uri,
            app=app,
            redirect_uri=redirect_uri,
            users=[] if self.visitors.needs_passphrase else [name for _, name in self.archive.users()],
            scopes=[(name, SCOPES[name]) for name in SCOPES if name in wanted],
            ticket=self.sessions.ticket(visitor.cookie, path_and_query(request)),
            switch=f"{SIGN_IN}?{urlencode({'next': path_and_query(request)})}",
        )

    async def consent(self, request: Request, visitor: Visitor) -> Response:
        """Receive the form of the consent page, and redirect to the application with the user's decision."""
        params = single_query(request.scope["query_string"])
        app, redirect_uri = self._application_and_uri(params)
        check_same_site(request)
        form = await read_form(request)
        if flaw := self._request_error(params, app):
            return _send_back(request, params, redirect_uri, flaw)
        try:
            decided = self._decided(request, visitor, params, app, redirect_uri, form)
            return _send_back(request, params, redirect_uri, decided)
        except OAuthError as refused:
            return _send_back(request, params, redirect_uri, _error(refused.error, refused.description))
        except ArchiveError as busy:
            log.error("%s", busy)
            later = _error("temporarily_unavailable", "The archive cannot be used right now.")
            return _send_back(request, params, redirect_uri, later)

    def _decided(
        self,
        request: Request,
        visitor: Visitor,
        params: Mapping[str, str],
        app: Application,
        redirect_uri: str,
        form: Mapping[str, list[str]],
    ) -> dict[str, str]:
        """The parameters of the redirect to the application. Raises Refused, OAuthError, ArchiveError."""
        key = throttle_key(request, f"consent {app.client_id}")
        check_throttle(self.throttle, key)
        if visitor.is_new or not self.sessions.spend(
            _one(form, "ticket"), visitor.cookie, path_and_query(request)
        ):
            self.throttle.failed(key)
            raise page_expired()
        if _one(form, "decision") != "allow":
            return _error("access_denied", "The user denied the request.")
        user = self._user(visitor, form)
        granted = _requested_scopes(params) & set(form.get("granted", []))
        if params.get("response_type") == "token":
            return _fragment(self.grants.issue(app.client_id, user, granted, refreshable=False))
        code = self.grants.authorize(app, user, redirect_uri, granted, params.get("code_challenge"))
        return {"code": code, "scope": scope_text(granted)}

    def _application_and_uri(self, params: Mapping[str, str]) -> tuple[Application, str]:
        app = self.grants.apps.get(params.get("client_id", ""))
        if app is None:
            raise Refused("Invalid Client ID", "No application with this client_id is registered here.")
        uri = params.get("redirect_uri") or (app.redirect_uris[0] if len(app.redirect_uris) == 1 else "")
        if not uri:
            raise Refused(
                "Missing Redirect URI Parameter",
                "redirect_uri may be left out only if exactly one is registered for the application.",
            )
        if uri not in app.redirect_uris:
            raise Refused(
                "Redirect URI Not Found",
                f"{uri} is not registered for this application; send a registered redirect URI unchanged.",
            )
        return app, uri

    def _user(self, visitor: Visitor, form: Mapping[str, list[str]]) -> int:
        """The user who consents: the signed-in user, or without a passphrase the user chosen in the form.

        Raises Refused if nobody is signed in or the chosen user does not exist.
        """
        if visitor.user is not None:
            return visitor.user
        if self.visitors.needs_passphrase:
            raise page_expired()
        return self.visitors.named(_one(form, "user"))

    def _request_error(self, params: Mapping[str, str], app: Application) -> dict[str, str] | None:
        """The error to redirect with (RFC 6749 section 4.1.2.1); None if the request is valid."""
        offered = ("code", "token") if self.grants.rules.implicit else ("code",)
        if not params.get("response_type"):
            return _error("invalid_request", "response_type is missing")
        if params["response_type"] not in offered:
            return _error("unsupported_response_type", f"response_type must be {' or '.join(offered)}")
        if bool(params.get("code_challenge")) != (params.get("code_challenge_method") == "S256"):
            return _error("invalid_request", "send code_challenge together with code_challenge_method=S256")
        challenge = params.get("code_challenge", "")
        if challenge and not (challenge.isprintable() and 43 <= len(challenge) <= 128):
            # It is stored until the code is used, so its length is bounded; PostgreSQL refuses NUL in text.
            return _error("invalid_request", "code_challenge has 43 to 128 characters (RFC 7636 section 4.2)")
        if params["response_type"] == "code" and not app.confidential and not params.get("code_challenge"):
            return _error(
                "invalid_request", "An application without a secret needs PKCE: code_challenge is missing"
            )
        return None


def _error(error: str, words: str) -> dict[str, str]:
    return {"error": error, "error_description": words}


def _one(form: Mapping[str, list[str]], name: str) -> str:
    """The value of a form field; an empty string if the field is missing or repeated."""
    values = form.get(name, [])
    return values[0] if len(values) == 1 else ""


def _requested_scopes(params: Mapping[str, str]) -> set[str]:
    """The requested scopes. As at Oura, unknown scopes are dropped, and a missing `scope` requests all."""
    requested = scope_set(params.get("scope", ""))
    return set(SCOPES) & requested if requested else set(SCOPES)


def _fragment(issued: Issued) -> dict[str, str]:
    return {
        "access_token": issued.access_token,
        "token_type": issued.token_type,
        "expires_in": str(issued.expires_in),
        "scope": issued.scope,
    }


def _send_back(request: Request, params: Mapping[str, str], uri: str, result: Mapping[str, str]) -> Response:
    parameters = dict(result)
    if "state" in params:
        parameters["state"] = params["state"]
    if "/ext/" in request.url.path:
        parameters["iss"] = issuer(request)  # RFC 9207; only the newer of Oura's two paths sends `iss`
    if params.get("response_type") == "token":
        target = f"{uri}#{urlencode(parameters)}"
    else:
        target = f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}"
    return RedirectResponse(target, status_code=302, headers={"cache-control": "no-store"})


def issuer(request: Request) -> str:
    """The issuer identifier (RFC 8414 section 2) of Oura's newer authorization server."""
    return f"{request.url.scheme}://{request.url.netloc}/oauth/v2/oauth-anonymous"
