"""Signing in to the pages and out again.

A cloud is run for oneself or a team: one passphrase lets in whoever knows it, and they say which wearer they
are. Without a passphrase (a cloud that only this machine reaches) saying so is all there is to it.

Rules of this file:
* The passphrase is compared in constant time and kept nowhere; wrong ones are counted, and cost time.
* Strangers learn no names: wearers are listed only to whoever has been let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..._archive.archive import Archive
from ..core.secret_hashes import is_same
from ..core.throttle import Guesses
from .sessions import Sessions
from .visitor import COOKIE, HOME, SIGN_IN, Visit, Visits, check_guesses, give_cookie, go, is_own_path


class SignInPages:
    """The pages `/sign-in` and `/sign-out`."""

    def __init__(
        self, archive: Archive, sessions: Sessions, visits: Visits, guesses: Guesses, secret: str | None
    ) -> None:
        self.archive = archive
        self.sessions = sessions
        self.visits = visits
        self.guesses = guesses
        self._secret = secret

    def routes(self) -> list[BaseRoute]:
        """Open to all."""
        return [
            Route(SIGN_IN, self.visits.for_all(self.ask), methods=["GET"]),
            Route(SIGN_IN, self.visits.for_all(self.sign_in), methods=["POST"]),
            Route("/sign-out", self.visits.for_all(self.sign_out), methods=["POST"]),
        ]

    async def ask(self, request: Request, visit: Visit) -> Response:
        """Ask for the passphrase, or for the wearer of somebody who has been let in."""
        return self._page(request, visit, request.query_params.get("next", HOME))

    async def sign_in(self, request: Request, visit: Visit) -> Response:
        """Let somebody in, and once it is known who they are, send them where they wanted to go."""
        form = await visit.form(request)
        next = form.get("next", HOME)
        users = self.archive.users()
        if self._is_in(visit):
            user: int | None = self.visits.named(form.get("user", ""))
        elif self._knows(request, form.get("passphrase", "")):
            user = users[0].id if len(users) == 1 else None
        else:
            return self._page(request, visit, next, errors={"passphrase": "This is not the passphrase."})
        cookie = self.sessions.begin(user, instead_of=visit.cookie)
        response = (
            go(_safe(next)) if user is not None else go(f"{SIGN_IN}?{urlencode({'next': _safe(next)})}")
        )
        give_cookie(request, response, cookie)
        return response

    async def sign_out(self, request: Request, visit: Visit) -> Response:
        """End the session and take the cookie back."""
        await visit.form(request)
        self.sessions.end(visit.cookie)
        response = go(SIGN_IN)
        response.delete_cookie(COOKIE, path="/")
        return response

    def _is_in(self, visit: Visit) -> bool:
        return visit.session is not None or not self._secret

    def _knows(self, request: Request, passphrase: str) -> bool:
        """Whether somebody knows the passphrase. Raises Refused when too many did not."""
        key = (request.client.host if request.client else "", "sign-in")
        check_guesses(self.guesses, key)
        if not is_same(passphrase, self._secret or ""):
            self.guesses.failed(key)
            return False
        self.guesses.passed(key)
        return True

    def _page(
        self, request: Request, visit: Visit, next: str, errors: Mapping[str, str] | None = None
    ) -> Response:
        return visit.page(
            request,
            "sign_in.html",
            status=422 if errors else 200,
            asks_passphrase=not self._is_in(visit),
            users=[name for _, name in self.archive.users()],
            next=_safe(next),
            errors=errors or {},
        )


def _safe(next: str) -> str:
    return next if is_own_path(next) else HOME
