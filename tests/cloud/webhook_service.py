"""The cloud's webhook service without HTTP routes: an archive, applications that subscribe, senders."""

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

LEASE_DURATION = timedelta(seconds=30)


class WebhookService:
    """What publishes, stores and delivers events of one wearer, on one archive."""

    def __init__(
        self, archive: Archive, clock: Clock | None = None, *, retries: Sequence[timedelta] = RETRIES
    ) -> None:
        self.archive = archive
        self.clock = clock or Clock()
        self.grants = Grants(archive, self.clock, RateLimit(), "live")
        self.apps = self.grants.apps
        self.subscriptions = Subscriptions(archive, self.clock)
        self.deliveries = Deliveries(archive, self.clock, self.subscriptions, retries)
        self.delivery_list = DeliveryList(archive.database)
        self.event_log = EventLog(archive, self.clock)
        self.publisher = Publisher(archive, self.clock, self.event_log, self.deliveries)
        self.user = archive.user("wearer")
        self.object_numbers = count(1)

    def register_app(self) -> tuple[str, str]:
        """Register an application and connect the wearer with it; return its id and secret."""
        client_id, secret = self.apps.register("Subscriber", [])
        self.grants.issue(client_id, self.user, SCOPES)
        return client_id, secret or ""

    def subscribe(
        self, url: str, data_type: str = "sleep", event_type: EventType = "update", client_id: str = ""
    ) -> Subscribed:
        return self.subscriptions.create(client_id or self.register_app()[0], url, event_type, data_type)

    def publish(self, events: int = 1, data_type: str = "sleep", **when: Any) -> list[str]:
        """Publish events, each about another document; return their object ids."""
        ids = [f"object-{next(self.object_numbers)}" for _ in range(events)]
        with self.archive.transaction():
            for id in ids:
                self.publisher.publish(self.user, "update", data_type, id, **when)
        return ids

    def claim(self, limit: int = 100, lease: timedelta = LEASE_DURATION) -> list[Claimed]:
        """Claim the deliveries that are due, at most `limit` of each subscription."""
        return self.deliveries.claim([(one, limit) for one in self.deliveries.ready()], lease)

    def sender(self, policy: Policy | None = None, *, deadline: float = 10.0) -> Sender:
        dialer = Dialer(AddressPolicy("dev"), deadline=deadline)
        return Sender(self.deliveries, self.publisher, self.apps, dialer, policy)


def outcome(claimed: Claimed, status: int | None = 200, retry_after: float = 0.0) -> Outcome:
    """What a sender reports after an attempt; a status of None means that the connection was reset."""
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


def delivery_states(service: WebhookService) -> dict[str, int]:
    """The number of deliveries in each state that has any."""
    return {name: count for name, count in service.deliveries.counts().items() if count}


def advance_clock(service: WebhookService, by: timedelta) -> None:
    """Move the cloud's clock forward."""
    service.clock.advance(by)


def insert_deliveries(service: WebhookService, rows: int, state: str = "waiting") -> None:
    """Insert `rows` deliveries of the newest event for each subscription."""
    service.archive.database.execute(
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
    """Run the senders until the block ends."""
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


async def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until `true()` is true; raise TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for happens in other processes, too
            await asyncio.sleep(0.005)
