"""The authorization endpoint and its consent page: RFC 6749 section 3.1.

Both of Oura's path families lead here: `/oauth/authorize` and `/oauth/v2/ext/oauth-authorize`.

Rules of this file:
* Until client_id and redirect_uri are known to belong together nothing redirects to an application: an error
  is a page (RFC 6749 section 4.1.2.1). The redirect URI must equal a registered one, character by character.
* Consent is a POST with a ticket that works once, for one browser and one request to the character. Every
  request asks again: what was granted before decides nothing.
* Parameters that no rule names (`prompt`, `nonce`, ...) are ignored (RFC 6749 section 3.1).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..._archive.archive import Archive
from ..._oauth.scopes import SCOPES, scope_set, scope_text
from ...errors import ArchiveError, OAuthError
from ..browser.pages import Refused, form_of, once
from ..browser.sessions import Sessions
from ..browser.visitor import (
    SIGN_IN,
    Visit,
    Visits,
    address_of,
    check_guesses,
    check_origin,
    expired,
    to_sign_in,
)
from ..core.throttle import Guesses
from .applications import Registered
from .grants import Grants
from .tokens import Issued

log = logging.getLogger("ringlet")

PATHS = ("/oauth/authorize", "/oauth/v2/ext/oauth-authorize")


class Authorization:
    """Ask the wearer, and send the browser back with what was decided."""

    def __init__(
        self, archive: Archive, grants: Grants, sessions: Sessions, visits: Visits, guesses: Guesses
    ) -> None:
        self.archive = archive
        self.grants = grants
        self.sessions = sessions
        self.visits = visits
        self.guesses = guesses

    def routes(self) -> list[BaseRoute]:
        """The same page under both families of paths."""
        return [
            Route(path, self.visits.for_all(handler), methods=[method])
            for path in PATHS
            for handler, method in ((self.ask, "GET"), (self.consent, "POST"))
        ]

    async def ask(self, request: Request, visit: Visit) -> Response:
        """Show the consent page."""
        params = once(request.scope["query_string"])
        app, redirect_uri = self._who(params)
        # Judged before anybody signs in: browsers hold the redirect after a form to that form's policy, and
        # the sign-in page knows no application.
        if flaw := self._flaw(params, app):
            return _send_back(request, params, redirect_uri, flaw)
        if self.visits.guarded and visit.user is None:
            return to_sign_in(request)
        wanted = _wanted(params)
        return visit.page(
            request,
            "consent.html",
            leads_to=redirect_uri,
            app=app,
            redirect_uri=redirect_uri,
            users=[] if self.visits.guarded else [name for _, name in self.archive.users()],
            scopes=[(name, SCOPES[name]) for name in SCOPES if name in wanted],
            ticket=self.sessions.ticket(visit.cookie, address_of(request)),
            switch=f"{SIGN_IN}?{urlencode({'next': address_of(request)})}",
        )

    async def consent(self, request: Request, visit: Visit) -> Response:
        """Take the wearer's decision and send the browser back to the application."""
        params = once(request.scope["query_string"])
        app, redirect_uri = self._who(params)
        check_origin(request)
        form = await form_of(request)
        if flaw := self._flaw(params, app):
            return _send_back(request, params, redirect_uri, flaw)
        try:
            decided = self._decided(request, visit, params, app, redirect_uri, form)
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
        visit: Visit,
        params: Mapping[str, str],
        app: Registered,
        redirect_uri: str,
        form: Mapping[str, list[str]],
    ) -> dict[str, str]:
        """What the decision gives the application. Raises Refused, OAuthError, ArchiveError."""
        key = (request.client.host if request.client else "", f"consent {app.client_id}")
        check_guesses(self.guesses, key)
        if visit.is_new or not self.sessions.spend(_one(form, "ticket"), visit.cookie, address_of(request)):
            self.guesses.failed(key)
            raise expired()
        if _one(form, "decision") != "allow":
            return _error("access_denied", "The user denied the request.")
        user = self._user(visit, form)
        granted = _wanted(params) & set(form.get("granted", []))
        if params.get("response_type") == "token":
            return _fragment(self.grants.issue(app.client_id, user, granted, refreshable=False))
        code = self.grants.authorize(app, user, redirect_uri, granted, params.get("code_challenge"))
        return {"code": code, "scope": scope_text(granted)}

    def _who(self, params: Mapping[str, str]) -> tuple[Registered, str]:
        app = self.grants.apps.get(params.get("client_id", ""))
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

    def _user(self, visit: Visit, form: Mapping[str, list[str]]) -> int:
        """Whose decision it is. Raises Refused."""
        if visit.user is not None:
            return visit.user
        if self.visits.guarded:
            raise expired()
        return self.visits.named(_one(form, "user"))

    def _flaw(self, params: Mapping[str, str], app: Registered) -> dict[str, str] | None:
        """What is wrong with a request whose sender is known: it is told so (RFC 6749 section 4.1.2.1)."""
        offered = ("code", "token") if self.grants.rules.implicit else ("code",)
        if not params.get("response_type"):
            return _error("invalid_request", "response_type is missing")
        if params["response_type"] not in offered:
            return _error("unsupported_response_type", f"response_type must be {' or '.join(offered)}")
        if bool(params.get("code_challenge")) != (params.get("code_challenge_method") == "S256"):
            return _error("invalid_request", "code_challenge goes with code_challenge_method S256")
        challenge = params.get("code_challenge", "")
        if challenge and not (challenge.isprintable() and 43 <= len(challenge) <= 128):
            # It is kept until the code is used: neither without end nor with what not every database takes.
            return _error("invalid_request", "code_challenge has 43 to 128 characters (RFC 7636 section 4.2)")
        if params["response_type"] == "code" and not app.confidential and not params.get("code_challenge"):
            return _error(
                "invalid_request", "An application without a secret needs PKCE: code_challenge is missing"
            )
        return None


def _error(error: str, words: str) -> dict[str, str]:
    return {"error": error, "error_description": words}


def _one(form: Mapping[str, list[str]], name: str) -> str:
    """A field that may be there once."""
    values = form.get(name, [])
    return values[0] if len(values) == 1 else ""


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


def _send_back(request: Request, params: Mapping[str, str], uri: str, result: Mapping[str, str]) -> Response:
    said = dict(result)
    if "state" in params:
        said["state"] = params["state"]
    if "/ext/" in request.url.path:
        said["iss"] = issuer(request)  # RFC 9207; of Oura's two hosts the newer one says who it is
    if params.get("response_type") == "token":
        target = f"{uri}#{urlencode(said)}"
    else:
        target = f"{uri}{'&' if '?' in uri else '?'}{urlencode(said)}"
    return RedirectResponse(target, status_code=302, headers={"cache-control": "no-store"})


def issuer(request: Request) -> str:
    """Who signs answers of the newer path family: RFC 8414 section 2."""
    return f"{request.url.scheme}://{request.url.netloc}/oauth/v2/oauth-anonymous"
