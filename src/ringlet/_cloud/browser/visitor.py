"""The browser behind a request to a page: its cookie, its signed-in user, and the forms it may send.

Rules of this file:
* Signing in changes the cookie. So a cookie that an attacker planted in the browser before is not signed in
  (session fixation).
* A form is accepted only with the token of the page that it was on (`Visitor.form`), and not when the browser
  says that another site sent it.
* Redirects lead to paths of this cloud only (no open redirect).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..._archive.archive import Archive
from ..core.answers import Refused
from ..core.forms import is_cross_site, read_form
from ..core.secret_hashes import is_same_secret
from ..core.throttle import Key, Throttle
from .pages import page, refusal_page
from .sessions import COOKIE_SHAPE, SESSION_LIFE, Session, Sessions, form_token, new_cookie

COOKIE = "ringlet_session"
HOME = "/portal"
SIGN_IN = "/sign-in"

OWN_PATH = re.compile(r"/(?![/\\])[!-~]*")
"""Matches a path of this cloud. Not `//host`, `/\\host` or `/<tab>/host`: browsers would go to that host."""


@dataclass(frozen=True)
class Visitor:
    """The browser that sent a request."""

    cookie: str
    is_new: bool
    """Whether the cookie was created for this request and the browser does not have it yet."""
    session: Session | None
    user: int | None
    name: str
    """The name of the signed-in user; empty when nobody is signed in."""

    @property
    def user_id(self) -> int:
        """The id of the signed-in user. Use it only in handlers wrapped by `Visitors.signed_in`."""
        assert self.user is not None
        return self.user

    def token(self, purpose: str) -> str:
        """The token of a form. `purpose` is the path to which the form is sent."""
        return form_token(self.cookie, purpose)

    async def form(self, request: Request) -> dict[str, str]:
        """Read the fields of a form. Raises Refused unless the form was on a page of this cloud."""
        check_same_site(request)
        form = await read_form(request)
        if any(len(values) > 1 for values in form.values()):
            raise Refused("Repeated field", "Each field may be given once.")
        fields = {name: values[0] for name, values in form.items()}
        if self.is_new or not is_same_secret(fields.get("token", ""), self.token(request.url.path)):
            raise page_expired()
        return fields

    def page(
        self, request: Request, template: str, *, status: int = 200, leads_to: str = "", **context: Any
    ) -> Response:
        """Render a page for this browser, and set the cookie if the browser does not have it yet."""
        response = page(template, status=status, leads_to=leads_to, visitor=self, **context)
        if self.is_new:
            set_session_cookie(request, response, self.cookie)
        return response


Handler = Callable[[Request, Visitor], Awaitable[Response]]


@dataclass(frozen=True)
class Visitors:
    """Finds the cookie, session and user of a request from a browser.

    Without a passphrase, anyone may sign in by choosing a user.
    """

    archive: Archive
    sessions: Sessions
    needs_passphrase: bool
    """Whether people type a passphrase to sign in."""

    def of(self, request: Request) -> Visitor:
        """Find the cookie, session and user of the browser that sent a request."""
        cookie = request.cookies.get(COOKIE, "")
        if not COOKIE_SHAPE.fullmatch(cookie):
            return Visitor(new_cookie(), True, None, None, "")
        session = self.sessions.find(cookie)
        names = dict(self.archive.users())
        user = session.user if session and session.user in names else None
        return Visitor(cookie, False, session, user, names[user] if user is not None else "")

    def named(self, name: str) -> int:
        """The id of the user with a name. Raises Refused for an unknown name."""
        users = {name: id for id, name in self.archive.users()}
        if name not in users:
            raise Refused("Unknown user", "This cloud has no user of that name.")
        return users[name]

    def page(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a page's handler for all visitors, signed in or not. If it raises Refused, a page says why."""

        async def shown(request: Request) -> Response:
            try:
                return await handler(request, self.of(request))
            except Refused as refused:
                return refusal_page(refused)

        return shown

    def signed_in(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a page's handler for signed-in users; other visitors are redirected to the sign-in page."""

        async def shown(request: Request, visitor: Visitor) -> Response:
            return redirect_to_sign_in(request) if visitor.user is None else await handler(request, visitor)

        return self.page(shown)


def page_expired() -> Refused:
    """Return the error for a form that was not served to this browser, or was sent before."""
    return Refused("This page has expired", "Go back to where you came from and start again.")


def check_same_site(request: Request) -> None:
    """Raise Refused if the browser says that a page of another site sent this form."""
    if is_cross_site(request):
        raise Refused("Sent from another site", "Forms are accepted from this cloud's own pages only.")


def check_throttle(throttle: Throttle, key: Key) -> None:
    """Raise Refused 429 while the client must wait after failures that were counted under `key`."""
    if seconds := throttle.check(key):
        raise Refused(
            "Too many wrong attempts",
            f"Wait {seconds} seconds, then try again.",
            status=429,
            retry_after=seconds,
        )


def path_and_query(request: Request) -> str:
    """The path and query of a request, as they were sent."""
    query = request.scope["query_string"].decode("latin-1")
    return request.url.path + (f"?{query}" if query else "")


def redirect_to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in page.

    After sign-in the browser is redirected to the requested page, or after a POST to the portal.
    """
    here = path_and_query(request)
    back = here if request.method == "GET" and is_own_path(here) else HOME
    return redirect(f"{SIGN_IN}?{urlencode({'next': back})}")


def is_own_path(text: str) -> bool:
    """Whether a text is a path of this cloud, to which a redirect may lead."""
    return OWN_PATH.fullmatch(text) is not None


def redirect(path: str) -> Response:
    """Redirect to another page of this cloud."""
    return RedirectResponse(path, status_code=303, headers={"cache-control": "no-store"})


def set_session_cookie(request: Request, response: Response, cookie: str) -> None:
    """Set the session cookie. Scripts cannot read it; browsers do not send it with forms of other sites."""
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )
