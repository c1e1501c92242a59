"""The control API of triggered events, `/_ringlet/trigger`.

POST /_ringlet/trigger     {"event": "sleep.update", "user": name, "override": {"readiness.score": 61}}

With `count` it is triggered so many times; the answer describes the last one, and says how many there were.

Rules of this file:
* Each event is a transaction of its own; between two of them other requests are answered.
* A series ends early if the cloud shuts down, the archive cannot be written or the client disconnects;
  `count` says how many events were published by then.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..._archive.archive import Archive
from ...errors import ArchiveError
from ..core.bodies import read_body
from ..core.shutdown import Shutdown
from .admin import Admin, wearer
from .triggers import Triggers


class _Trigger(msgspec.Struct, forbid_unknown_fields=True):
    event: str
    user: str | None = None
    override: dict[str, Any] = {}
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1


class ControlTrigger:
    """The route of triggered events."""

    def __init__(self, admin: Admin, archive: Archive, triggers: Triggers, shutdown: Shutdown) -> None:
        self._admin = admin
        self.archive = archive
        self.triggers = triggers
        self.shutdown = shutdown

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [Route("/_ringlet/trigger", self._admin.only(self.trigger), methods=["POST"])]

    async def trigger(self, request: Request) -> Response:
        """Trigger an event, once or many times."""
        body = msgspec.json.decode(await read_body(request), type=_Trigger)
        user = wearer(self.archive, body.user)
        fired = self.triggers.fire(user, body.event, body.override)
        count = 1
        while count < body.count and not (self.shutdown.begun or await request.is_disconnected()):
            await asyncio.sleep(0)  # other requests have their turn
            try:
                fired = self.triggers.fire(user, body.event, body.override)
            except ArchiveError:
                break
            count += 1
        return JSONResponse(
            {
                "event": msgspec.to_builtins(fired.published.event),
                "seq": fired.published.seq,
                "object_id": fired.published.event.object_id,
                "changed": fired.changed,
                "subscriptions": fired.published.deliveries,
                "count": count,
            },
            status_code=201,
        )
