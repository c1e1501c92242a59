"""A post office: an archive with one wearer, applications that subscribe, and a sender."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Any

from ringlet._cloud.core.clock import Clock
from ringlet._cloud.core.rate_limit import RateLimit
from ringlet._cloud.oauth.grants import Grants
from ringlet._cloud.webhooks.attempts import Attempt
from ringlet._cloud.webhooks.deliveries import Deliveries
from ringlet._cloud.webhooks.delivery_list import DeliveryList
from ringlet._cloud.webhooks.delivery_records import Claimed, Outcome
from ringlet._cloud.webhooks.event_log import EventLog
from ringlet._cloud.webhooks.publisher import Publisher
from ringlet._cloud.webhooks.retries import RETRIES
from ringlet._cloud.webhooks.sender import Policy, Sender
from ringlet._cloud.webhooks.subscriptions import Subscribed, Subscriptions
from ringlet._net.addresses import AddressPolicy
from ringlet._net.dial import Dialer
from ringlet._oauth.scopes import SCOPES
from ringlet.archive import Archive
from ringlet.webhooks import EventType

LEASE = timedelta(seconds=30)


class Office:
    """Rooms of a cloud around one archive."""

    def __init__(
        self, archive: Archive, clock: Clock | None = None, *, retries: Sequence[timedelta] = RETRIES
    ) -> None:
        self.archive = archive
        self.clock = clock or Clock()
        self.grants = Grants(archive, self.clock, RateLimit(), "live")
        self.apps = self.grants.apps
        self.subscriptions = Subscriptions(archive, self.clock)
        self.deliveries = Deliveries(archive, self.clock, self.subscriptions, retries)
        self.listed = DeliveryList(archive.database)
        self.log = EventLog(archive, self.clock)
        self.publisher = Publisher(archive, self.clock, self.log, self.deliveries)
        self.user = archive.user("wearer")
        self.numbers = count(1)

    def app(self) -> tuple[str, str]:
        """An application that the wearer is connected with: its id and secret."""
        client_id, secret = self.apps.register("Office", [])
        self.grants.issue(client_id, self.user, SCOPES)
        return client_id, secret or ""

    def subscribe(
        self, url: str, data_type: str = "sleep", event_type: EventType = "update", client_id: str = ""
    ) -> Subscribed:
        return self.subscriptions.create(client_id or self.app()[0], url, event_type, data_type)

    def happen(self, events: int = 1, data_type: str = "sleep", **when: Any) -> list[str]:
        """Events, each of a document of its own: their object ids."""
        ids = [f"object-{next(self.numbers)}" for _ in range(events)]
        with self.archive.transaction():
            for id in ids:
                self.publisher.publish(self.user, "update", data_type, id, **when)
        return ids

    def claim(self, most: int = 100, lease: timedelta = LEASE) -> list[Claimed]:
        """All that is ready, up to so many for each subscription."""
        return self.deliveries.claim([(one, most) for one in self.deliveries.ready()], lease)

    def sender(self, policy: Policy | None = None, *, deadline: float = 1.0) -> Sender:
        dialer = Dialer(AddressPolicy("dev"), deadline=deadline)
        return Sender(self.deliveries, self.publisher, self.apps, dialer, policy)


def outcome(claimed: Claimed, status: int | None = 200, retry_after: float = 0.0) -> Outcome:
    """What a sender has to say after an attempt."""
    attempt = Attempt(
        delivery_id=claimed.id,
        callback_url=claimed.to.callback_url,
        timestamp="1772366400",
        signature="AB",
        began_at=1_772_366_400_000,
        took=12,
        status=status,
        reason="" if status else "reset",
        response=b"so be it",
    )
    return Outcome(claimed, attempt, retry_after)


def state(office: Office) -> dict[str, int]:
    """How many deliveries there are in each state, but for those in which there are none."""
    return {name: count for name, count in office.deliveries.counts().items() if count}


def pass_by(office: Office, by: timedelta) -> None:
    """Let time pass on the cloud's clock."""
    office.clock.advance(by)


def backlog(office: Office, rows: int, state: str = "waiting") -> None:
    """So many deliveries to each subscription, of the newest event."""
    office.archive.database.execute(
        "INSERT INTO webhook_deliveries"
        " (event_seq, subscription_id, due_at, state, attempts, fence, leased_until)"
        " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        f" SELECT e.seq, s.id, {'e.at' if state == 'waiting' else 'NULL'}, '{state}', 0, 0, 0"
        " FROM n, webhook_subscriptions s,"
        " (SELECT seq, at FROM webhook_events ORDER BY seq DESC LIMIT 1) e",
        (rows,),
    )


@asynccontextmanager
async def running(*senders: Sender) -> AsyncIterator[None]:
    """While this lasts, they deliver."""
    tasks = [asyncio.create_task(sender.run()) for sender in senders]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        for sender in senders:
            await sender.dialer.close()


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for happens in other processes, too
            await asyncio.sleep(0.005)
