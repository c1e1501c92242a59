"""Keeps an archive up to date until it is stopped: follows webhooks, and polls data types without webhooks.

A continuous sync has five parts that run at the same time:

    receive     store events in the inbox, all the time
    subscribe   every hour, make missing subscriptions and renew subscriptions that end soon
    follow      fetch the documents that events name
    poll        every 15 minutes, fetch the data types that have no subscription
    reconcile   once a night, fetch the last days of all data types, to find missed changes and deletions

Rules of this file:
* The receiver listens before subscriptions are made, and subscriptions are made before the first backfill.
  So a document that changes during the backfill causes an event.
* A temporary failure (of the network, the server or the disk) does not end the sync. The part that failed
  waits, longer after each failure, and tries again.
* A sync may be stopped or killed at any moment and loses nothing: the inbox and the archive record which
  fetches and windows are still to be done.
* Pauses are measured by the server's clock, so that a cloud whose clock is moved is synced like any other.
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
from .backfill import Backfill, BackfillReport, TypeProgress
from .failures import TEMPORARY, back_off, single_error
from .follower import EventFollower, FollowedJob
from .plan import FIRST_RINGS
from .server_time import ServerTime
from .subscriber import Subscriber, SubscriptionReport

CHECK_SUBSCRIPTIONS_EVERY = timedelta(hours=1)
RETRY_SUBSCRIPTIONS_AFTER = timedelta(minutes=1)
"""The pause between two attempts while every subscription is refused.

The pause is short, because the user may be about to make the callback URL reachable.
"""
POLL_EVERY = timedelta(minutes=15)
RECONCILE_AT = clock(3)
"""When the nightly backfill begins, in this machine's time zone."""
RECONCILE_SPREAD = timedelta(hours=2)
"""The longest random delay of the nightly backfill.

It keeps all users from calling Oura in the same minute.
"""
CLOCK_CHECK_INTERVAL_S = 1.0
"""How often a pause reads the server's clock, which may be moved during the pause."""
KEEP_EVENTS_FOR = timedelta(days=30)
"""How long a finished event stays stored, so that the same event is recognized if Oura sends it again."""


class SyncObserver(Protocol):
    """The methods that a continuous sync calls to report what it does."""

    def followed(self, followed: FollowedJob) -> None:
        """A fetch job has ended."""

    def subscribed(self, standing: SubscriptionReport) -> None:
        """The subscriptions have been checked."""

    def progress(self, progress: TypeProgress) -> None:
        """A backfill of all data types has fetched one window."""

    def round(self, report: BackfillReport, everything: bool) -> None:
        """A backfill has ended: of all data types (`everything`), or of the polled data types only."""

    def trouble(self, part: str, failed: RingletError, wait: timedelta) -> None:
        """The named part of the sync has failed, and tries again after `wait`."""


@dataclass(frozen=True, kw_only=True)
class CallbackEndpoint:
    """The callback URL to which Oura sends events, and the local socket that receives them."""

    url: str
    """The callback URL of the subscriptions."""
    listener: socket.socket
    """The listening socket that requests to the callback URL reach."""
    take_over: bool = False
    """Whether subscriptions with another callback URL are moved to this callback URL."""


class ContinuousSync:
    """One run of `ringlet sync --webhooks`.

    `place` is the path or URL of `archive`, because the receiver opens a connection of its own to it. `app`
    owns the subscriptions, and `names` are the data types to sync, from the day `since` on.
    """

    def __init__(
        self,
        client: AsyncClient,
        archive: Archive,
        place: str | Path,
        callback: CallbackEndpoint,
        observer: SyncObserver,
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
        self.observer = observer
        self.app = app
        self.names = names
        self.since = since
        self.connections = connections
        self.server_time = ServerTime()
        self._subscribed = SubscriptionReport()
        self._user_name = ""
        self._reconciled_at: datetime | None = None
        self._subscriptions_checked = asyncio.Event()
        self._user_known = asyncio.Event()
        self._follower: EventFollower | None = None
        self._delay = random.random() * RECONCILE_SPREAD  # noqa: S311  # not a secret

    async def run(self) -> None:
        """Run until cancelled. Raises errors that do not pass by themselves, e.g. InvalidToken.

        Raises UsageError while a program's handler owns the inbox of the archive.
        """
        loop = asyncio.get_running_loop()

        def committed() -> None:  # The receiver calls this in its own thread.
            loop.call_soon_threadsafe(self._wake)

        verification_token = secrets.token_urlsafe(32)
        receiver = Receiver(self.app.client_secret, verification_token, inbox=self.place, on_commit=committed)
        with single_error(), owning(self.archive, "sync"):
            async with serving(receiver, self.callback.listener), asyncio.TaskGroup() as group:
                group.create_task(self._repeat("inbox", self._renew_ownership))
                group.create_task(self._repeat("subscriptions", self._subscriber(verification_token)))
                group.create_task(self._repeat("sync", self._backfill))
                group.create_task(self._repeat("following", self._follow))

    async def _repeat(self, part: str, act: Callable[[], Awaitable[timedelta]]) -> None:
        """Call `act` again and again, until cancelled.

        The pause between two calls is what `act` returns, or after a temporary failure what `back_off` says.
        """
        failures = 0
        while True:
            try:
                failures, wait = 0, await act()
            except TEMPORARY as failed:
                failures += 1
                wait = timedelta(seconds=back_off(failures))
                self.observer.trouble(part, failed, wait)
            # The pause ends when its time is over by the server's clock or by this machine's clock. If the
            # server's clock is moved forwards, the pause ends early; if backwards, it must not last longer.
            due, latest = self.server_time.now() + wait, time.monotonic() + wait.total_seconds()
            while (left := latest - time.monotonic()) > 0 and self.server_time.now() < due:  # noqa: ASYNC110
                await asyncio.sleep(min(CLOCK_CHECK_INTERVAL_S, left))

    async def _renew_ownership(self) -> timedelta:
        """Renew the ownership of the inbox. This begins before the user is known and events are followed."""
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
                self._subscribed = await subscriber.check()
                self.observer.subscribed(self._subscribed)
            finally:
                self._subscriptions_checked.set()
            made_none = self._subscribed.refused and not self._subscribed.names
            return RETRY_SUBSCRIPTIONS_AFTER if made_none else CHECK_SUBSCRIPTIONS_EVERY

        return check

    async def _backfill(self) -> timedelta:
        """Fetch the data types that have no subscription. At the start and once a night, fetch all types."""
        await self._subscriptions_checked.wait()
        began = self.server_time.now()
        everything = self._reconciled_at is None or began >= night_after(self._reconciled_at, self._delay)
        polled = [name for name in self.names if name not in self._subscribed.names]
        backfill = Backfill(
            self.client,
            self.archive,
            types=self.names if everything else polled,
            since=self.since,
            connections=self.connections,
            server_time=self.server_time,
            resume=False,  # Events may have been missed since the interrupted run, so days are fetched again.
            on_progress=self.observer.progress if everything else lambda _: None,
        )
        report = await backfill.run()
        if report.stopped_by:
            raise report.stopped_by
        self._user_name = report.user_name
        self._user_known.set()
        if everything:
            self._reconciled_at = backfill.now
            before = to_ms(datetime.now(UTC) - KEEP_EVENTS_FOR)
            FetchQueue(self.archive).prune(before, user_id=report.user_name)
        self.observer.round(report, everything)
        return POLL_EVERY

    async def _follow(self) -> NoReturn:
        await self._user_known.wait()
        self._follower = EventFollower(
            self.client,
            self.archive,
            self._user_name,
            names=self.names,
            server_time=self.server_time,
            on_followed=self.observer.followed,
        )
        await self._follower.run()

    def _wake(self) -> None:
        if self._follower:
            self._follower.wake()


def night_after(instant: datetime, delay: timedelta = timedelta(0)) -> datetime:
    """When the first nightly backfill after an instant begins, `delay` after `RECONCILE_AT`."""
    day = instant.astimezone().date() - timedelta(days=1)
    while (night := datetime.combine(day, RECONCILE_AT).astimezone() + delay) <= instant:
        day += timedelta(days=1)
    return night
