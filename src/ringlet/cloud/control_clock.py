"""The hand on the clock: `/_ringlet/clock`, for whoever runs the cloud.

GET  /_ringlet/clock       what time it is in the cloud
POST /_ringlet/clock       {"advance": "1d", "settle": 10}

To advance is to let time pass: the made-up wearer lives on, and what is due by then is sent. With `settle`
the answer waits up to that many real seconds until nothing is due any more; `settled` says whether it came to
that.

Rules of this file:
* How far the clock was moved is kept in the archive: what was promised for a time must find that time again
  when the cloud starts anew.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..archive import Archive
from .admin import Admin
from .clock import Clock, duration
from .deliveries import Deliveries
from .life import Life
from .outbox import Outbox

AHEAD = "clock ahead"
"""The setting that keeps how far the clock was moved, in seconds."""
LOOK = 0.02
"""Seconds between two looks at what is still due."""


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    advance: float | str
    """Seconds, or a duration in words."""
    settle: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0
    """How many real seconds to wait until all that is due is sent."""


class Timekeeper:
    """The control API of the clock."""

    def __init__(
        self, admin: Admin, archive: Archive, clock: Clock, outbox: Outbox, deliveries: Deliveries
    ) -> None:
        self._admin = admin
        self.archive = archive
        self.clock = clock
        self.outbox = outbox
        self.deliveries = deliveries
        self.life: Life | None = None
        """The wearer who lives on with the clock, if there is one."""
        clock.ahead = max(clock.ahead, timedelta(seconds=float(archive.setting(AHEAD) or 0)))

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            Route("/_ringlet/clock", self._admin.only(self.time), methods=["GET"]),
            Route("/_ringlet/clock", self._admin.only(self.advance), methods=["POST"]),
        ]

    async def time(self, request: Request) -> Response:
        """What time it is."""
        return JSONResponse(
            {
                "now": self.clock.now().isoformat(),
                "frozen": self.clock.frozen_at is not None,
                "ahead": self.clock.ahead.total_seconds(),
            }
        )

    async def advance(self, request: Request) -> Response:
        """Let time pass."""
        body = msgspec.json.decode(await request.body(), type=_Advance)
        by = duration(body.advance) if isinstance(body.advance, str) else timedelta(seconds=body.advance)
        with self.archive.transaction():  # what cannot be kept does not happen
            self.archive.set_setting(AHEAD, str((self.clock.ahead + by).total_seconds()))
            now = self.clock.advance(by)
        events = (await self.life.live_on()).events if self.life else 0
        self.outbox.wake()
        settled = await self._settle(body.settle)
        waiting = self.deliveries.counts().get("waiting", 0)
        return JSONResponse(
            {"now": now.isoformat(), "events": events, "settled": settled, "waiting": waiting}
        )

    async def _settle(self, seconds: float) -> bool:
        """Wait until nothing is due any more; whether it came to that."""
        until = time.monotonic() + seconds
        while self.deliveries.due(self.clock.ms()):
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(LOOK)
        return True
