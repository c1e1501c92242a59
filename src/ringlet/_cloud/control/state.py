"""The control API of users, tokens, faults and applications, `/_ringlet/`. Requests need the admin token.

GET  /_ringlet/health      answers 200 while the cloud runs; needs no token
GET  /_ringlet/requests    the last requests, newest last; ?path= filters by prefix
POST /_ringlet/tokens      {"user": name, "scopes": [...]} issues an access token for a user
GET  /_ringlet/users       the users, and whether their Oura membership is active
POST /_ringlet/users       {"user": name, "membership": "active" or "expired"} changes a membership
GET  /_ringlet/faults      the faults that are being injected
POST /_ringlet/faults      {"path": "/oauth/token", "act": "drop", "probability": 1.0, "times": null}
DELETE /_ringlet/faults    removes all faults; /_ringlet/faults/{id} removes one
POST /_ringlet/applications/{client_id}/approve    lets an application have more than ten users

Other files: `clock.py` advances the clock, `trigger.py` triggers events, `webhooks.py` lists deliveries.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, TypeAlias
from urllib.parse import unquote_plus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..._archive.archive import Archive
from ..._oauth.scopes import SCOPES
from ..._version import __version__
from ..core.bodies import read_body
from ..oauth.grants import Grants
from .admin import Admin, wearer
from .faults import Fault, Faults

LoggedRequest: TypeAlias = tuple[float, str, str, bytes, int]
"""A request in `GET /_ringlet/requests`: epoch seconds (real time), method, path, query, response status."""


class _TokenFor(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    scopes: tuple[str, ...] = tuple(SCOPES)


class _Membership(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    membership: Literal["active", "expired"]


class Control:
    """The routes for users, tokens, faults and applications."""

    def __init__(
        self,
        admin: Admin,
        grants: Grants,
        archive: Archive,
        faults: Faults,
        requests: deque[LoggedRequest],
    ) -> None:
        self._admin = admin
        self.grants = grants
        self.archive = archive
        self.faults = faults
        self.logged = requests
        self._own_client_id = ""

    def routes(self) -> list[BaseRoute]:
        """The routes of this class. All of them except `/_ringlet/health` need the admin token."""
        only = self._admin.only
        return [
            Route("/_ringlet/health", self.health, methods=["GET"]),
            Route("/_ringlet/requests", only(self.requests), methods=["GET"]),
            Route("/_ringlet/tokens", only(self.token), methods=["POST"]),
            Route("/_ringlet/users", only(self.users), methods=["GET"]),
            Route("/_ringlet/users", only(self.membership), methods=["POST"]),
            Route("/_ringlet/faults", only(self.list_faults), methods=["GET"]),
            Route("/_ringlet/faults", only(self.add_fault), methods=["POST"]),
            Route("/_ringlet/faults", only(self.clear_faults), methods=["DELETE"]),
            Route("/_ringlet/faults/{id:int}", only(self.end_fault), methods=["DELETE"]),
            Route("/_ringlet/applications/{client_id}/approve", only(self.approve), methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """Answer with the version of ringlet, to show that the cloud runs."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def requests(self, request: Request) -> Response:
        """List the last requests to the data and webhook routes, newest last."""
        prefix = request.query_params.get("path", "")
        return JSONResponse(
            [
                {"at": at, "method": method, "path": path, "query": _without_token(query), "status": status}
                for at, method, path, query, status in self.logged
                if path.startswith(prefix)
            ]
        )

    async def token(self, request: Request) -> Response:
        """Issue an access token for a user, without the consent page. Raises HTTPException 404 if unknown."""
        body = msgspec.json.decode(await read_body(request), type=_TokenFor)
        user = wearer(self.archive, body.user)
        self._own_client_id = self._own_client_id or self._own_application()
        issued = self.grants.issue(self._own_client_id, user, body.scopes, refreshable=False)
        return JSONResponse(msgspec.to_builtins(issued))

    async def users(self, request: Request) -> Response:
        """List the users and their memberships."""
        return JSONResponse([self._shown(id, name) for id, name in self.archive.users()])

    async def membership(self, request: Request) -> Response:
        """End or renew the Oura membership of a user. Raises HTTPException 404 for an unknown user."""
        body = msgspec.json.decode(await read_body(request), type=_Membership)
        user = wearer(self.archive, body.user)
        memberships = self.grants.memberships
        (memberships.end if body.membership == "expired" else memberships.renew)(user)
        return JSONResponse(self._shown(user, body.user))

    def _shown(self, user: int, name: str) -> dict[str, str]:
        lapsed = self.grants.memberships.has_lapsed(user)
        return {"user": name, "membership": "expired" if lapsed else "active"}

    async def approve(self, request: Request) -> Response:
        """Let an application have any number of users. Raises HTTPException 404 for an unknown client_id."""
        client_id: str = request.path_params["client_id"]
        if self.grants.apps.get(client_id) is None:
            raise HTTPException(404, "no application has this client_id")
        self.grants.apps.approve(client_id)
        return JSONResponse({"client_id": client_id, "approved": True})

    async def list_faults(self, request: Request) -> Response:
        """List the faults that are being injected on purpose, without those that are used up."""
        return JSONResponse(msgspec.to_builtins(self.faults.rules))

    async def add_fault(self, request: Request) -> Response:
        """Inject a fault from now on. Answers 201 with the fault and the number that it was given."""
        fault = self.faults.add(msgspec.json.decode(await read_body(request), type=Fault))
        return JSONResponse(msgspec.to_builtins(fault), status_code=201)

    async def clear_faults(self, request: Request) -> Response:
        """Remove all faults that are being injected on purpose."""
        self.faults.rules.clear()
        return Response(status_code=204)

    async def end_fault(self, request: Request) -> Response:
        """Remove one fault by its number. Answers 204 even if the fault was removed already."""
        self.faults.end(request.path_params["id"])
        return Response(status_code=204)

    def _own_application(self) -> str:
        """Register the application to which the control API issues tokens, without asking a user."""
        client_id, _ = self.grants.apps.register("Control API", [], public=True)
        self.grants.apps.approve(client_id)
        return client_id


def _without_token(query: bytes) -> str:
    text = unquote_plus(query.decode("latin-1"))
    return "(holds a token)" if "access_token" in text or "XRNGLT_" in text else query.decode("latin-1")
