"""The pages that sign a browser in and out.

A cloud has one passphrase for all its users. After typing the passphrase, people choose the user to sign in
as. A cloud without a passphrase asks only for the user; only programs on its own machine should reach it.

Rules of this file:
* The passphrase is compared in constant time and never stored. Wrong passphrases are throttled.
* The names of users are shown only after the right passphrase was typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..._archive.archive import Archive
from ..core.secret_hashes import is_same_secret
from ..core.throttle import Throttle, throttle_key
from .sessions import Sessions
from .visitor import (
    COOKIE,
    HOME,
    SIGN_IN,
    Visitor,
    Visitors,
    check_throttle,
    is_own_path,
    redirect,
    set_session_cookie,
)


@dataclass(frozen=True)
class SignInPages:
    """The pages `/sign-in` and `/sign-out`."""

    archive: Archive
    sessions: Sessions
    visitors: Visitors
    throttle: Throttle
    passphrase: str | None = field(repr=False)
    """The passphrase of the cloud. If it is None, everybody who reaches the cloud may sign in."""

    def routes(self) -> list[BaseRoute]:
        """The routes of the sign-in and sign-out pages, which need no signed-in user."""
        return [
            Route(SIGN_IN, self.visitors.page(self.ask), methods=["GET"]),
            Route(SIGN_IN, self.visitors.page(self.sign_in), methods=["POST"]),
            Route("/sign-out", self.visitors.page(self.sign_out), methods=["POST"]),
        ]

    async def ask(self, request: Request, visitor: Visitor) -> Response:
        """Show the form for the passphrase or, after the right passphrase, the form to choose a user."""
        return self._page(request, visitor, request.query_params.get("next", HOME))

    async def sign_in(self, request: Request, visitor: Visitor) -> Response:
        """Receive the form with the passphrase or the user. Redirects to `next` when the user is known."""
        form = await visitor.form(request)
        next = form.get("next", HOME)
        users = self.archive.users()
        if self._passed_passphrase(visitor):
            user: int | None = self.visitors.named(form.get("user", ""))
        elif self._is_right_passphrase(request, form.get("passphrase", "")):
            user = users[0].id if len(users) == 1 else None
        else:
            return self._page(request, visitor, next, errors={"passphrase": "The passphrase is wrong."})
        cookie = self.sessions.begin(user, instead_of=visitor.cookie)
        response = (
            redirect(_own_path_or_home(next))
            if user is not None
            else redirect(f"{SIGN_IN}?{urlencode({'next': _own_path_or_home(next)})}")
        )
        set_session_cookie(request, response, cookie)
        return response

    async def sign_out(self, request: Request, visitor: Visitor) -> Response:
        """End the browser's session and delete its cookie."""
        await visitor.form(request)
        self.sessions.end(visitor.cookie)
        response = redirect(SIGN_IN)
        response.delete_cookie(COOKIE, path="/")
        return response

    def _passed_passphrase(self, visitor: Visitor) -> bool:
        return visitor.session is not None or not self.passphrase

    def _is_right_passphrase(self, request: Request, passphrase: str) -> bool:
        """Whether the passphrase is right. Raises Refused after too many wrong passphrases."""
        key = throttle_key(request, "sign-in")
        check_throttle(self.throttle, key)
        if not is_same_secret(passphrase, self.passphrase or ""):
            self.throttle.failed(key)
            return False
        self.throttle.passed(key)
        return True

    def _page(
        self, request: Request, visitor: Visitor, next: str, errors: Mapping[str, str] | None = None
    ) -> Response:
        return visitor.page(
            request,
            "sign_in.html",
            status=422 if errors else 200,
            asks_passphrase=not self._passed_passphrase(visitor),
            users=[name for _, name in self.archive.users()],
            next=_own_path_or_home(next),
            errors=errors or {},
        )


def _own_path_or_home(next: str) -> str:
    return next if is_own_path(next) else HOME
