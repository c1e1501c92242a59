"""The hand on the tiller: `/_ringlet/`, for whoever runs the cloud. Needs the admin token.

GET  /_ringlet/health      is it up (open to all)
GET  /_ringlet/requests    the last requests, newest last; ?path= filters by prefix
GET  /_ringlet/clock       what time it is in the cloud
POST /_ringlet/clock       {"advance": seconds}
POST /_ringlet/tokens      {"user": name, "scopes": [...]} -> an access token for a wearer
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias
from urllib.parse import unquote_plus

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .. import __version__
from ..archive import Archive
from ..errors import RingletError
from ..oauth import SCOPES
from .clock import Clock
from .grants import Grants

Seen: TypeAlias = tuple[float, str, str, bytes, int]
"""One request as the journal keeps it: when, method, path, query, status."""

Handler = Callable[[Request], Awaitable[Response]]


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    advance: float


class _TokenFor(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    scopes: tuple[str, ...] = tuple(SCOPES)


class Control:
    """The control API."""

    def __init__(
        self, admin_token: str, clock: Clock, grants: Grants, archive: Archive, journal: deque[Seen]
    ) -> None:
        self._admin = f"Bearer {admin_token}".encode()
        self.clock = clock
        self.grants = grants
        self.archive = archive
        self.journal = journal
        self._house_app = ""

    def routes(self) -> list[BaseRoute]:
        """All routes; every one but health asks for the admin token."""
        return [
            Route("/_ringlet/health", self.health, methods=["GET"]),
            Route("/_ringlet/requests", self._guard(self.requests), methods=["GET"]),
            Route("/_ringlet/clock", self._guard(self.time), methods=["GET"]),
            Route("/_ringlet/clock", self._guard(self.advance), methods=["POST"]),
            Route("/_ringlet/tokens", self._guard(self.token), methods=["POST"]),
        ]

    def _guard(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, self._admin):
                return JSONResponse({"detail": "The admin token is missing or wrong."}, status_code=401)
            try:
                return await handler(request)
            except (msgspec.MsgspecError, RingletError, OverflowError) as wrong:
                return JSONResponse({"detail": str(wrong)}, status_code=422)

        return guarded

    async def health(self, request: Request) -> Response:
        """Up, and which version."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def requests(self, request: Request) -> Response:
        """What was asked lately."""
        prefix = request.query_params.get("path", "")
        return JSONResponse(
            [
                {"at": at, "method": method, "path": path, "query": _without_token(query), "status": status}
                for at, method, path, query, status in self.journal
                if path.startswith(prefix)
            ]
        )

    async def time(self, request: Request) -> Response:
        """The cloud's clock."""
        return JSONResponse({"now": self.clock.now().isoformat(), "frozen": self.clock.frozen_at is not None})

    async def advance(self, request: Request) -> Response:
        """Move the clock forward."""
        body = msgspec.json.decode(await request.body(), type=_Advance)
        return JSONResponse({"now": self.clock.advance(timedelta(seconds=body.advance)).isoformat()})

    async def token(self, request: Request) -> Response:
        """An access token for one wearer, without the consent page."""
        body = msgspec.json.decode(await request.body(), type=_TokenFor)
        users = {name: id for id, name in self.archive.users()}
        if body.user not in users:
            return JSONResponse({"detail": f"no wearer {body.user!r}; there is {sorted(users)}"}, 404)
        self._house_app = self._house_app or self.grants.register("The house", [], public=True)[0]
        issued = self.grants.issue(self._house_app, users[body.user], body.scopes, refreshable=False)
        return JSONResponse(msgspec.to_builtins(issued))


def _without_token(query: bytes) -> str:
    text = unquote_plus(query.decode("latin-1"))
    return "(holds a token)" if "access_token" in text or "XRNGLT_" in text else query.decode("latin-1")
