"""The control API of the clock, `/_ringlet/clock`.

GET  /_ringlet/clock       the cloud's time
POST /_ringlet/clock       {"advance": "1d", "settle": 10} advances the clock

When the clock advances, so does the timeline of the simulated wearer, and deliveries that become due are
sent. With `"settle": SECONDS` the answer waits at most so many real seconds until no delivery is due;
`settled` in the answer says whether that was reached.

Rules of this file:
* The archive stores how far the clock was advanced, so that the clock shows the same time after a restart of
  the cloud. The clock moves only after this is committed.
* The clock advances by at most a day at a time, and due deliveries are sent in between. So a subscription
  that expires during a long advance still gets the events before its expiry.
* Clouds over one archive share one clock: when one cloud advances it, the others follow within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..._archive.archive import Archive
from ..._archive.storage.locks import Lock
from ..._archive.storage.settings import Setting
from ...errors import ArchiveError
from ..core.bodies import read_body
from ..core.clock import Clock, duration
from ..core.shutdown import Shutdown
from ..wearer.timeline import Timeline
from ..webhooks.deliveries import Deliveries
from .admin import Admin

ONE_DAY = timedelta(days=1)
DUE_POLL_S = 0.02
"""Seconds between two checks whether deliveries are still due."""
FOLLOW_POLL_S = 1.0
"""Seconds between two checks whether another cloud over this archive has advanced the clock."""


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    advance: float | str
    """How far to advance: seconds, or a text such as `1d12h`."""
    settle: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0
    """How many real seconds to wait until all due deliveries are sent."""


class ControlClock:
    """The routes that show and advance the clock."""

    def __init__(
        self, admin: Admin, archive: Archive, clock: Clock, deliveries: Deliveries, shutdown: Shutdown
    ) -> None:
        self._admin = admin
        self.archive = archive
        self.clock = clock
        self.deliveries = deliveries
        self.timeline: Timeline | None = None
        """The timeline of the simulated wearer; None in a cloud without one."""
        self.shutdown = shutdown
        self._follow()

    def routes(self) -> list[BaseRoute]:
        """The routes `/_ringlet/clock`, which need the admin token."""
        return [
            Route("/_ringlet/clock", self._admin.only(self.time), methods=["GET"]),
            Route("/_ringlet/clock", self._admin.only(self.advance), methods=["POST"]),
        ]

    async def time(self, request: Request) -> Response:
        """Show the cloud's time, and how far it was advanced."""
        self._follow()
        return JSONResponse(
            {
                "now": self.clock.now().isoformat(),
                "frozen": self.clock.frozen_at is not None,
                "ahead": self.clock.ahead.total_seconds(),
            }
        )

    async def advance(self, request: Request) -> Response:
        """Advance the clock and timeline. Answers when no delivery is due or `settle` seconds are over."""
        body = msgspec.json.decode(await read_body(request), type=_Advance)
        by = duration(body.advance) if isinstance(body.advance, str) else timedelta(seconds=body.advance)
        self.clock.after(by)  # raises UsageError for an invalid duration, before anything moves
        until = time.monotonic() + body.settle
        events, settled = 0, False
        for step in _days(by):
            self._move(step)
            events += (await self.timeline.advance()).events if self.timeline else 0
            self.deliveries.wakeup.notify()
            settled = await self._settle(until)
            if self.shutdown.begun:
                break
        waiting = self.deliveries.counts().get("waiting", 0)
        now = self.clock.now().isoformat()
        return JSONResponse({"now": now, "events": events, "settled": settled, "waiting": waiting})

    def _move(self, by: timedelta) -> None:
        with self.archive.transaction():  # if the transaction fails, the clock does not move
            self.archive.database.lock(Lock.CLOCK)  # another process may be advancing the clock, too
            self._follow()
            ahead = self.clock.ahead + by
            self.archive.set_setting(Setting.CLOCK_AHEAD, str(ahead.total_seconds()))
        self.clock.follow(ahead)

    async def run(self) -> None:
        """Follow the clocks of other clouds over this archive, until cancelled."""
        while True:
            with contextlib.suppress(ArchiveError):  # the archive is busy; the next turn tries again
                self._follow()
            await asyncio.sleep(FOLLOW_POLL_S)

    def _follow(self) -> None:
        self.clock.follow(timedelta(seconds=float(self.archive.setting(Setting.CLOCK_AHEAD) or 0)))

    async def _settle(self, until: float) -> bool:
        """Wait until no delivery is due; False if `until` (`time.monotonic`) or the shutdown comes first."""
        while self.deliveries.due():
            if self.shutdown.begun or time.monotonic() >= until:
                return False
            await asyncio.sleep(DUE_POLL_S)
        return True


def _days(by: timedelta) -> Iterator[timedelta]:
    """Split a duration into steps of at most a day; a duration of 0 is one step."""
    yield min(by, ONE_DAY)
    while (by := by - ONE_DAY) > timedelta(0):
        yield min(by, ONE_DAY)
