"""Who stands before a page: the cookie, the wearer it signs in, and forms that must come from our own pages.

Rules of this file:
* The cookie is changed at every sign-in, so that nobody can be signed in to a cookie that another chose.
* A form counts only with the token of the page it was on (`Visitor.form`), and not when the browser says that
  another site sent it.
* Nobody is sent to an address that is not a path of this cloud.
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
"""A path of this cloud. Browsers read `//host`, `/\\host` and `/<tab>/host` as another host."""


@dataclass(frozen=True)
class Visitor:
    """One request of one browser."""

    cookie: str
    is_new: bool
    """Whether the browser has yet to be given the cookie."""
    session: Session | None
    user: int | None
    name: str
    """The wearer who is signed in, as the archive calls them; empty when nobody is."""

    @property
    def user_id(self) -> int:
        """The signed-in user, on pages of `Visitors.signed_in`."""
        assert self.user is not None
        return self.user

    def token(self, purpose: str) -> str:
        """The token of a form that is sent to a path."""
        return form_token(self.cookie, purpose)

    async def form(self, request: Request) -> dict[str, str]:
        """What a form of ours sends to this path, each field once. Raises Refused when it is not ours."""
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
        """A page for this browser, which may answer its forms."""
        response = page(template, status=status, leads_to=leads_to, visitor=self, **context)
        if self.is_new:
            set_session_cookie(request, response, self.cookie)
        return response


Handler = Callable[[Request, Visitor], Awaitable[Response]]


@dataclass(frozen=True)
class Visitors:
    """Finds out which user a browser's request is from.

    Without a passphrase everyone may sign in, by choosing a user.
    """

    archive: Archive
    sessions: Sessions
    needs_passphrase: bool
    """Whether people type a passphrase to sign in."""

    def of(self, request: Request) -> Visitor:
        """Who sent a request."""
        cookie = request.cookies.get(COOKIE, "")
        if not COOKIE_SHAPE.fullmatch(cookie):
            return Visitor(new_cookie(), True, None, None, "")
        session = self.sessions.find(cookie)
        names = dict(self.archive.users())
        user = session.user if session and session.user in names else None
        return Visitor(cookie, False, session, user, names[user] if user is not None else "")

    def named(self, name: str) -> int:
        """A wearer by name. Raises Refused."""
        users = {name: id for id, name in self.archive.users()}
        if name not in users:
            raise Refused("Nobody to sign in", "This cloud holds no such wearer.")
        return users[name]

    def page(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A page that needs nobody signed in."""

        async def shown(request: Request) -> Response:
            try:
                return await handler(request, self.of(request))
            except Refused as refused:
                return refusal_page(refused)

        return shown

    def signed_in(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A page that needs somebody signed in, and sends everybody else to sign in first."""

        async def shown(request: Request, visitor: Visitor) -> Response:
            return redirect_to_sign_in(request) if visitor.user is None else await handler(request, visitor)

        return self.page(shown)


def page_expired() -> Refused:
    """The answer to a form that no page of ours gave this browser, or that was sent already."""
    return Refused("This page has expired", "Go back to where you came from and start again.")


def check_same_site(request: Request) -> None:
    """Raises Refused when a browser says that another site sent this form."""
    if is_cross_site(request):
        raise Refused("Not from here", "Forms are sent from this cloud's own pages only.")


def check_throttle(throttle: Throttle, key: Key) -> None:
    """Raises Refused when whoever is behind a key has guessed wrong too often, and must wait."""
    if seconds := throttle.check(key):
        raise Refused(
            "Too many wrong attempts",
            f"Wait {seconds} seconds, then try again.",
            status=429,
            retry_after=seconds,
        )


def path_and_query(request: Request) -> str:
    """The path and query of a request, as they came."""
    query = request.scope["query_string"].decode("latin-1")
    return request.url.path + (f"?{query}" if query else "")


def redirect_to_sign_in(request: Request) -> Response:
    """Sign in first, then come back; a form that was sent cannot be, so its sender starts at home."""
    here = path_and_query(request)
    back = here if request.method == "GET" and is_own_path(here) else HOME
    return redirect(f"{SIGN_IN}?{urlencode({'next': back})}")


def is_own_path(text: str) -> bool:
    """Whether it is safe to send a browser there."""
    return OWN_PATH.fullmatch(text) is not None


def redirect(path: str) -> Response:
    """Send the browser to another page of ours."""
    return RedirectResponse(path, status_code=303, headers={"cache-control": "no-store"})


def set_session_cookie(request: Request, response: Response, cookie: str) -> None:
    """Hand over a cookie that scripts cannot read and other sites cannot send with a form."""
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )
