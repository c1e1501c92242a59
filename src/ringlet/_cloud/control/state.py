"""The control API of users, tokens, faults and applications, `/_ringlet/`. Needs the admin token.

GET  /_ringlet/health      is it up (open to all)
GET  /_ringlet/requests    the last requests, newest last; ?path= filters by prefix
POST /_ringlet/tokens      {"user": name, "scopes": [...]} -> an access token for a wearer
GET  /_ringlet/users       the wearers, and whether their membership is active
POST /_ringlet/users       {"user": name, "membership": "active" or "expired"}
GET  /_ringlet/faults      the faults that are injected
POST /_ringlet/faults      {"path": "/oauth/token", "act": "drop", "probability": 1.0, "times": null}
DELETE /_ringlet/faults    remove all faults; /_ringlet/faults/{id}: one of them
POST /_ringlet/applications/{client_id}/approve    let an application have more than ten wearers

`control_clock` moves the time, `control_webhooks` makes events happen and shows where they went.
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
"""One request, for `GET /_ringlet/requests`: epoch seconds of real time, method, path, query, status."""


class _TokenFor(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    scopes: tuple[str, ...] = tuple(SCOPES)


class _Membership(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    membership: Literal["active", "expired"]


class Control:
    """The control API."""

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
        """All routes; every one but health asks for the admin token."""
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
        """Up, and which version."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def requests(self, request: Request) -> Response:
        """What was asked lately."""
        prefix = request.query_params.get("path", "")
        return JSONResponse(
            [
                {"at": at, "method": method, "path": path, "query": _without_token(query), "status": status}
                for at, method, path, query, status in self.logged
                if path.startswith(prefix)
            ]
        )

    async def token(self, request: Request) -> Response:
        """An access token for one wearer, without the consent page."""
        body = msgspec.json.decode(await read_body(request), type=_TokenFor)
        user = wearer(self.archive, body.user)
        self._own_client_id = self._own_client_id or self._own_application()
        issued = self.grants.issue(self._own_client_id, user, body.scopes, refreshable=False)
        return JSONResponse(msgspec.to_builtins(issued))

    async def users(self, request: Request) -> Response:
        """Who is here."""
        return JSONResponse([self._shown(id, name) for id, name in self.archive.users()])

    async def membership(self, request: Request) -> Response:
        """End or renew the Oura membership of a wearer."""
        body = msgspec.json.decode(await read_body(request), type=_Membership)
        user = wearer(self.archive, body.user)
        memberships = self.grants.memberships
        (memberships.end if body.membership == "expired" else memberships.renew)(user)
        return JSONResponse(self._shown(user, body.user))

    def _shown(self, user: int, name: str) -> dict[str, str]:
        lapsed = self.grants.memberships.has_lapsed(user)
        return {"user": name, "membership": "expired" if lapsed else "active"}

    async def approve(self, request: Request) -> Response:
        """Let an application have any number of wearers."""
        client_id: str = request.path_params["client_id"]
        if self.grants.apps.get(client_id) is None:
            raise HTTPException(404, "no application has this client_id")
        self.grants.apps.approve(client_id)
        return JSONResponse({"client_id": client_id, "approved": True})

    async def list_faults(self, request: Request) -> Response:
        """The faults that are injected; those used up are gone."""
        return JSONResponse(msgspec.to_builtins(self.faults.rules))

    async def add_fault(self, request: Request) -> Response:
        """Inject a fault from now on."""
        fault = self.faults.add(msgspec.json.decode(await read_body(request), type=Fault))
        return JSONResponse(msgspec.to_builtins(fault), status_code=201)

    async def clear_faults(self, request: Request) -> Response:
        """Remove all faults."""
        self.faults.rules.clear()
        return Response(status_code=204)

    async def end_fault(self, request: Request) -> Response:
        """Remove one fault; it may be used up already."""
        self.faults.end(request.path_params["id"])
        return Response(status_code=204)

    def _own_application(self) -> str:
        """An application of the cloud's own, for tokens that no wearer was asked for."""
        client_id, _ = self.grants.apps.register("The house", [], public=True)
        self.grants.apps.approve(client_id)
        return client_id


def _without_token(query: bytes) -> str:
    text = unquote_plus(query.decode("latin-1"))
    return "(holds a token)" if "access_token" in text or "XRNGLT_" in text else query.decode("latin-1")
