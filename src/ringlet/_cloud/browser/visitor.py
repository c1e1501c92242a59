"""The browser behind a request to a page: its cookie, its signed-in user, and the forms it may send.

Rules of this file:
* Signing in changes the cookie. An attacker who planted a cookie is not signed in with it (session fixation).
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
"""Matches a path of this cloud. Browsers read `//host`, `/\\host` and `/<tab>/host` as another host."""


@dataclass(frozen=True)
class Visitor:
    """The browser that sent a request."""

    cookie: str
    is_new: bool
    """Whether the browser has yet to receive the cookie."""
    session: Session | None
    user: int | None
    name: str
    """The name of the signed-in user; empty when nobody is signed in."""

    @property
    def user_id(self) -> int:
        """The id of the signed-in user. Only for handlers of `Visitors.signed_in`, which always have one."""
        assert self.user is not None
        return self.user

    def token(self, purpose: str) -> str:
        """The token of the form that is sent to a path."""
        return form_token(self.cookie, purpose)

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form sent to this path. Raises Refused unless it came from a page of this cloud."""
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
        """The visitor who sent a request."""
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
        """Wrap a page's handler for all visitors, signed in or not; answers Refused with a page."""

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
    """The refusal of a form that this browser was not served, or has sent already."""
    return Refused("This page has expired", "Go back to where you came from and start again.")


def check_same_site(request: Request) -> None:
    """Raises Refused when a browser says that another site sent this form."""
    if is_cross_site(request):
        raise Refused("Sent from another site", "Forms are accepted from this cloud's own pages only.")


def check_throttle(throttle: Throttle, key: Key) -> None:
    """Raises Refused 429 while the throttle makes a key wait."""
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
    """Redirect to the sign-in page, which leads back to the page; after a POST it leads to the portal."""
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
    """Set the cookie. Scripts cannot read it, and browsers do not send it with forms of other sites."""
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )
