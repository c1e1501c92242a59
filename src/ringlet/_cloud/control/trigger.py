"""The control API route that triggers events on request, `/_ringlet/trigger`.

POST /_ringlet/trigger     {"event": "sleep.update", "user": name, "override": {"readiness.score": 61}}

With `"count": N` the event is triggered N times. The answer describes the last event, and its `count` says
how many were published.

Rules of this file:
* Each event is published in a transaction of its own, so other requests are answered between two events.
* Triggering stops early if the cloud shuts down, the archive cannot be written or the client disconnects.
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
    """The route `/_ringlet/trigger`."""

    def __init__(self, admin: Admin, archive: Archive, triggers: Triggers, shutdown: Shutdown) -> None:
        self._admin = admin
        self.archive = archive
        self.triggers = triggers
        self.shutdown = shutdown

    def routes(self) -> list[BaseRoute]:
        """The only route of this class; it needs the admin token."""
        return [Route("/_ringlet/trigger", self._admin.only(self.trigger), methods=["POST"])]

    async def trigger(self, request: Request) -> Response:
        """Trigger an event `count` times; answers 201. Raises UsageError for an unknown event or override."""
        body = msgspec.json.decode(await read_body(request), type=_Trigger)
        user = wearer(self.archive, body.user)
        fired = self.triggers.fire(user, body.event, body.override)
        count = 1
        while count < body.count and not (self.shutdown.begun or await request.is_disconnected()):
            await asyncio.sleep(0)  # the event loop may answer other requests here
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
