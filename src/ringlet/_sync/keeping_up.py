"""Keeping up with Oura for as long as one likes: by webhooks, and by asking for what they do not tell.

    receive     events into the inbox, from the first moment to the last
    subscribe   what is missing made, what ends renewed, looked at every hour
    follow      the inbox, one fetch per object
    poll        every quarter of an hour, the types that nobody tells of
    reconcile   once a night, everything of the last days: whatever was lost is found, deletions too

Rules of this file:
* The receiver listens before anybody is told of it, and subscriptions stand before the first sync: what
  changes in between is told.
* Nothing that passes by itself ends it: not an outage of either side, nor a disk that is full for a while.
  Each part waits, longer each time, and goes on by itself.
* Stopped or killed at any moment, it loses nothing: the inbox and the archive know what is still to do.
* Times are the server's, so that a cloud whose clock is moved is followed like any other.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import NoReturn, Protocol

from .._api.windows import to_ms
from .._archive.archive import Archive
from .._client.client import AsyncClient
from .._oauth.grant import App
from .._receiver.fetch_queue import FetchQueue
from .._receiver.inbox_owner import RENEW_OWNER_S, acquire, owning
from .._receiver.receiver import Receiver
from .._receiver.server import serving
from ..errors import RingletError
from .backfill import Backfill, Progress, Report
from .failures import PASSING, as_one, back_off
from .follow import Follow, Followed
from .plan import FIRST_RINGS
from .server_time import ServerTime
from .subscriber import Standing, Subscriber

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
NIGHT = clock(3)
"""When the night's round begins, by the wearer's clock; it is spread over the two hours that follow."""
SPREAD = timedelta(hours=2)
LOOK = 1.0
"""Seconds between two looks at the server's time, which may be moved."""
MEMORY = timedelta(days=30)
"""For how long an event that was dealt with is known again."""


class Audience(Protocol):
    """Who is told how it goes."""

    def followed(self, one: Followed) -> None:
        """An event has been followed."""

    def subscribed(self, standing: Standing) -> None:
        """The subscriptions have been looked at."""

    def progress(self, one: Progress) -> None:
        """A window of a round has ended."""

    def round(self, report: Report, everything: bool) -> None:
        """A round has ended: of everything, or of what is polled."""

    def trouble(self, part: str, failed: RingletError, wait: timedelta) -> None:
        """A part has failed and waits."""


@dataclass(frozen=True, kw_only=True)
class Callback:
    """Where events come in."""

    url: str
    """As Oura calls it."""
    listener: socket.socket
    """The socket that it leads to."""
    take_over: bool = False
    """Whether subscriptions that call somebody else are to call this."""


class KeepingUp:
    """One standing run of `ringlet sync --webhooks`.

    `place` is the path or URL that `archive` was opened with: the receiver has a connection of its own.
    """

    def __init__(
        self,
        client: AsyncClient,
        archive: Archive,
        place: str | Path,
        callback: Callback,
        told: Audience,
        *,
        app: App,
        names: Sequence[str],
        since: date = FIRST_RINGS,
        connections: int | None = None,
    ) -> None:
        self.client = client
        self.archive = archive
        self.place = place
        self.callback = callback
        self.told = told
        self.app = app
        self.names = names
        self.since = since
        self.connections = connections
        self.server_time = ServerTime()
        self._standing = Standing()
        self._user_name = ""
        self._reconciled: datetime | None = None
        self._subscriptions_seen = asyncio.Event()
        self._user_known = asyncio.Event()
        self._following: Follow | None = None
        self._late = random.random() * SPREAD  # noqa: S311  # so that not everybody asks at the same minute

    async def run(self) -> None:
        """Keep up until cancelled. Raises what does not pass by itself, e.g. InvalidToken.

        Raises UsageError where a handler takes the events of the same archive.
        """
        loop = asyncio.get_running_loop()

        def kept() -> None:
            loop.call_soon_threadsafe(self._wake)

        verification_token = secrets.token_urlsafe(32)
        receiver = Receiver(self.app.client_secret, verification_token, inbox=self.place, on_commit=kept)
        with as_one(), owning(self.archive, "sync"):
            async with serving(receiver, self.callback.listener), asyncio.TaskGroup() as group:
                group.create_task(self._every("inbox", self._hold_inbox))
                group.create_task(self._every("subscriptions", self._subscriber(verification_token)))
                group.create_task(self._every("sync", self._round))
                group.create_task(self._every("following", self._follow))

    async def _every(self, part: str, act: Callable[[], Awaitable[timedelta]]) -> None:
        """Do it again and again: after as long as it says; after it failed, soon, then later and later."""
        failures = 0
        while True:
            try:
                failures, wait = 0, await act()
            except PASSING as failed:
                failures += 1
                wait = timedelta(seconds=back_off(failures))
                self.told.trouble(part, failed, wait)
            # Either clock will do: the server's may be moved, and may be moved back.
            due, latest = self.server_time.now() + wait, time.monotonic() + wait.total_seconds()
            while (left := latest - time.monotonic()) > 0 and self.server_time.now() < due:  # noqa: ASYNC110
                await asyncio.sleep(min(LOOK, left))

    async def _hold_inbox(self) -> timedelta:
        """It stays ours, however long it takes until there is somebody to follow events for."""
        acquire(self.archive, "sync")
        return timedelta(seconds=RENEW_OWNER_S)

    def _subscriber(self, verification_token: str) -> Callable[[], Awaitable[timedelta]]:
        subscriber = Subscriber(
            self.client,
            self.app,
            self.archive,
            self.callback.url,
            verification_token,
            names=self.names,
            take_over=self.callback.take_over,
            server_time=self.server_time,
        )

        async def check() -> timedelta:
            try:
                self._standing = await subscriber.check()
                self.told.subscribed(self._standing)
            finally:
                self._subscriptions_seen.set()
            # Where nothing stands, somebody may be busy making the callback reachable.
            return HOUR if self._standing.names or not self._standing.refused else MINUTE

        return check

    async def _round(self) -> timedelta:
        """Fetch what webhooks do not tell of; everything at the beginning and at night."""
        await self._subscriptions_seen.wait()
        began = self.server_time.now()
        everything = self._reconciled is None or began >= night_after(self._reconciled, self._late)
        polled = [name for name in self.names if name not in self._standing.names]
        backfill = Backfill(
            self.client,
            self.archive,
            types=self.names if everything else polled,
            since=self.since,
            connections=self.connections,
            time=self.server_time,
            resume=False,  # events may have been lost while nobody listened
            on_progress=self.told.progress if everything else lambda _: None,
        )
        report = await backfill.run()
        if report.stopped_by:
            raise report.stopped_by
        self._user_name = report.user_name
        self._user_known.set()
        if everything:
            self._reconciled = backfill.now
            before = to_ms(datetime.now(UTC) - MEMORY)
            FetchQueue(self.archive).prune(before, user_id=report.user_name)
        self.told.round(report, everything)
        return QUARTER

    async def _follow(self) -> NoReturn:
        await self._user_known.wait()
        self._following = Follow(
            self.client,
            self.archive,
            self._user_name,
            names=self.names,
            server_time=self.server_time,
            on_followed=self.told.followed,
        )
        await self._following.run()

    def _wake(self) -> None:
        if self._following:
            self._following.wake()


def night_after(instant: datetime, late: timedelta = timedelta(0)) -> datetime:
    """The first time after an instant when a night's round is due, by this machine's zone."""
    day = instant.astimezone().date() - timedelta(days=1)
    while (night := datetime.combine(day, NIGHT).astimezone() + late) <= instant:
        day += timedelta(days=1)
    return night
