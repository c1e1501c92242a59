"""The portal's home page, personal access tokens and connected apps of the signed-in user.

Rules of this file:
* A personal access token is shown once, in the response to the form that created it. No other page shows it.
* Users see and revoke only their own tokens and connections.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..._oauth.scopes import SCOPES
from ...errors import UsageError
from ..browser.visitor import HOME, Visitor, Visitors, redirect
from ..core.answers import Refused
from ..oauth.grants import Grants
from ..webhooks.subscriptions import Subscriptions

TOKENS = "/personal-access-tokens"
CONNECTIONS = "/connected-apps"


@dataclass(frozen=True)
class PortalHome:
    """The portal's home page, and its pages about the signed-in user's tokens and connections."""

    grants: Grants
    subscriptions: Subscriptions
    visitors: Visitors

    def routes(self) -> list[BaseRoute]:
        """The routes of this class. All of them except `/` need a signed-in user."""
        page = self.visitors.signed_in
        return [
            Route("/", _to_home, methods=["GET"]),
            Route(HOME, page(self.home), methods=["GET"]),
            Route(TOKENS, page(self.tokens), methods=["GET"]),
            Route(TOKENS, page(self.create_token), methods=["POST"]),
            Route(f"{TOKENS}/{{id}}/revoke", page(self.revoke_token), methods=["POST"]),
            Route(CONNECTIONS, page(self.connections), methods=["GET"]),
            Route(f"{CONNECTIONS}/{{client_id}}/disconnect", page(self.disconnect), methods=["POST"]),
        ]

    async def home(self, request: Request, visitor: Visitor) -> Response:
        """Show the home page of the portal."""
        user = visitor.user_id
        apps = self.grants.apps.of(user)
        counts = {
            "applications": len(apps),
            "subscriptions": sum(len(self.subscriptions.of(app.client_id)) for app in apps),
            "tokens": len(self.grants.personal.of(user)),
            "connections": len(self.grants.connections(user)),
        }
        return visitor.page(request, "home.html", here=HOME, counts=counts, base=base_of(request))

    # Personal access tokens

    async def tokens(self, request: Request, visitor: Visitor) -> Response:
        """Show the page of the user's personal access tokens."""
        return self._tokens(request, visitor)

    async def create_token(self, request: Request, visitor: Visitor) -> Response:
        """Create a personal access token and show it; it is not shown again."""
        form = await visitor.form(request)
        note = form.get("note", "")
        try:
            token = self.grants.personal.create(visitor.user_id, note)
        except UsageError as wrong:
            return self._tokens(request, visitor, note=note, errors={"note": sentence(wrong)})
        return self._tokens(request, visitor, token=token)

    async def revoke_token(self, request: Request, visitor: Visitor) -> Response:
        """Revoke a personal access token. Raises Refused 404 if the user has no token of this id."""
        await visitor.form(request)
        if not self.grants.personal.revoke(visitor.user_id, request.path_params["id"]):
            raise Refused("No such token", "It may have been revoked already.", status=404)
        return redirect(TOKENS)

    def _tokens(
        self,
        request: Request,
        visitor: Visitor,
        *,
        token: str = "",
        note: str = "",
        errors: dict[str, str] | None = None,
    ) -> Response:
        return visitor.page(
            request,
            "tokens.html",
            status=422 if errors else 200,
            here=TOKENS,
            tokens=self.grants.personal.of(visitor.user_id),
            base=base_of(request),
            token=token,
            note=note,
            errors=errors or {},
        )

    # Connected apps

    async def connections(self, request: Request, visitor: Visitor) -> Response:
        """Show the page of the applications that may read the user's data."""
        connections = self.grants.connections(visitor.user_id)
        return visitor.page(
            request, "connections.html", here=CONNECTIONS, connections=connections, scopes=SCOPES
        )

    async def disconnect(self, request: Request, visitor: Visitor) -> Response:
        """End all grants of the user to an application. Raises Refused 404 if they are not connected."""
        await visitor.form(request)
        app = self.grants.apps.get(request.path_params["client_id"])
        if app is None or not self.grants.disconnect(visitor.user_id, app.client_id):
            raise Refused("No such connection", "It may have been ended already.", status=404)
        return redirect(CONNECTIONS)


def base_of(request: Request) -> str:
    """The base URL at which the browser that sent this request reaches the cloud."""
    return f"{request.url.scheme}://{request.url.netloc}"


def sentence(wrong: UsageError) -> str:
    """Join an error's message and cure into one sentence, which is shown beside a form field."""
    first, _, rest = wrong.message.partition(" ")
    return f"{first.capitalize() if first.isalpha() else first} {rest}: {wrong.cure}."


async def _to_home(request: Request) -> Response:
    return redirect(HOME)
